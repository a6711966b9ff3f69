//! What went wrong in a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use transport::End;

/// What went wrong, and where it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) message: String,
    /// The end that failed first; null if it was neither.
    pub(crate) end: Option<End>,
}

/// A fault whose end is not known yet.
pub(crate) fn fault(kind: FaultKind, message: impl ToString) -> Fault {
    Fault { kind, message: message.to_string(), end: None }
}

impl From<transport::Error> for Fault {
    fn from(error: transport::Error) -> Self {
        use transport::Error::*;
        let kind = match error {
            Connect { .. } => FaultKind::Connect,
            Listen { .. } => FaultKind::Listen,
            Identity(_) | Handshake(_) => FaultKind::Handshake,
            Truncated(_) => FaultKind::Truncated,
            Body(_) => FaultKind::Payload,
            Protocol { .. } => FaultKind::Protocol,
        };
        fault(kind, error)
    }
}

impl From<payload::Error> for Fault {
    fn from(error: payload::Error) -> Self {
        fault(FaultKind::Payload, error)
    }
}

impl From<receiver::Error> for Fault {
    fn from(error: receiver::Error) -> Self {
        let kind = match error {
            receiver::Error::Broken { .. } | receiver::Error::Length { .. } => FaultKind::Truncated,
            receiver::Error::Save(_) => FaultKind::Save,
        };
        fault(kind, error)
    }
}

/// Kinds of failures. The earlier one is rather the cause, the later one rather the consequence, where
/// both ends report one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FaultKind {
    /// The payload could not be read to its end.
    Payload,
    /// The body could not be saved.
    Save,
    /// A worker process died, or said what could not be understood.
    Worker,
    /// Nothing could be listened on.
    Listen,
    /// Nobody could be reached.
    Connect,
    /// The ends could not agree.
    Handshake,
    /// The digests differ.
    Integrity,
    /// The server answered with an error.
    Http,
    /// Nothing moved for too long.
    Timeout,
    /// The connection or the protocol broke.
    Protocol,
    /// A body ended before its end.
    Truncated,
}
