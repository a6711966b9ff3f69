//! The resumption of a TLS session by a transfer.

use serde::{Deserialize, Serialize};

/// The full handshake on a connection of its own, whose session the connection of the transfer was to resume.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Resumption {
    /// The duration in seconds of the full handshake; that of the transfer's connection is `handshake_s`.
    pub full_handshake_s: f64,
    /// True if the server gave a session after the full handshake, in time.
    pub session_received: bool,
    /// True if the handshake of the transfer's connection resumed the session; null if that is not known.
    pub resumed: Option<bool>,
    /// True if the server accepted the request in early data (`--early-data`), false if the request was sent again after the
    /// handshake; null if it was not sent in early data.
    pub early_data_accepted: Option<bool>,
}

impl Resumption {
    /// Creates the facts about a session that has not been resumed so far.
    pub fn new(full_handshake_s: f64, session_received: bool) -> Self {
        Self { full_handshake_s, session_received, resumed: None, early_data_accepted: None }
    }
}
