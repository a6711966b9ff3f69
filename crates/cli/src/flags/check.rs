//! The flags of `longhaul check`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A file of records, or a folder of results
    pub(crate) records: PathBuf,
    /// TOML file of ceilings
    #[arg(long, value_name = "FILE", required_unless_present = "write_ceilings")]
    pub(crate) ceilings: Option<PathBuf>,
    /// Write a first file of ceilings from these records, a quarter above their peaks, and stop
    #[arg(long, value_name = "FILE", conflicts_with = "ceilings")]
    pub(crate) write_ceilings: Option<PathBuf>,
    /// Print the verdict and all findings as JSON
    #[arg(long, conflicts_with = "write_ceilings")]
    pub(crate) json: bool,
    /// Also write the findings to a file as JUnit XML
    #[arg(long, value_name = "FILE", conflicts_with = "write_ceilings")]
    pub(crate) junit: Option<PathBuf>,
}
