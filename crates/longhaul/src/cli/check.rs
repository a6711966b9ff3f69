//! The flags of `longhaul check`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A file of records, or a folder of results
    pub(crate) records: PathBuf,
    /// The TOML file of ceilings
    #[arg(long, value_name = "FILE")]
    pub(crate) ceilings: PathBuf,
}
