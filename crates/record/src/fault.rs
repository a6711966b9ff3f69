//! The failure of a run, as records state it.

use serde::{Deserialize, Serialize};

use crate::{End, printable::cut};

/// The longest message, in characters. It holds a path, a quotation of the peer and the causes.
const MESSAGE: usize = 1000;

/// A failure, and the end where it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fault {
    /// The kind of failure.
    pub kind: FaultKind,
    /// One line for people.
    pub message: String,
    /// The end that failed first; null if it was neither.
    pub end: Option<End>,
}

impl Fault {
    /// A fault whose end is not known yet. The message is made printable, as it may quote a peer, and is cut after 1,000
    /// characters.
    pub fn new(kind: FaultKind, message: impl ToString) -> Self {
        Self { kind, message: cut(&message.to_string(), MESSAGE), end: None }
    }

    /// Sets the end that failed first.
    #[must_use]
    pub fn at(self, end: End) -> Self {
        Self { end: Some(end), ..self }
    }
}

/// The kinds of failures. If both ends report one, the kind that is earlier in this list is more likely the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// A body ended before its announced end.
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
