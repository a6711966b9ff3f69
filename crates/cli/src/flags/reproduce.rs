//! The flags of `longhaul reproduce`.

use std::path::PathBuf;

use clap::Args;

use super::{SessionArgs, values::percent};

#[derive(Debug, Args)]
pub(crate) struct ReproduceArgs {
    /// Folder of results, or file of records, whose runs are repeated
    pub(crate) records: PathBuf,
    /// Largest difference between two ratios that agree
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    pub(crate) within: f64,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
