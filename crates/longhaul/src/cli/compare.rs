//! The flags of `longhaul compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::compare::Thresholds;

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// What it was before: a file of records, or a folder of results
    pub(crate) base: PathBuf,
    /// What it is now
    pub(crate) candidate: PathBuf,
    /// From where on a change counts: `5%` for all figures, or for each kind
    #[arg(long, value_name = "PERCENT", default_value = "goodput=5%,rss=5%,cpu=10%")]
    pub(crate) threshold: Thresholds,
    /// Exit 3 if the candidate is slower, 4 if it takes more memory, 1 or 5 if it fails anew, 6 if nothing
    /// could be compared
    #[arg(long, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,
}

/// What fails a comparison.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FailOn {
    /// Anything that is worse.
    Worse,
}
