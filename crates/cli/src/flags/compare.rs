//! The flags of `longhaul compare`.

use std::path::PathBuf;

use analyse::Thresholds;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The base: a file of records, or a folder of results
    pub(crate) base: PathBuf,
    /// The candidate, which is compared with the base
    pub(crate) candidate: PathBuf,
    /// Least change that counts: `5%` for all figures, or one for each kind
    #[arg(long, value_name = "PERCENT", default_value_t)]
    pub(crate) threshold: Thresholds,
    /// Exit 3 if the candidate is slower or takes more processor time, 4 if it takes more memory, 1 or 5 on a new kind
    /// of failure, 6 if a slowdown by the threshold could have been missed
    #[arg(long, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,
    /// Judge speed even if machine, kernel, allocator or the distance of cores differ
    ///
    /// Without this flag, such speeds are not judged, and `--fail-on worse` exits 6.
    #[arg(long)]
    pub(crate) across_machines: bool,
    /// With `--fail-on worse`: exit code of an inconclusive comparison, 6 (fail) or 0 (pass)
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    pub(crate) inconclusive: Inconclusive,
    /// Print the verdict and all changes as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the verdict and all changes as Markdown, for a comment on a pull request
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Also write a page for a browser, compare.html, into a folder
    #[arg(short, long, alias = "out", value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Also write the changes to a file as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// The exit code of a comparison that is inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Inconclusive {
    /// Fail, with exit code 6.
    Fail,
    /// Pass, with exit code 0.
    Pass,
}

/// The kind of change that fails a comparison.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FailOn {
    /// Any figure that is worse than in the base.
    Worse,
}
