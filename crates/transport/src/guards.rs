//! The bounds of a server on unknown clients.

use std::time::Duration;

use record::MAX_STREAMS;

use crate::{ChunkExtensions, WindowBudget, engines::http2::READ_BEYOND};

/// Bounds on the data that a client may send before its request is accepted, and on the streams and
/// connections that it may hold open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guards {
    /// The largest head of a request, in bytes: hyper's `max_header_size`, SETTINGS_MAX_HEADER_LIST_SIZE,
    /// SETTINGS_MAX_FIELD_SECTION_SIZE.
    pub header_bytes: u32,
    /// The most fields in a head. Over HTTP/3, they also bound trailers.
    pub header_count: usize,
    /// The extensions of chunks that a body over HTTP/1.1 may have.
    pub chunk_extensions: ChunkExtensions,
    /// The time within which a head must be complete, from its first byte, over HTTP/1.1 and HTTP/3. `Duration::MAX`
    /// sets no bound.
    pub header_timeout: Duration,
    /// The most concurrent requests on a connection: SETTINGS_MAX_CONCURRENT_STREAMS, initial_max_streams_bidi.
    pub streams: u32,
    /// The memory overhead, in bytes, of DATA frames under 256 bytes that wait to be read on an HTTP/2
    /// connection. Each such frame counts 256 bytes less its payload. h2 ends a connection that exceeds the
    /// budget (its `data_frame_budget`). With a finite budget, the connection is also not read while 256 such
    /// frames wait, or while a request waits to be accepted.
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

/// The memory of a field of a decoded head besides its name and value, in bytes: a bucket of 104 bytes in the
/// `HeaderMap` of http 1.5, which doubles, and its index.
const FIELD: u64 = 216;

/// The memory of a decoded head without a bound on its fields, as a multiple of its size by the count of RFC
/// 9113 section 6.5.2. A field has at least 33 bytes there: 385 fields with names of two bytes take 84 KiB,
/// which is most for 16 KiB.
const DECODED: u64 = 7;

/// The memory of a block of fields whose rest is withheld, as a multiple of the largest head: twice its size,
/// in a buffer that doubles.
const WITHHELD: u64 = 4;

/// The largest block of fields that HTTP/2 reads whatever the largest head is, in bytes. So a head that is too large gets
/// status 431 (RFC 9113 section 10.5.1), and not the end of its connection.
pub(crate) const LEAST_BLOCK: u64 = 64 << 10;

/// The most memory of a connection for short heads over HTTP/3, in bytes. The rest of a block that HTTP/2 keeps may be as
/// large.
const SHORT_HEADS: u64 = 2 * LEAST_BLOCK;

/// The longest head over HTTP/3 that is gathered without a share of the memory for heads, in bytes. Most heads are shorter.
const SHORT_HEAD: u64 = 1 << 10;

impl Guards {
    /// Returns the most memory that heads take on a connection until their requests are accepted, in bytes: a decoded
    /// head, the rest of a block, and the fields that are read beyond them.
    pub fn waiting_heads(&self) -> u64 {
        let (decoded, list) = (self.decoded(), u64::from(self.header_bytes));
        let withheld = (list * WITHHELD).max(2 * LEAST_BLOCK);
        decoded.saturating_add(withheld).saturating_add(u64::from(READ_BEYOND) * FIELD)
    }

    /// Returns the memory that long and complete heads share over HTTP/3, in bytes.
    pub(crate) fn shared_by_heads(&self) -> u64 {
        self.waiting_heads().saturating_sub(SHORT_HEADS)
    }

    /// Returns the longest head over HTTP/3 that is gathered without a share of that memory, in bytes.
    pub(crate) fn short_head(&self) -> u64 {
        SHORT_HEAD.min(SHORT_HEADS / u64::from(self.streams.max(1)))
    }

    /// Returns the most memory that the head and the trailers of an accepted request take, in bytes.
    pub fn accepted_head(&self) -> u64 {
        let fields = (self.header_count as u64).saturating_mul(FIELD);
        let head = self.decoded().min(fields.saturating_add(self.header_bytes.into()));
        self.decoded().saturating_add(head)
    }

    /// Returns the most memory that a head takes as it is received and decoded, in bytes, if its encoded form
    /// has `encoded` bytes and its fields are counted before they are decoded.
    pub(crate) fn counted_head(encoded: u64, header_count: usize) -> u64 {
        let fields = encoded.min(header_count as u64).saturating_mul(FIELD);
        encoded.saturating_mul(2).saturating_add(fields)
    }

    /// Returns the most memory that a decoded head takes whose fields are not counted, in bytes.
    fn decoded(&self) -> u64 {
        u64::from(self.header_bytes).saturating_mul(DECODED)
    }
}

impl Default for Guards {
    /// Returns the bounds for known clients: as many streams as a case may have, no timeout, no retries, and
    /// no budgets.
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
