//! The libraries that build with an older Rust than the others, checked with that version.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Context, outcome::Outcome};
use crate::workspace;

/// The version, and the packages that build with it. Features that need a newer version are left out.
const VERSION: &str = "1.85.0";
const PACKAGES: [&str; 5] =
    ["longhaul-record", "longhaul-stats", "longhaul-process", "longhaul-analyse", "longhaul-prove"];

pub(super) fn run(_: &Context<'_>) -> Result<Outcome> {
    let mut rustup = Command::new("rustup");
    rustup.args(["toolchain", "install", VERSION, "--profile", "minimal"]);
    if !rustup.status().is_ok_and(|status| status.success()) {
        return Ok(Outcome::not_run(format!("Rust {VERSION} cannot be installed by rustup")));
    }
    let mut outcome = Outcome::default();
    outcome.row(["package", "builds"]);
    for package in PACKAGES {
        let target = workspace::root().join("target/oldest");
        let output = Command::new("cargo")
            .arg(format!("+{VERSION}"))
            .args([
                "check",
                "--locked",
                "--quiet",
                "--no-default-features",
                "--package",
                package,
                "--target-dir",
            ])
            .arg(target)
            .current_dir(workspace::root())
            .output()
            .context("cannot start cargo")?;
        let builds = output.status.success();
        outcome.row([package, if builds { "yes" } else { "no" }]);
        let errors = String::from_utf8_lossy(&output.stderr);
        let measured = if builds { "builds" } else { errors.lines().next().unwrap_or("no reason") };
        outcome.check(package, format!("builds with Rust {VERSION}"), measured.to_owned(), builds);
    }
    Ok(outcome)
}
