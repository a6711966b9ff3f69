//! What a server puts up with from clients that it does not know.

use std::time::Duration;

use crate::MAX_STREAMS;

/// Bounds on what a client may send before a request is accepted, and on how much it may hold open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    /// The largest head of a request: hyper's `max_header_size`, SETTINGS_MAX_HEADER_LIST_SIZE,
    /// SETTINGS_MAX_FIELD_SECTION_SIZE. In bytes.
    pub header_bytes: u32,
    /// The most fields in a head over HTTP/1.1.
    pub header_count: usize,
    /// How long a head over HTTP/1.1 may take.
    pub header_timeout: Duration,
    /// The most requests at once on a connection: SETTINGS_MAX_CONCURRENT_STREAMS,
    /// initial_max_streams_bidi.
    pub streams: u32,
    /// From this many QUIC connections on, a new client must prove its address by a retry
    /// (RFC 9000 section 8.1.2).
    pub retry_from: usize,
}

impl Default for Guards {
    /// For clients that are known: as many streams as a case may ask for.
    fn default() -> Self {
        Self {
            header_bytes: 64 << 10,
            header_count: 100,
            header_timeout: Duration::from_secs(30),
            streams: MAX_STREAMS,
            retry_from: usize::MAX,
        }
    }
}
