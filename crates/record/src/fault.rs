//! The failure of a run, as records state it.

use serde::{Deserialize, Serialize};

use crate::{End, printable::cut};

/// The longest message, in characters: enough for a path, a quotation of the peer and the causes of the failure.
const MESSAGE: usize = 1000;

/// The failure of a run, with the end where it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fault {
    /// The kind of failure.
    pub kind: FaultKind,
    /// The reason, as one line of text for a person.
    pub message: String,
    /// The end that failed first; null if neither end did.
    pub end: Option<End>,
}

impl Fault {
    /// Creates a fault without an end. The message may quote a peer, so its unprintable characters are escaped. A
    /// message is cut after 1,000 characters.
    pub fn new(kind: FaultKind, message: impl ToString) -> Self {
        Self { kind, message: cut(&message.to_string(), MESSAGE), end: None }
    }

    /// Sets the end that failed first.
    #[must_use]
    pub fn at(self, end: End) -> Self {
        Self { end: Some(end), ..self }
    }
}

/// The kinds of failures. If both ends report a failure, the kind that is earlier in this list is more likely the
/// cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FaultKind {
    /// The payload could not be read to its end.
    Payload,
    /// The body could not be saved.
    Save,
    /// The program under proof failed, or did not do what its role demands.
    Program,
    /// A worker process died, or wrote a line that is not an event.
    Worker,
    /// The server could not listen on the address.
    Listen,
    /// The peer could not be reached.
    Connect,
    /// The ends could not agree on TLS, ALPN or QUIC parameters.
    Handshake,
    /// The digests of the sent and the received bytes differ.
    Integrity,
    /// The server answered with an HTTP status that is an error.
    Http,
    /// No body byte moved within the timeout.
    Timeout,
    /// The connection broke, or the peer violated the protocol.
    Protocol,
    /// A body ended before its announced length.
    Truncated,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_never_controls_the_terminal_that_shows_it() {
        let fault = Fault::new(FaultKind::Http, "no \u{1b}]52;c;b3du\u{7}\r\nway");
        assert_eq!(fault.message, "no \\u{1b}]52;c;b3du\\u{7}\\r\\nway");
        assert_eq!(Fault::new(FaultKind::Http, "x".repeat(2000)).message.chars().count(), 1001);
    }
}
