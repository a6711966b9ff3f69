//! Programs of someone else that take part in a run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Direction, End};

/// The role of a program under proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Subject {
    /// A client of longhaul's server.
    Client,
    /// A server of longhaul's client.
    Server,
    /// A proxy between longhaul's client and its server. Records state its memory as that of the receiver.
    Proxy,
    /// Any program whose input has a size. Records state its memory as that of the receiver.
    Program,
}

/// A program of someone else that takes the place of one end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PeerProgram {
    /// The version that the program states; null if it states none.
    pub version: Option<String>,
    /// The command line with its placeholders, without secrets.
    pub command: String,
}

impl Subject {
    /// Returns the end whose measurements are those of the program.
    pub fn end(self, direction: Direction) -> End {
        match self {
            Self::Client => direction.client(),
            Self::Server => direction.client().other(),
            Self::Proxy | Self::Program => End::Receiver,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Proxy => "proxy",
            Self::Program => "program",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_sends_what_goes_up_and_receives_what_comes_down() {
        let ends = [Direction::Up, Direction::Down].map(|direction| Subject::Client.end(direction));
        assert_eq!(ends, [End::Sender, End::Receiver]);
        assert_eq!(Subject::Server.end(Direction::Up), End::Receiver);
        assert_eq!(serde_json::to_string(&Subject::Client).unwrap(), "\"client\"");
    }
}
