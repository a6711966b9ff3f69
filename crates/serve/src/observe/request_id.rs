//! The identifiers of requests, which stand in logs and in refusals.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use aws_lc_rs::rand;
use http::HeaderName;

/// The field of a response that states the identifier of its request.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The identifier of a request: a random number for the start of the server, and the number of the request since then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId {
    start: u32,
    number: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.start, self.number)
    }
}

/// The source of the identifiers of one server.
#[derive(Debug)]
pub(super) struct RequestIds {
    start: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// Returns a source with a random number for this start of the server. The number is 0 if the system has no random
    /// bytes.
    pub(super) fn new() -> Self {
        let mut start = [0; 4];
        let _ = rand::fill(&mut start);
        Self { start: u32::from_le_bytes(start), next: AtomicU64::new(1) }
    }

    /// Returns the next identifier.
    pub(super) fn next(&self) -> RequestId {
        RequestId { start: self.start, number: self.next.fetch_add(1, Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_numbered_from_the_start_of_their_server() {
        let ids = RequestIds { start: 0xab, next: AtomicU64::new(1) };
        assert_eq!([ids.next(), ids.next()].map(|id| id.to_string()), ["000000ab-1", "000000ab-2"]);
        assert_ne!(RequestIds::new().next(), RequestIds::new().next());
    }
}
