//! `cargo xtask figures`: regenerates every figure in the documentation from committed records.
//!
//! A figure stands between two comments of Markdown. The first names a folder of records, and has a template; the text
//! between both is the template with its placeholders filled in:
//!
//! ```text
//! <!-- figures: results/2026-11-28-epyc-2-cores/default
//! HTTP/2 moves {goodput h2/up/64KiB/2GiB} MiB/s, {ratio h2/up/64KiB/2GiB} of TLS.
//! -->
//! HTTP/2 moves 2613 MiB/s, 1.08 [1.02, 1.11] of TLS.
//! <!-- end of figures -->
//! ```
//!
//! [`placeholder`] lists the kinds of placeholders.

mod block;
mod placeholder;

use std::{collections::HashMap, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{markdown, workspace};
use block::{Part, parts};
use placeholder::Source;

/// Write the figures in README, docs and results anew from committed records
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if a figure is not up to date
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (mut sources, mut stale) = (HashMap::new(), Vec::new());
    for file in files()? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let written = renewed(&text, &mut sources).with_context(|| file.display().to_string())?;
        if written == text {
            continue;
        }
        if !arguments.check {
            fs::write(&file, written).with_context(|| format!("cannot write {}", file.display()))?;
        }
        stale.push(file.display().to_string());
    }
    if arguments.check && !stale.is_empty() {
        bail!("figures do not fit their records; run `cargo xtask figures`, and commit {}", stale.join(", "));
    }
    stale.iter().for_each(|file| eprintln!("figures: {file}"));
    Ok(ExitCode::SUCCESS)
}

/// Returns the Markdown files that may have figures.
fn files() -> Result<Vec<PathBuf>> {
    let root = workspace::root();
    let mut files = vec![root.join("README.md")];
    for folder in ["docs", "results"] {
        files.extend(markdown::below(&root.join(folder))?);
    }
    files.sort();
    Ok(files)
}

/// Returns a text with all its figures regenerated.
fn renewed(text: &str, sources: &mut HashMap<String, Source>) -> Result<String> {
    let mut written = String::new();
    for part in parts(text)? {
        match part {
            Part::Text(text) => written += text,
            Part::Figures { comment, folder, template, end } => {
                let source = match sources.entry(folder.to_owned()) {
                    std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::hash_map::Entry::Vacant(new) => {
                        new.insert(Source::read(&workspace::root().join(folder))?)
                    }
                };
                let filled = source.fill(template).with_context(|| format!("figures of {folder}"))?;
                written += &format!("{comment}{filled}{end}");
            }
        }
    }
    Ok(written)
}
