//! `cargo xtask limits`: writes `docs/reference/limits.md`, the table of all limits.

use std::{fmt::Write as _, fs, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use record::{ByteSize, Domain, LIMITS, Limit, PROTOCOLS, Profile};

use crate::workspace;

/// The file, below the root.
const FILE: &str = "docs/reference/limits.md";

/// The text before the table.
const HEAD: &str = "# Limits

Windows, buffers and choices, one flag each. `cargo xtask limits` writes this page from the table in
`crates/record/src/limits/table.rs`, which has the reason for each value, and CI compares the two. A limit has the value of its
flag, else that of `--profile` (`balanced` by default). `send`, `fetch` and `serve` do not know peer and path, and have defaults of
their own where the column says so. `stock` has the defaults of the libraries and the kernel; it also leaves out the layers of longhaul
that [performance.md](../explanation/performance.md) describes, and has no memory budget.

";

/// Write docs/reference/limits.md from the table of limits
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if the file is not up to date
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let path = workspace::root().join(FILE);
    let text = page();
    if !arguments.check {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if found != text {
        bail!("{FILE} does not fit the table of limits; run `cargo xtask limits`, and commit the file");
    }
    Ok(ExitCode::SUCCESS)
}

fn page() -> String {
    let mut text = HEAD.to_owned();
    text += "| flag | meaning | values | lean | balanced | fast | stock | send, fetch, serve | protocols |\n";
    text += "|---|---|---|---|---|---|---|---|---|\n";
    for limit in LIMITS.iter().filter(|limit| !limit.layer) {
        let [lean, balanced, fast, stock] = Profile::ALL.map(|profile| limit.preset(profile));
        let remote = limit.remote.map_or_else(String::new, |preset| preset.to_string());
        let protocols: Vec<_> = PROTOCOLS
            .iter()
            .filter(|protocol| limit.applies_to(protocol))
            .map(|protocol| protocol.name)
            .collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `--{}` | {} | {} | {lean} | {balanced} | {fast} | {stock} | {remote} | {} |",
            limit.flag,
            limit.help,
            values(limit),
            protocols.join(", ")
        );
    }
    text
}

/// Returns the possible values of a limit, in words.
fn values(limit: &Limit) -> String {
    let values = match limit.domain {
        Domain::Bytes { least, most } => format!("{} to {}", ByteSize(least), ByteSize(most)),
        Domain::Choice(words) => words.join(", "),
    };
    match limit.auto_in_words() {
        Some(auto) => format!("{values}; auto: {auto}"),
        None => values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_a_row_with_its_default() {
        let page = page();
        for limit in LIMITS.iter().filter(|limit| !limit.layer) {
            let row = page.lines().find(|line| line.starts_with(&format!("| `--{}` |", limit.flag))).unwrap();
            assert!(row.contains(&format!("| {} |", limit.default)), "{row}");
            assert_eq!(row.matches('|').count(), 10, "{row}");
        }
    }
}
