//! `longhaul completions`, `longhaul man` and `longhaul licenses`: the texts that belong to the program.

use std::fs;

use analyse::Verdict;
use anyhow::Context as _;

use crate::{
    cli::{self, CompletionsArgs, ManArgs},
    output::print,
};

/// Prints the completions for a shell.
pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<Verdict> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut cli::definition(), "longhaul", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Verdict::Good)
}

/// Writes the manual pages.
pub(super) fn manual_pages(args: &ManArgs) -> anyhow::Result<Verdict> {
    let unwritable = || format!("cannot write manual pages into {}", args.out.display());
    fs::create_dir_all(&args.out).with_context(unwritable)?;
    clap_mangen::generate_to(cli::definition(), &args.out).with_context(unwritable)?;
    eprintln!("manual pages: {}", args.out.display());
    Ok(Verdict::Good)
}

/// Prints the licence texts of all linked libraries.
pub(super) fn licences() -> anyhow::Result<Verdict> {
    print(include_str!("../../THIRD-PARTY.txt"))?;
    Ok(Verdict::Good)
}
