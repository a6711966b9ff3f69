//! The counters of a server, and its health.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use http::{Response, StatusCode, header};
use metrics::Stamp;
use serde::Serialize;
use transport::Body;

use crate::response;

/// The lowest status code, and the number of possible codes (RFC 9110 section 15).
const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// The counters of a server since its start.
pub(crate) struct Counters {
    began: Stamp,
    /// The connections that were accepted, and the part of them that is over.
    accepted: AtomicU64,
    closed: AtomicU64,
    /// The requests that arrived, and the part of them that is over.
    pub(super) requests: AtomicU64,
    ended: AtomicU64,
    responses: [AtomicU64; STATUSES],
    /// The bytes of bodies, received and sent.
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            began: Stamp::now(),
            accepted: AtomicU64::default(),
            closed: AtomicU64::default(),
            requests: AtomicU64::default(),
            ended: AtomicU64::default(),
            responses: [const { AtomicU64::new(0) }; STATUSES],
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
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
    pub(super) fn begin(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Counts the end of an exchange, with its status if there was a response.
    pub(super) fn end(&self, status: Option<StatusCode>) {
        self.ended.fetch_add(1, Relaxed);
        let index = status.and_then(|status| status.as_u16().checked_sub(FIRST_STATUS));
        if let Some(count) = index.and_then(|index| self.responses.get(usize::from(index))) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn health(&self) -> Response<Body> {
        let (accepted, requests) = (self.accepted.load(Relaxed), self.requests.load(Relaxed));
        let counts = (FIRST_STATUS..).zip(self.responses.iter().map(|count| count.load(Relaxed)));
        let health = Health {
            status: "ok",
            uptime_s: self.began.elapsed().as_secs_f64(),
            connections: Connections { accepted, open: accepted.saturating_sub(self.closed.load(Relaxed)) },
            requests: Requests {
                received: requests,
                running: requests.saturating_sub(self.ended.load(Relaxed)),
                by_status: counts.filter(|(_, count)| *count > 0).collect(),
            },
            bytes: Bytes { received: self.received.load(Relaxed), sent: self.sent.load(Relaxed) },
        };
        let mut response = response::json(StatusCode::OK, &health);
        response::set(&mut response, header::CACHE_CONTROL, "no-store");
        response
    }
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
