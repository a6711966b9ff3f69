//! The framing of a transfer: the pieces in which its bytes arrived.

use serde::{Deserialize, Serialize};

/// The pieces in which the bytes of a run arrived at the receiver, counted over all connections of the receiver. A kind
/// of piece is null if the protocol has none, or if none arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Framing {
    /// The TLS records over TCP whose outer type is application data, by the length of their encrypted content (RFC
    /// 8446 section 5.2). The count includes the encrypted part of the handshake, session tickets and alerts.
    pub tls_records: Option<FrameSizes>,
    /// The chunks of HTTP/1.1, by their size. The last chunk of a body, which is empty, does not count (RFC 9112
    /// section 7.1).
    pub http1_chunks: Option<FrameSizes>,
    /// The DATA frames of HTTP/2 and HTTP/3, by their payload without padding. Empty frames count. Null if the receiver
    /// runs on the streams of h3-quinn (`--h3-recv stock`).
    pub data_frames: Option<FrameSizes>,
    /// The UDP datagrams of QUIC, by their payload. The count includes the handshake and acknowledgements. Null for
    /// `quic-ceiling`.
    pub datagrams: Option<FrameSizes>,
}

/// The number and sizes of pieces of one kind, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FrameSizes {
    /// The number of pieces.
    pub count: u64,
    /// The sum of the sizes of all pieces.
    pub total_bytes: u64,
    /// The smallest size.
    pub min: u64,
    /// The median size, or a size that occurred and is at most 1/32 larger.
    pub p50: u64,
    /// The 99th percentile of the sizes, or a size that occurred and is at most 1/32 larger.
    pub p99: u64,
    /// The largest size.
    pub max: u64,
}
