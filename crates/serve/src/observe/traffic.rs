//! The traffic of a server, for the program that embeds it.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::counters::Counters;

/// A reader of a server's counters. The counters stay readable after the server has ended.
#[derive(Clone)]
pub struct Traffic(Arc<Counters>);

impl Traffic {
    pub(super) fn of(counters: Arc<Counters>) -> Self {
        Self(counters)
    }

    /// Returns the number of requests so far.
    pub fn requests(&self) -> u64 {
        self.0.sum(|served| served.requests.load(Relaxed))
    }

    /// Returns the number of body bytes that were read so far, of all requests together.
    pub fn received_bytes(&self) -> u64 {
        self.0.sum(|served| served.received.load(Relaxed))
    }

    /// Returns the number of body bytes that were handed to the connections so far, of all responses together.
    pub fn sent_bytes(&self) -> u64 {
        self.0.sum(|served| served.sent.load(Relaxed))
    }
}
