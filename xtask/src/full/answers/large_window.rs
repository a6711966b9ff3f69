//! A server by quinn and h3 with a large receive window, built with two versions of quinn-proto.

use std::{fs, path::Path, process::Command};

use analyse::Conduct;
use anyhow::{Context as _, Result, ensure};

use super::{Context, Outcome, conform::Suite};
use crate::workspace;

/// The versions of quinn-proto, and the conduct that is expected of each (quinn-rs/quinn issue 2809).
const VERSIONS: [(&str, Conduct); 2] = [("0.11.17", Conduct::Died), ("0.11.19", Conduct::Bounded)];

/// The arguments of the suite before the command line.
const SUITE: [&str; 9] = [
    "-k",
    "--protocol",
    "h3",
    "--direction",
    "up",
    "--case",
    "fast-sender",
    "https://127.0.0.1:{port}/",
    "--",
];

/// Builds and tests the server with each version.
pub(super) fn run(context: &Context<'_>, outcome: &mut Outcome) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let source = workspace::root().join("xtask/peers/large-window");
    fs::create_dir(folder.path().join("src")).context("no folder for the source")?;
    for file in ["Cargo.toml", "src/main.rs"] {
        copy(&source.join(file), &folder.path().join(file))?;
    }
    let server = folder.path().join("target/debug/large-window").to_string_lossy().into_owned();
    for (version, expected) in VERSIONS {
        copy(&source.join(format!("quinn-proto-{version}.lock")), &folder.path().join("Cargo.lock"))?;
        build(folder.path())?;
        let name = format!("large window, quinn-proto {version}");
        let suite = Suite { name: &name, protocols: "h3", expected };
        suite.run(context, [&SUITE[..], &[&server, "{port}"]].concat(), outcome)?;
    }
    Ok(())
}

fn build(folder: &Path) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--quiet", "--target-dir", "target"]).current_dir(folder);
    let built = cargo.status().context("cannot start cargo")?;
    ensure!(built.success(), "the server with a large window cannot be built");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {}", from.display()))
}
