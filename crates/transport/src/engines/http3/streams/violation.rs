//! The violations of the protocol by a peer, and whether a stream or the connection ends.

use h3::error::Code;

/// A violation of HTTP/3, or of the bounds on a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({code})")]
pub(crate) struct Violation {
    /// The error code that is sent to the peer.
    pub(crate) code: Code,
    /// The reason, for people.
    pub(crate) reason: &'static str,
    /// The part that ends because of the violation.
    pub(crate) reach: Reach,
}

/// The part of a connection that a violation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The stream alone: the connection goes on.
    Stream,
    /// The whole connection.
    Connection,
}

impl Violation {
    /// The end of a stream that must last as long as the connection (RFC 9114 section 6.2.1, RFC 9204 section 4.2).
    pub(super) const CLOSED: Self =
        Self::of_connection(Code::H3_CLOSED_CRITICAL_STREAM, "a control or QPACK stream was closed");

    /// Returns a stream error (RFC 9114 section 8).
    pub(crate) const fn of_stream(code: Code, reason: &'static str) -> Self {
        Self { code, reason, reach: Reach::Stream }
    }

    /// Returns a connection error (RFC 9114 section 8).
    pub(crate) const fn of_connection(code: Code, reason: &'static str) -> Self {
        Self { code, reason, reach: Reach::Connection }
    }

    /// Returns a malformed message (RFC 9114 section 4.1.2).
    pub(crate) const fn malformed(reason: &'static str) -> Self {
        Self::of_stream(Code::H3_MESSAGE_ERROR, reason)
    }
}
