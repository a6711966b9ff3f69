//! A server by quinn and h3 with a large receive window, built with two versions of quinn-proto.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use metrics::Stamp;

use super::{Context, Outcome};
use crate::workspace;

/// The versions of quinn-proto, and the word for each (quinn-rs/quinn issue 2809).
const VERSIONS: [(&str, &str, i32); 2] = [("0.11.17", "DIED", 1), ("0.11.19", "BOUNDED", 0)];

/// Builds and tests the server with each version.
pub(super) fn run(context: &Context<'_>, outcome: &mut Outcome) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let source = workspace::root().join("xtask/peers/large-window");
    fs::create_dir(folder.path().join("src")).context("no folder for the source")?;
    for file in ["Cargo.toml", "src/main.rs"] {
        copy(&source.join(file), &folder.path().join(file))?;
    }
    for (version, expected, code) in VERSIONS {
        copy(&source.join(format!("quinn-proto-{version}.lock")), &folder.path().join("Cargo.lock"))?;
        build(folder.path())?;
        let name = format!("large window, quinn-proto {version}");
        test(context, &folder.path().join("target/debug/large-window"), &name, (expected, code), outcome)?;
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

fn test(
    context: &Context<'_>,
    server: &Path,
    name: &str,
    (expected, code): (&str, i32),
    outcome: &mut Outcome,
) -> Result<()> {
    let began = Stamp::now();
    let mut command = Command::new(context.program);
    command.args(["conform", "-k", "--protocol", "h3", "--direction", "up", "--case", "fast-sender"]);
    command.args(["https://127.0.0.1:{port}/", "--"]).arg(server).arg("{port}");
    let done = command.output().with_context(|| format!("cannot test {name}"))?;
    let report = String::from_utf8_lossy(&done.stdout);
    let found = done.status.code().map_or_else(|| "none".to_owned(), |code| code.to_string());
    let seconds = format!("{:.0}", began.elapsed().as_secs_f64());
    let counts = ["BOUNDED", "GROWING", "STALLED, DIED, CORRUPTED"].map(|words| {
        words.split(", ").map(|word| super::conform::count(&report, word)).sum::<usize>().to_string()
    });
    let [bounded, growing, others] = counts;
    outcome.row([name, expected, &found, &seconds, &bounded, &growing, &others]);
    let measured = format!("exit code {found}: {report}");
    outcome.check(name, format!("{expected}, exit code {code}"), measured, done.status.code() == Some(code));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {}", from.display()))
}
