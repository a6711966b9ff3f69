//! `longhaul fetch`: downloads one body from any HTTP server, measured on this end.

use std::path::Path;

use analyse::Verdict;
use client::{Download, Output};

use super::transfer::{Stdout, transfer};
use crate::{cli::FetchArgs, exit::Usage};

/// Runs the command.
pub(super) fn main(args: &FetchArgs) -> anyhow::Result<Verdict> {
    let (output, stdout) = match args.output.as_deref() {
        None => (Output::verify(), Stdout::Report),
        Some(path) if path == Path::new("-") => (Output::writer(tokio::io::stdout()), Stdout::Body),
        Some(path) => {
            let output = Output::file(path).map_err(|error| Usage::new(format!("-o {error}")))?;
            (output, Stdout::Report)
        }
    };
    transfer(&args.remote, Download::new(output).with_reader_rate(args.reader_rate), stdout)
}
