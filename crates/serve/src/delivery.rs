//! The count of bytes that a connection has delivered to its client, over all its requests.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::Stamp;
use record::TransportStats;
use transport::Session;

/// The age up to which a count is reused. Reading the count takes a few system calls.
const FRESH: Duration = Duration::from_millis(20);

/// The most bytes that QUIC sends for each received datagram: its acknowledgement, and more credit. They do not belong
/// to a response, but quinn counts them as sent like any others.
const ACK: u64 = 100;

/// The delivered bytes of one connection, and the number of requests that share them.
pub(crate) struct Delivery<'a> {
    session: &'a dyn Session,
    last: Mutex<Option<(Stamp, u64)>>,
    requests: AtomicU64,
}

impl<'a> Delivery<'a> {
    /// Returns the count for `session`.
    pub(crate) fn of(session: &'a dyn Session) -> Self {
        Self { session, last: Mutex::default(), requests: AtomicU64::new(0) }
    }

    /// Returns the bytes that have reached the client: those that TCP has acknowledged, that QUIC has sent, or that the
    /// client has read from a Unix socket. Over TCP and QUIC, bytes count before the client reads them. Once the client's
    /// buffers are full, no more bytes count.
    pub(crate) fn bytes(&self) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = last.filter(|(at, _)| at.elapsed() < FRESH) {
            return bytes;
        }
        let link = self.session.link();
        let bytes = match link.stats {
            Some(TransportStats::Tcp(tcp)) => tcp.bytes_acked,
            Some(TransportStats::Quic(quic)) => {
                quic.bytes_sent.saturating_sub(quic.datagrams_received.saturating_mul(ACK))
            }
            None => link.unix_bytes_read.unwrap_or_default(),
        };
        // The memory of unread bytes exceeds their number, so that the count over a Unix socket can fall.
        let bytes = bytes.max(last.map_or(0, |(_, bytes)| bytes));
        *last = Some((Stamp::now(), bytes));
        bytes
    }

    /// Returns the part of `bytes` that each running request can claim.
    pub(crate) fn share(&self, bytes: u64) -> u64 {
        bytes / self.requests.load(Ordering::Relaxed).max(1)
    }

    /// Returns whether at most one request is running.
    pub(crate) fn is_sole_request(&self) -> bool {
        self.requests.load(Ordering::Relaxed) <= 1
    }

    /// Counts a request until the returned value is dropped.
    pub(crate) fn begin(&self) -> Running<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Running(&self.requests)
    }
}

/// A request that shares the bytes of its connection.
pub(crate) struct Running<'a>(&'a AtomicU64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use async_trait::async_trait;
    use record::TcpStats;
    use transport::{Error, Incoming, Link};

    use super::*;

    /// A session without requests, which delivers a number of bytes in every interval.
    pub(crate) struct Fixed {
        began: Stamp,
        interval: Duration,
        bytes: u64,
    }

    impl Default for Fixed {
        fn default() -> Self {
            Self::moving(Duration::from_secs(1), 0)
        }
    }

    impl Fixed {
        pub(crate) fn moving(interval: Duration, bytes: u64) -> Self {
            Self { began: Stamp::now(), interval, bytes }
        }
    }

    #[async_trait]
    impl Session for Fixed {
        async fn accept(&self) -> Result<Option<Incoming>, Error> {
            std::future::pending().await
        }

        fn link(&self) -> Link {
            let intervals = self.began.elapsed().as_micros() / self.interval.as_micros();
            let bytes_acked = intervals as u64 * self.bytes;
            let mut link = Link::default();
            link.stats = Some(TransportStats::Tcp(TcpStats { bytes_acked, ..TcpStats::default() }));
            link
        }
    }

    #[test]
    fn requests_share_what_their_connection_delivers() {
        let session = Fixed::default();
        let delivery = Delivery::of(&session);
        assert_eq!(delivery.share(100), 100);
        let first = delivery.begin();
        assert!(delivery.is_sole_request());
        let second = delivery.begin();
        assert!(!delivery.is_sole_request());
        assert_eq!(delivery.share(100), 50);
        drop((first, second));
        assert_eq!(delivery.share(100), 100);
    }
}
