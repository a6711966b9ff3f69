//! The failure of a run, as records state it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::End;

/// A failure, and the end where it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// The kind of failure.
    pub kind: FaultKind,
    /// One line for people.
    pub message: String,
    /// The end that failed first; null if it was neither.
    pub end: Option<End>,
}

impl Fault {
    /// A fault whose end is not known yet.
    pub fn new(kind: FaultKind, message: impl ToString) -> Self {
        Self { kind, message: message.to_string(), end: None }
    }

    /// The fault of an end.
    #[must_use]
    pub fn at(self, end: End) -> Self {
        Self { end: Some(end), ..self }
    }
}

/// The kinds of failures. If both ends report one, the kind that is earlier in this list is more likely the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// The payload could not be read to its end.
    Payload,
    /// The body could not be saved.
    Save,
    /// A worker process died, or wrote a line that is no event.
    Worker,
    /// The address could not be listened on.
    Listen,
    /// The peer could not be reached.
    Connect,
    /// The ends could not agree on TLS, ALPN or QUIC.
    Handshake,
    /// The digests differ.
    Integrity,
    /// The server answered with an error.
    Http,
    /// No byte moved for too long.
    Timeout,
    /// The connection or the protocol broke.
    Protocol,
    /// A body ended before its end.
    Truncated,
}
