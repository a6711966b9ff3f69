//! The flags of `longhaul merge`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Files of records; folders of results, also ones that were merged before; or folders of such folders
    #[arg(required = true)]
    pub(crate) records: Vec<PathBuf>,
    /// New folder for the merged records and their sum
    #[arg(short, long, alias = "out", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Number of senders that were started; fewer are an error
    #[arg(long, value_name = "N")]
    pub(crate) expect: Option<usize>,
}
