//! Standard output, where results go; everything else goes to stderr.

use std::io::{self, Write as _};

use anyhow::Context as _;

/// Prints on stdout; a closed pipe is an error like any other.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")
}
