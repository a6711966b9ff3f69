//! The flags of `longhaul completions` and `longhaul man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete for
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder for longhaul.1 and one page per command
    #[arg(short, long, value_name = "DIR", default_value = "man")]
    pub(crate) out: PathBuf,
}
