//! The two ends of a body, and the direction between them.

use std::{
    fmt,
    ops::{Index, IndexMut},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// The direction of a body: upload or download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// An upload: the client sends.
    Up,
    /// A download: the server sends.
    Down,
}

/// One of the two ends of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The end that sends the body.
    Sender,
    /// The end that receives the body.
    Receiver,
}

/// An error for a word that names neither a direction nor an end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} '{word}' must be {expected}")]
pub struct WordError {
    what: &'static str,
    word: String,
    expected: &'static str,
}

impl Direction {
    /// Both directions, uploads first.
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// Returns the word for the direction in flags, names and records: `up` or `down`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// Returns the end that is the client in this direction.
    pub fn client(self) -> End {
        match self {
            Self::Up => End::Sender,
            Self::Down => End::Receiver,
        }
    }

    /// Returns the end that is the server in this direction.
    pub fn server(self) -> End {
        self.client().other()
    }
}

impl End {
    /// Both ends, the sender first.
    pub const ALL: [Self; 2] = [Self::Sender, Self::Receiver];

    /// Returns the word for the end in flags, tables and records: `sender` or `receiver`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }

    /// Returns the opposite end.
    pub fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }
}

impl FromStr for Direction {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        let unknown = || WordError { what: "direction", word: word.into(), expected: "up or down" };
        Self::ALL.into_iter().find(|direction| direction.name() == word).ok_or_else(unknown)
    }
}

impl FromStr for End {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        let unknown = || WordError { what: "end", word: word.into(), expected: "sender or receiver" };
        Self::ALL.into_iter().find(|end| end.name() == word).ok_or_else(unknown)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One value for each end, indexed by [`End`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByEnd<T> {
    /// The value of the sender.
    pub sender: T,
    /// The value of the receiver.
    pub receiver: T,
}

impl<T> ByEnd<T> {
    /// Calls `value` once for each end, and collects the results.
    pub fn from_fn(mut value: impl FnMut(End) -> T) -> Self {
        Self { sender: value(End::Sender), receiver: value(End::Receiver) }
    }

    /// Returns each end with its value, the sender first.
    pub fn iter(&self) -> impl Iterator<Item = (End, &T)> {
        [(End::Sender, &self.sender), (End::Receiver, &self.receiver)].into_iter()
    }
}

impl<T> Index<End> for ByEnd<T> {
    type Output = T;

    fn index(&self, end: End) -> &T {
        match end {
            End::Sender => &self.sender,
            End::Receiver => &self.receiver,
        }
    }
}

impl<T> IndexMut<End> for ByEnd<T> {
    fn index_mut(&mut self, end: End) -> &mut T {
        match end {
            End::Sender => &mut self.sender,
            End::Receiver => &mut self.receiver,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_of_an_upload_is_the_sender() {
        assert_eq!((Direction::Up.client(), Direction::Up.server()), (End::Sender, End::Receiver));
        assert_eq!((Direction::Down.client(), Direction::Down.server()), (End::Receiver, End::Sender));
    }

    #[test]
    fn words_parse_back_and_others_are_named_in_the_error() {
        assert_eq!("down".parse(), Ok(Direction::Down));
        assert_eq!("receiver".parse(), Ok(End::Receiver));
        let error = "both".parse::<Direction>().unwrap_err();
        assert_eq!(error.to_string(), "direction 'both' must be up or down");
    }
}
