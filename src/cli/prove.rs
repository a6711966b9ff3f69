//! The flags of `longhaul prove`.

use clap::Args;

use super::RunArgs;

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    pub(crate) runs: RunArgs,
    /// Skip the control, which shows that growing memory is noticed
    #[arg(long)]
    pub(crate) no_control: bool,
}
