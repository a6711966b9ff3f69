//! `cargo xtask text-order`: the order of functions in the program, so that those of an end lie side by side.
//!
//! Every page of the program that an end touches counts in its RSS, and a kernel maps whole folios of the page cache around
//! it. The ends execute a quarter of the program, in many places. callgrind lists the functions, and a linker script puts
//! them in a section of their own. The build script passes it to the linker.

mod executed;
mod pattern;
mod symbols;

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{study, workspace};
use pattern::Pattern;
use symbols::Symbol;

/// Write the order of functions from those that the ends of a small bench execute
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail unless the program is linked in the order of src/text-order.ld
    #[arg(long)]
    check: bool,

    /// The longhaul program [default: a release build of this tree]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// The linker script, below the root.
const FILE: &str = "src/text-order.ld";

/// The lines before and after the patterns. INSERT adds the section to the linker's own script: GNU ld and LLD
/// know it, gold does not.
const HEAD: &str = "/* The functions that an end of a transfer executes, for the linker: `cargo xtask text-order` writes this file. */\n\
                    SECTIONS\n{\n  .text.worker : {\n";
const FOOT: &str = "  }\n}\nINSERT BEFORE .text;\n";

/// The least share of the patterns that a function of the program fits. A change of the program loses some of them, and a
/// new compiler or library more.
const FOUND: f64 = 0.8;

/// The unit in which a kernel maps the text of a program around a page that is touched, in bytes: sixteen pages
/// (`fault_around_bytes`, mm/memory.c of Linux), or more if the page cache has larger folios.
const BLOCK: u64 = 64 << 10;

/// The least share of their blocks that functions of the script fill. Without the script it is two fifths. Functions of
/// C whose object has one section stay where they are.
const DENSITY: f64 = 0.6;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = arguments.program.clone().map_or_else(study::build, Ok)?;
    let path = workspace::root().join(FILE);
    let symbols = Symbol::all(&program)?;
    if arguments.check {
        let script = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        return check(&patterns(&script), &symbols);
    }
    let executed = executed::of_all_protocols(&program)?;
    let text = script(&pattern::ordered(&executed, &symbols));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the linker script for functions in this order. LLVM places functions that are marked as cold in sections of
/// another name.
fn script(patterns: &[Pattern]) -> String {
    let lines = patterns.iter().fold(String::new(), |mut text, pattern| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "    *(.text.{pattern} .text.unlikely.{pattern})");
        text
    });
    format!("{HEAD}{lines}{FOOT}")
}

/// Returns the patterns of a linker script.
fn patterns(script: &str) -> Vec<Pattern> {
    script
        .lines()
        .filter_map(|line| line.trim().strip_prefix("*(.text.")?.split_whitespace().next())
        .map(Pattern::parsed)
        .collect()
}

/// Prints how many patterns fit, and how dense their functions lie.
fn check(patterns: &[Pattern], symbols: &[Symbol]) -> Result<ExitCode> {
    let placed = Placed::of(patterns, symbols);
    let (found, density) = (placed.found(), placed.density());
    eprintln!(
        "text-order: {:.0} % of {} patterns fit a function; these fill {:.0} % of {:.1} MiB",
        100.0 * found,
        patterns.len(),
        100.0 * density,
        record::mib(placed.blocks * BLOCK)
    );
    ensure!(found >= FOUND, "{FILE} is old: run `cargo xtask text-order`, and commit it");
    ensure!(density >= DENSITY, "the program was linked without {FILE}");
    Ok(ExitCode::SUCCESS)
}

/// The place of the functions that fit patterns.
struct Placed {
    patterns: usize,
    fitting: usize,
    /// The size of the functions, in bytes.
    size: u64,
    /// The number of blocks in which they lie.
    blocks: u64,
}

impl Placed {
    fn of(patterns: &[Pattern], symbols: &[Symbol]) -> Self {
        let known: HashSet<&Pattern> = patterns.iter().collect();
        let mut fitting = HashSet::new();
        let mut functions = Vec::new();
        for symbol in symbols {
            let pattern = Pattern::of(&symbol.name);
            if known.contains(&pattern) {
                fitting.insert(pattern);
                functions.push(symbol);
            }
        }
        // Several names of one function count once.
        functions.sort_unstable_by_key(|symbol| symbol.address);
        functions.dedup_by_key(|symbol| symbol.address);
        let blocks: BTreeSet<u64> = functions.iter().flat_map(|symbol| symbol.blocks(BLOCK)).collect();
        Self {
            patterns: patterns.len(),
            fitting: fitting.len(),
            size: functions.iter().map(|symbol| symbol.size).sum(),
            blocks: blocks.len() as u64,
        }
    }

    fn found(&self) -> f64 {
        self.fitting as f64 / self.patterns.max(1) as f64
    }

    fn density(&self) -> f64 {
        self.size as f64 / (self.blocks * BLOCK).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, address: u64) -> Symbol {
        Symbol { name: name.into(), address, size: BLOCK / 4 }
    }

    #[test]
    fn a_script_has_its_patterns_back() {
        let two = ["_ZN2h25serve17h*", "malloc"].map(Pattern::parsed).to_vec();
        assert_eq!(patterns(&script(&two)), two);
    }

    #[test]
    fn functions_side_by_side_are_dense_and_scattered_ones_are_not() {
        let names = ["_ZN1a1b17h00000000000000aaE", "_ZN1a1b17h00000000000000bbE", "c"];
        let patterns: Vec<Pattern> = ["_ZN1a1b17h*", "c", "gone", "gone2"].map(Pattern::parsed).to_vec();
        let at = |step: u64| {
            let symbols: Vec<Symbol> =
                (0..).zip(names).map(|(i, name)| symbol(name, BLOCK + step * i)).collect();
            Placed::of(&patterns, &symbols)
        };
        let side_by_side = at(BLOCK / 4);
        assert_eq!((side_by_side.found(), side_by_side.density()), (0.5, 0.75));
        assert_eq!(at(BLOCK).density(), 0.25);
    }
}
