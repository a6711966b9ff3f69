//! `longhaul fetch`: downloads one body from any HTTP server, measured on this end.

use std::path::Path;

use analyse::Verdict;
use client::{Download, Output};

use super::transfer::{Stdout, transfer};
use crate::{exit::Usage, flags::FetchArgs};

/// Runs `longhaul fetch`.
pub(super) fn main(args: &FetchArgs) -> anyhow::Result<Verdict> {
    if args.remote.load.is_parallel() && args.output.is_some() {
        return Err(
            Usage::new("-o has room for one body; leave it out, or --connections and --streams").into()
        );
    }
    if args.remote.rounds > 1 && args.output.as_deref().is_some_and(is_stdout) {
        return Err(Usage::new("-o - is the body of one transfer; leave it out, or --rounds").into());
    }
    if args.continue_at.is_some() {
        check_resumable(args.output.as_deref())?;
    }
    let (output, stdout) = match args.output.as_deref() {
        None => (Output::verify(), Stdout::Report),
        Some(path) if is_stdout(path) => (Output::writer(tokio::io::stdout()), Stdout::Body),
        Some(path) => {
            let output = Output::file(path).map_err(|error| Usage::new(format!("-o {error}")))?;
            (output, Stdout::Report)
        }
    };
    let download = Download::new(output).with_reader_rate(args.reader_rate);
    let download = if args.continue_at.is_some() { download.resuming() } else { download };
    transfer(&args.remote, args.remote.options()?, &args.remote.target()?, download, stdout)
}

/// Checks that a download into this output can be resumed. A pipe or a device does not keep the first part.
fn check_resumable(output: Option<&Path>) -> Result<(), Usage> {
    let is_file = |path: &Path| path.metadata().map_or(path != Path::new("-"), |found| found.is_file());
    if output.is_some_and(is_file) {
        return Ok(());
    }
    Err(Usage::new("-C - needs a file: give one by -o FILE"))
}

/// Returns whether a path stands for standard output, which then carries nothing but the body.
fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}
