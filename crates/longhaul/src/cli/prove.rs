//! The flags of `longhaul prove`.

use clap::Args;

use super::BenchArgs;

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    pub(crate) runs: BenchArgs,
    /// Do not make sure that growing memory would be noticed
    #[arg(long)]
    pub(crate) no_control: bool,
}
