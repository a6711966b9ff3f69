//! The bounds of a server on unknown clients.

use std::time::Duration;

use record::MAX_STREAMS;

use crate::{ChunkExtensions, WindowBudget};

/// Bounds on the data that a client may send before its request is accepted, and on the streams and connections that it
/// may hold open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guards {
    /// The largest head of a request, in bytes: hyper's `max_header_size`, SETTINGS_MAX_HEADER_LIST_SIZE,
    /// SETTINGS_MAX_FIELD_SECTION_SIZE.
    pub header_bytes: u32,
    /// The most fields in a head over HTTP/1.1.
    pub header_count: usize,
    /// The extensions of chunks that a body over HTTP/1.1 may have.
    pub chunk_extensions: ChunkExtensions,
    /// The time within which a head must be complete, from its first byte, over HTTP/1.1 and HTTP/3. `Duration::MAX`
    /// sets no bound.
    pub header_timeout: Duration,
    /// The most concurrent requests on a connection: SETTINGS_MAX_CONCURRENT_STREAMS, initial_max_streams_bidi.
    pub streams: u32,
    /// The memory overhead, in bytes, of DATA frames under 256 bytes that wait to be read on an HTTP/2 connection. Each
    /// such frame counts 256 bytes less its payload. h2 ends a connection that exceeds the budget (its
    /// `data_frame_budget`). With a finite budget, the connection is also not read while 256 such frames wait.
    pub data_frame_budget: usize,
    /// The budget of received bytes that bodies have not read, shared by all connections. `None` gives each connection
    /// the window of the limits from the start.
    pub receive_budget: Option<WindowBudget>,
    /// The budget of bytes that QUIC connections keep until they are acknowledged, shared by all connections. `None`
    /// gives each connection the send window of the limits from the start. (Over TCP, the kernel keeps these bytes.)
    pub send_budget: Option<WindowBudget>,
    /// The number of QUIC handshakes with unproven client addresses from which a further client must prove its address
    /// by a retry (RFC 9000 section 8.1.2). `usize::MAX` trusts every address.
    pub retry_from: usize,
}

impl Default for Guards {
    /// Returns the bounds for known clients: as many streams as a case may have, no timeout, no retries, and no budgets.
    fn default() -> Self {
        Self {
            header_bytes: 64 << 10,
            header_count: 100,
            header_timeout: Duration::MAX,
            streams: MAX_STREAMS,
            chunk_extensions: ChunkExtensions::Few,
            data_frame_budget: usize::MAX,
            receive_budget: None,
            send_budget: None,
            retry_from: usize::MAX,
        }
    }
}
