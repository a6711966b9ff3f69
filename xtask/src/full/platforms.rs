//! The step `platforms`: the crates that need no C, checked for systems other than Linux. Nothing runs there.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Context, outcome::Outcome};
use crate::workspace;

/// A system, and the crates that are meant to compile for it.
struct Platform {
    target: &'static str,
    crates: &'static [&'static str],
}

/// Crates that need no C and no Unix.
const ANYWHERE: &[&str] = &["record", "stats", "process", "metrics", "payload", "sender", "analyse"];

/// Crates that compile on every Unix without C, including those of [`ANYWHERE`].
const ON_UNIX: &[&str] = &["record", "stats", "process", "metrics", "payload", "sender", "analyse", "prove"];

const PLATFORMS: &[Platform] = &[
    Platform { target: "x86_64-apple-darwin", crates: ON_UNIX },
    Platform { target: "aarch64-apple-darwin", crates: ON_UNIX },
    Platform { target: "x86_64-pc-windows-msvc", crates: ANYWHERE },
];

pub(super) fn run(_: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row(["target", "crate", "compiles"]);
    for platform in PLATFORMS {
        platform.check(&mut outcome)?;
    }
    if outcome.checks.is_empty() {
        return Ok(Outcome::not_run("rustup cannot add the targets"));
    }
    outcome.notes.push("All other crates need aws-lc or jemalloc, which are C, and are not checked.".into());
    outcome.notes.push("No test has run on these systems.".into());
    Ok(outcome)
}

impl Platform {
    fn check(&self, outcome: &mut Outcome) -> Result<()> {
        let Self { target, crates } = self;
        let mut rustup = Command::new("rustup");
        if !rustup.args(["target", "add", target]).status().is_ok_and(|status| status.success()) {
            outcome.notes.push(format!("rustup cannot add {target}: its crates are not checked."));
            return Ok(());
        }
        for name in *crates {
            let package = format!("longhaul-{name}");
            let output = Command::new("cargo")
                .args(["check", "--locked", "--quiet", "--package", &package, "--target", target])
                .current_dir(workspace::root())
                .output()
                .context("cannot start cargo")?;
            let compiles = output.status.success();
            outcome.row([*target, *name, if compiles { "yes" } else { "no" }]);
            let errors = String::from_utf8_lossy(&output.stderr);
            let measured = if compiles { "compiles" } else { errors.lines().next().unwrap_or("no reason") };
            outcome.check(package, format!("compiles for {target}"), measured, compiles);
        }
        Ok(())
    }
}
