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
use tokio::time::sleep;
use transport::Session;

/// The age up to which a count is reused. Reading the count takes a few system calls.
const FRESH: Duration = Duration::from_millis(20);

/// The most bytes that QUIC sends for each received datagram: its acknowledgement, and more credit. They do not belong
/// to a response, but quinn counts them as sent like any others.
const ACK: u64 = 100;

/// The longest time between two counts of a Unix socket with unread bytes. A refill of the socket between two counts hides
/// bytes that were read, so that a reader is seen for certain if it takes longer than this for what the socket holds:
/// at the kernel's default of 208 KiB, 2 MiB/s. A faster reader pulls chunks of its body, which count in any case.
const SAMPLE: Duration = Duration::from_millis(50);

/// The delivered bytes of one connection, and the number of requests that share them.
pub(crate) struct Delivery<'a> {
    session: &'a dyn Session,
    last: Mutex<Option<Count>>,
    requests: AtomicU64,
}

/// A count of delivered bytes.
#[derive(Clone, Copy)]
struct Count {
    at: Stamp,
    bytes: u64,
    /// The bytes that the client has yet to read from a socket without counters, with the kernel's bookkeeping of them.
    unread: Option<u64>,
}

impl<'a> Delivery<'a> {
    /// Returns the count for `session`.
    pub(crate) fn of(session: &'a dyn Session) -> Self {
        Self { session, last: Mutex::default(), requests: AtomicU64::new(0) }
    }

    /// Returns the bytes that have reached the client: those that TCP has acknowledged, that QUIC has sent, or that were
    /// seen to leave a Unix socket. Over TCP and QUIC, bytes count before the client reads them. Once the client's buffers
    /// are full, no more bytes count.
    pub(crate) fn bytes(&self) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = last.filter(|count| count.at.elapsed() < FRESH) {
            return count.bytes;
        }
        let count = self.count(*last);
        *last = Some(count);
        count.bytes
    }

    fn count(&self, last: Option<Count>) -> Count {
        let link = self.session.link();
        let (bytes, unread) = match link.stats {
            Some(TransportStats::Tcp(tcp)) => (tcp.bytes_acked, None),
            Some(TransportStats::Quic(quic)) => {
                (quic.bytes_sent.saturating_sub(quic.datagrams_received.saturating_mul(ACK)), None)
            }
            None => {
                let unread = link.socket_memory_bytes;
                let before = last.and_then(|last| last.unread).unwrap_or_default();
                let read = before.saturating_sub(unread.unwrap_or_default());
                (last.map_or(0, |last| last.bytes).saturating_add(read), unread)
            }
        };
        Count { at: Stamp::now(), bytes, unread }
    }

    /// Returns the time until the next look at a transfer that is looked at every `look`.
    pub(crate) fn look(&self, look: Duration) -> Duration {
        if self.unread().is_some() { look.min(SAMPLE) } else { look }
    }

    /// Waits, and meanwhile counts the bytes that leave a Unix socket.
    pub(crate) async fn wait(&self, time: Duration) {
        let began = Stamp::now();
        while self.unread().is_some_and(|unread| unread > 0) {
            let left = time.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left.min(SAMPLE)).await;
            self.bytes();
        }
        sleep(time.saturating_sub(began.elapsed())).await;
    }

    /// Returns the bytes that the client has yet to read from a Unix socket, as of the last count; `None` for other
    /// sockets.
    fn unread(&self) -> Option<u64> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).and_then(|last| last.unread)
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

    /// A session without requests over a Unix socket with these unread bytes, one after the other.
    struct Unix(Mutex<Vec<u64>>);

    #[async_trait]
    impl Session for Unix {
        async fn accept(&self) -> Result<Option<Incoming>, Error> {
            std::future::pending().await
        }

        fn link(&self) -> Link {
            let mut unread = self.0.lock().unwrap();
            let mut link = Link::default();
            link.socket_memory_bytes = Some(if unread.len() > 1 { unread.remove(0) } else { unread[0] });
            link
        }
    }

    #[tokio::test]
    async fn bytes_that_leave_a_unix_socket_are_delivered_although_it_is_filled_again() {
        let session = Unix(Mutex::new(vec![100, 70, 90, 20, 200, 0]));
        let delivery = Delivery::of(&session);
        let mut seen = Vec::new();
        for _ in 0..7 {
            seen.push(delivery.bytes());
            sleep(FRESH).await;
        }
        assert_eq!(seen, [0, 30, 30, 100, 100, 300, 300]);
    }

    #[tokio::test]
    async fn a_unix_socket_is_watched_while_it_has_unread_bytes() {
        let seconds = Duration::from_secs;
        let tcp = Fixed::default();
        let tcp = Delivery::of(&tcp);
        tcp.bytes();
        assert_eq!(tcp.look(seconds(1)), seconds(1));
        let unix = Unix(Mutex::new(vec![100, 60, 90, 50, 0]));
        let unix = Delivery::of(&unix);
        unix.bytes();
        assert_eq!(unix.look(seconds(1)), SAMPLE);
        unix.wait(SAMPLE * 5).await;
        assert_eq!(unix.bytes(), 130);
    }

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
