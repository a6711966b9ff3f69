//! `longhaul send`: uploads one body to any HTTP server, measured on this end.

use analyse::Verdict;
use client::{Upload, UploadError};

use super::transfer::{Stdout, transfer};
use crate::{cli::SendArgs, exit::Usage};

/// Runs `longhaul send`.
pub(super) fn main(args: &SendArgs) -> anyhow::Result<Verdict> {
    let target = args.target()?;
    let upload = Upload::new(args.payload().clone())
        .and_then(|upload| upload.with_size(args.size))
        .map_err(|error| match error {
            UploadError::OwnSize { payload } => {
                Usage::new(format!("--payload {payload} has a size of its own; leave out --size"))
            }
            error => Usage::new(error),
        })?
        .with_chunk(args.chunk_size)
        .with_seed(args.seed)
        .with_limit_rate(args.limit_rate);
    let upload = if args.content_length {
        upload.announcing_length().map_err(|error| Usage::new(format!("--content-length: {error}")))?
    } else {
        upload
    };
    if args.remote.load.is_parallel() && !upload.is_repeatable() {
        let payload = args.payload();
        let reason = format!(
            "payload {payload} can be read once; --connections and --streams need a file or a generated body"
        );
        return Err(Usage::new(reason).into());
    }
    transfer(&args.remote, &target, upload, Stdout::Report)
}
