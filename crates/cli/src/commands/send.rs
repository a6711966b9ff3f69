//! `longhaul send`: uploads one body to any HTTP server, measured on this end.

use std::{env, path::PathBuf};

use analyse::Verdict;
use client::{Upload, UploadError};

use super::transfer::{Stdout, transfer};
use crate::{exit::Usage, flags::SendArgs};

/// Runs `longhaul send`.
pub(super) fn main(args: &SendArgs) -> anyhow::Result<Verdict> {
    let target = args.target()?;
    let upload = match args.form()? {
        Some(form) => Upload::form(form),
        None => of_payload(args)?,
    };
    let upload = upload.with_chunk(args.chunk_size()).with_seed(args.seed).with_limit_rate(args.limit_rate);
    let upload = if args.content_length {
        upload.announcing_length().map_err(|error| Usage::new(format!("--content-length: {error}")))?
    } else {
        upload
    };
    for (is_asked, need) in [
        (args.remote.load.is_parallel(), "--connections and --streams need"),
        (args.remote.rounds > 1, "--rounds needs"),
    ] {
        if is_asked && !upload.is_repeatable() {
            let payload = upload.payload_kind();
            let reason = format!("payload {payload} can be read once; {need} a file or a generated body");
            return Err(Usage::new(reason).into());
        }
    }
    if args.remote.load.is_parallel() && args.continue_at.is_some() {
        return Err(Usage::new("-C - resumes one body; leave out --connections and --streams").into());
    }
    let upload = if args.continue_at.is_some() {
        upload.resuming(states()?).map_err(|error| Usage::new(format!("-C -: {error}")))?
    } else {
        upload
    };
    transfer(&args.remote, args.options()?, &target, upload, Stdout::Report)
}

/// Returns the folder of the states of resumable uploads (XDG Base Directory Specification).
///
/// # Errors
/// Fails if the user has no such folder.
fn states() -> Result<PathBuf, Usage> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let missing =
        || Usage::new("-C -: no folder for the state of the upload; set HOME or XDG_STATE_HOME to a folder");
    folder.map(|folder| folder.join("longhaul/uploads")).ok_or_else(missing)
}

/// Returns the upload of the payload that the flags name.
fn of_payload(args: &SendArgs) -> Result<Upload, Usage> {
    let upload = Upload::new(args.payload().clone()).and_then(|upload| upload.with_size(args.size));
    upload.map_err(|error| match error {
        UploadError::OwnSize { payload } => {
            Usage::new(format!("--payload {payload} has a size of its own; leave out --size"))
        }
        error => Usage::new(error),
    })
}
