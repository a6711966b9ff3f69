//! Standard output, which carries results; everything else goes to stderr.

use std::io::{self, Write as _};

use anyhow::{Context as _, anyhow};

/// The cause of an error when the reader of standard output has gone, such as `head` after its last line.
#[derive(Debug, thiserror::Error)]
#[error("its reader has gone")]
pub(crate) struct ReaderGone;

/// Prints on stdout. A closed pipe is an error whose cause is [`ReaderGone`].
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    written(io::stdout().write_all(text.as_bytes()))
}

/// Returns the outcome of writing to stdout, as [`print`] does.
pub(crate) fn written(outcome: io::Result<()>) -> anyhow::Result<()> {
    let outcome = outcome.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => anyhow!(ReaderGone),
        _ => error.into(),
    });
    outcome.context("cannot write to stdout")
}

/// Returns whether an error is due to the reader of standard output, who wants no more.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<ReaderGone>())
}
