//! The errors of h2 in the words of RFC 9113: the frame that ended a stream or a connection, its code, and its text.

use std::fmt::{self, Write as _};

/// The most characters of an error. The peer chooses the text of a GOAWAY frame; h2 escapes it.
const MOST: usize = 200;

/// An error of h2.
#[derive(Debug)]
pub(super) struct Failure(pub(super) h2::Error);

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = match &self.0 {
            error if !error.is_remote() => None,
            error if error.is_go_away() => Some("GOAWAY"),
            _ => Some("RST_STREAM"),
        };
        let mut text = String::new();
        match frame.zip(self.0.reason()) {
            Some((frame, reason)) => write!(text, "{frame} {reason:?}: {}", self.0)?,
            None => write!(text, "{}", self.0)?,
        }
        match text.char_indices().nth(MOST) {
            Some((end, _)) => write!(f, "{}…", text.get(..end).unwrap_or_default()),
            None => f.write_str(&text),
        }
    }
}
