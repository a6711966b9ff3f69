//! Standard output, which carries results; everything else goes to stderr.

use std::io::{self, Write as _};

use anyhow::Context as _;

/// Prints on stdout. A closed pipe is an error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")
}
