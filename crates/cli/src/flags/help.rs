//! The flags of `longhaul help`, `longhaul completions` and `longhaul man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct HelpArgs {
    /// Command whose help is printed [default: the list of commands]
    pub(crate) command: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete for
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Command whose page is printed [default: the page of longhaul itself]
    pub(crate) command: Option<String>,
    /// Write longhaul.1 and one page per command into this folder, in place of printing a page
    #[arg(short, long, alias = "out", value_name = "DIR", conflicts_with = "command")]
    pub(crate) output: Option<PathBuf>,
}
