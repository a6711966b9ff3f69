//! The resumption of a TLS session by a transfer.

use serde::{Deserialize, Serialize};

/// The full handshake on a connection of its own that precedes a transfer. The connection of the transfer then tries to
/// resume its session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Resumption {
    /// The duration in seconds of the full handshake. The field `handshake_s` of the record has the duration of the
    /// handshake of the transfer's connection.
    pub full_handshake_s: f64,
    /// True if the server sent a session within 2 s of the full handshake.
    pub session_received: bool,
    /// True if the handshake of the transfer's connection resumed the session; null if that is not known.
    pub resumed: Option<bool>,
    /// True if the server accepted the request in early data (`--early-data`). False if the request was sent again
    /// after the handshake. Null if it was not sent in early data.
    pub early_data_accepted: Option<bool>,
}

impl Resumption {
    /// Creates the facts about a session before the connection of the transfer tries to resume it.
    pub fn new(full_handshake_s: f64, session_received: bool) -> Self {
        Self { full_handshake_s, session_received, resumed: None, early_data_accepted: None }
    }
}
