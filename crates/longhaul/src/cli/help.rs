//! What a package installs beside the program: completions and manual pages, from the definitions of the flags.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use crate::{exit::Verdict, stdout::print};

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder for longhaul.1 and a page for each command
    #[arg(short, long, value_name = "DIR", default_value = "man")]
    out: PathBuf,
}

/// Prints the completions for a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<Verdict> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "longhaul", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Verdict::Good)
}

/// Writes the manual pages.
pub(crate) fn man(args: &ManArgs) -> anyhow::Result<Verdict> {
    let unwritable = || format!("cannot write manual pages into {}", args.out.display());
    fs::create_dir_all(&args.out).with_context(unwritable)?;
    clap_mangen::generate_to(Cli::command(), &args.out).with_context(unwritable)?;
    eprintln!("manual pages: {}", args.out.display());
    Ok(Verdict::Good)
}
