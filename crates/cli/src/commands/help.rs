//! `longhaul help`, `longhaul man`, `longhaul schema` and `longhaul licenses`: the texts that belong to the program.

use std::{fs, iter};

use analyse::Verdict;
use anyhow::Context as _;
use clap::Command;

use super::manual::page;
use crate::{
    exit::Usage,
    flags::{self, HelpArgs, ManArgs},
    output::{print, stderr_line, written},
    program::licence_texts,
};

/// Prints the help of a command, or the list of commands.
pub(super) fn help(args: &HelpArgs) -> anyhow::Result<Verdict> {
    let mut definition = flags::definition();
    written(named(&mut definition, args.command.as_deref())?.print_long_help())?;
    Ok(Verdict::Good)
}

/// Returns the definition of a command, or of the program.
fn named<'a>(definition: &'a mut Command, name: Option<&str>) -> Result<&'a mut Command, Usage> {
    definition.build();
    let Some(name) = name else { return Ok(definition) };
    definition.find_subcommand_mut(name).ok_or_else(|| Usage::new(format!("'{name}' is not a command")))
}

/// Prints a manual page, or writes all of them.
pub(super) fn manual_pages(args: &ManArgs) -> anyhow::Result<Verdict> {
    let mut definition = flags::definition();
    let Some(folder) = &args.output else {
        let page = page(named(&mut definition, args.command.as_deref())?)?;
        print(&String::from_utf8_lossy(&page))?;
        return Ok(Verdict::Good);
    };
    definition.build();
    let unwritable = || format!("cannot write manual pages into {}", folder.display());
    fs::create_dir_all(folder).with_context(unwritable)?;
    for command in iter::once(&definition).chain(definition.get_subcommands()) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        fs::write(folder.join(format!("{name}.1")), page(command)?).with_context(unwritable)?;
    }
    stderr_line(format_args!("manual pages: {}", folder.display()));
    Ok(Verdict::Good)
}

/// Prints the JSON Schema of records.
pub(super) fn schema() -> anyhow::Result<Verdict> {
    print(record::SCHEMA)?;
    Ok(Verdict::Good)
}

/// Prints the licence texts of all linked libraries.
pub(super) fn licences() -> anyhow::Result<Verdict> {
    print(licence_texts())?;
    Ok(Verdict::Good)
}
