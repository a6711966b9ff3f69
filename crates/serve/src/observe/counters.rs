//! The counters of a server, and its health.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use http::{Response, StatusCode, Version, header};
use metrics::Stamp;
use serde::Serialize;
use transport::Body;

use super::served::Served;
use crate::{occasional::Occasional, places::Refused, response};

/// The lowest status code, and the number of possible codes (RFC 9110 section 15).
const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// The counters of a server since its start.
pub(crate) struct Counters {
    began: Stamp,
    /// The connections that were accepted, and those of them that have ended.
    accepted: AtomicU64,
    closed: AtomicU64,
    /// The connections that were refused, by the limit that they exceeded.
    refused_connections: [AtomicU64; 2],
    /// The traffic of each protocol.
    served: Vec<Arc<Served>>,
    responses: [AtomicU64; STATUSES],
    /// The refused requests, by the status of the response.
    refused: [AtomicU64; STATUSES],
    /// The requests whose streams were reset without a response.
    dropped: AtomicU64,
    /// The responses whose bodies the server failed to read, and the line of the log about them.
    failed: AtomicU64,
    failures: Mutex<Occasional>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            began: Stamp::now(),
            accepted: AtomicU64::default(),
            closed: AtomicU64::default(),
            refused_connections: Default::default(),
            served: Served::of_all(),
            responses: [const { AtomicU64::new(0) }; STATUSES],
            refused: [const { AtomicU64::new(0) }; STATUSES],
            dropped: AtomicU64::default(),
            failed: AtomicU64::default(),
            failures: Mutex::default(),
        }
    }
}

/// The health of a server, in the form that clients get.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    uptime_s: f64,
    connections: Connections,
    requests: Requests,
    bytes: Bytes,
}

#[derive(Serialize)]
struct Connections {
    accepted: u64,
    open: u64,
}

#[derive(Serialize)]
struct Requests {
    received: u64,
    running: u64,
    by_status: BTreeMap<u16, u64>,
}

#[derive(Serialize)]
struct Bytes {
    received: u64,
    sent: u64,
}

impl Counters {
    /// Returns the traffic of a version of HTTP, with or without encryption. `None` stands for requests that could not be
    /// read.
    pub(super) fn of(&self, protocol: Option<(Version, bool)>) -> Arc<Served> {
        let is_meant = |served: &&Arc<Served>| match protocol {
            Some((version, is_encrypted)) => served.is_of(version, is_encrypted),
            None => false,
        };
        let served = self.served.iter().find(is_meant).or(self.served.last());
        served.cloned().unwrap_or_default()
    }

    /// Counts the end of an exchange, with its status if there was a response.
    pub(super) fn end(&self, served: &Served, status: Option<StatusCode>) {
        served.ended.fetch_add(1, Relaxed);
        if let Some(count) = of_status(&self.responses, status) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Counts a refused request. `None` stands for a stream that was reset without a response.
    pub(super) fn refuse(&self, status: Option<StatusCode>) {
        of_status(&self.refused, status).unwrap_or(&self.dropped).fetch_add(1, Relaxed);
    }

    /// Counts a response whose body the server failed to read. Returns the number of earlier failures without a line in
    /// the log, or `None` if this failure is to have none either.
    pub(super) fn fail_response(&self) -> Option<u64> {
        self.failed.fetch_add(1, Relaxed);
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).due()
    }

    /// Counts a connection that was refused.
    pub(super) fn refuse_connection(&self, limit: Refused) {
        let [address, server] = &self.refused_connections;
        let count = match limit {
            Refused::Address => address,
            Refused::Full => server,
        };
        count.fetch_add(1, Relaxed);
    }

    pub(super) fn served(&self) -> &[Arc<Served>] {
        &self.served
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    pub(super) fn open_connections(&self) -> u64 {
        let closed = self.closed.load(Relaxed);
        self.accepted().saturating_sub(closed)
    }

    /// Returns the number of responses whose bodies the server failed to read.
    pub(super) fn failed_responses(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Returns the connections that were refused, by the name of the limit.
    pub(super) fn refused_connections(&self) -> [(&'static str, u64); 2] {
        let [address, server] = &self.refused_connections;
        [("address", address.load(Relaxed)), ("server", server.load(Relaxed))]
    }

    /// Returns the number of responses of each status that occurred.
    pub(super) fn responses(&self) -> impl Iterator<Item = (String, u64)> {
        by_status(&self.responses).map(|(status, count)| (status.to_string(), count))
    }

    /// Returns the number of refused requests by reason: the names of statuses, with underscores.
    pub(super) fn refused(&self) -> impl Iterator<Item = (String, u64)> {
        let by_status = by_status(&self.refused).map(|(status, count)| {
            let status = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            (status.unwrap_or("other").to_ascii_lowercase().replace([' ', '-'], "_"), count)
        });
        by_status.chain([("no_response".to_owned(), self.dropped.load(Relaxed))])
    }

    /// Returns the sum of a figure over all protocols.
    pub(super) fn sum(&self, figure: impl Fn(&Served) -> u64) -> u64 {
        self.served.iter().fold(0, |sum, served| sum.saturating_add(figure(served)))
    }

    pub(super) fn health(&self) -> Response<Body> {
        let health = Health {
            status: "ok",
            uptime_s: self.began.elapsed().as_secs_f64(),
            connections: Connections { accepted: self.accepted(), open: self.open_connections() },
            requests: Requests {
                received: self.sum(|served| served.requests.load(Relaxed)),
                running: self.sum(Served::open),
                by_status: by_status(&self.responses).collect(),
            },
            bytes: Bytes {
                received: self.sum(|served| served.received.load(Relaxed)),
                sent: self.sum(|served| served.sent.load(Relaxed)),
            },
        };
        let mut response = response::json(StatusCode::OK, &health);
        response::set(&mut response, header::CACHE_CONTROL, "no-store");
        response
    }
}

/// Returns the count of a status; `None` without a status, or for a status outside 100 to 599.
fn of_status(counts: &[AtomicU64; STATUSES], status: Option<StatusCode>) -> Option<&AtomicU64> {
    let index = status?.as_u16().checked_sub(FIRST_STATUS)?;
    counts.get(usize::from(index))
}

/// Returns the statuses that occurred, with their counts.
fn by_status(counts: &[AtomicU64; STATUSES]) -> impl Iterator<Item = (u16, u64)> {
    let counts = (FIRST_STATUS..).zip(counts.iter().map(|count| count.load(Relaxed)));
    counts.filter(|(_, count)| *count > 0)
}

/// A connection that counts as open until the value is dropped.
pub(crate) struct Connected(Arc<Counters>);

impl Connected {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        counters.accepted.fetch_add(1, Relaxed);
        Self(counters)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
}
