//! `cargo xtask docs`: writes the reference of the command line, and checks the links of the documentation.
//!
//! Every relative link and its anchor must exist, every page below `docs` must be at most two clicks away from
//! `docs/README.md`, and every page of `docs` that a source file names must exist, as must every source file that a page
//! names.

mod commands;
mod links;
mod named_files;
mod page;
mod sources;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{study, workspace};
use page::Page;

/// Write the reference of the command line from the program's help, and check the links of the documentation
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if the reference is not up to date
    #[arg(long)]
    check: bool,

    /// The longhaul program whose help is the reference [default: a release build of this tree]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = arguments.program.clone().map_or_else(study::build, Ok)?;
    let reference = workspace::root().join(commands::FILE);
    let text = commands::page(&program)?;
    let mut broken = Vec::new();
    if !arguments.check {
        fs::write(&reference, text).with_context(|| format!("cannot write {}", reference.display()))?;
    } else if fs::read_to_string(&reference).unwrap_or_default() != text {
        broken.push(format!(
            "{} does not fit the program; run `cargo xtask docs`, and commit it",
            commands::FILE
        ));
    }
    let pages = Page::all(workspace::root())?;
    broken.extend(links::broken(&pages, workspace::root()));
    broken.extend(links::beyond_two_clicks(&pages));
    broken.extend(links::unanswered(&pages));
    broken.extend(named_files::broken(&pages, workspace::root()));
    broken.extend(sources::broken(workspace::root())?);
    if !broken.is_empty() {
        bail!("{} faults in the documentation\n{}", broken.len(), broken.join("\n"));
    }
    eprintln!("docs: {} pages, all links lead somewhere", pages.len());
    Ok(ExitCode::SUCCESS)
}
