//! The step `fuzz`: every target of cargo-fuzz for a while, if cargo-fuzz is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, Result};

use super::{Context, outcome::Outcome};
use crate::workspace;

/// The most memory of a target, in MiB. A parser that takes more for a small input is a finding.
const MEMORY: u32 = 1024;

/// The largest input, in bytes.
const INPUT: u32 = 16384;

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let version = |way: &&Way| {
        let output = cargo_fuzz(way).arg("--version").stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some((way, version)) = WAYS.iter().find_map(|way| Some((way, version(&way)?))) else {
        return Ok(Outcome::not_run("needs cargo-fuzz (cargo install cargo-fuzz)"));
    };
    let mut outcome = Outcome::default();
    outcome
        .notes
        .push(format!("{version}, {} s for each target, at most {MEMORY} MiB", context.fuzz_seconds));
    outcome.row(["target", "runs", "runs/s", "new inputs", "peak MiB", "result"]);
    for target in targets() {
        let output = fuzz(way, &target, context.fuzz_seconds)?;
        add(&target, &output, &mut outcome);
    }
    Ok(outcome)
}

/// Returns the names of all targets.
pub(super) fn targets() -> Vec<String> {
    let files = fs::read_dir(fuzz_folder().join("fuzz_targets")).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".rs")?.to_owned())).collect();
    names.sort();
    names
}

fn fuzz_folder() -> PathBuf {
    workspace::root().join("fuzz")
}

/// A way to start cargo-fuzz: a program, and its arguments.
type Way = (&'static str, &'static [&'static str]);

/// The ways to start cargo-fuzz: on a nightly toolchain, or on the stable one with its unstable flags allowed.
const WAYS: [Way; 2] =
    [("rustup", &["run", "nightly", "cargo", "fuzz"]), ("env", &["RUSTC_BOOTSTRAP=1", "cargo", "fuzz"])];

fn cargo_fuzz((program, arguments): &Way) -> Command {
    let mut command = Command::new(program);
    command.args(*arguments).current_dir(workspace::root()).stdin(Stdio::null());
    // The command selects its own toolchain. Without these variables, it is not bound to the toolchain of this process.
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    command
}

/// Runs a target from its corpus. New inputs go to a temporary folder, because a corpus is small and chosen by hand.
fn fuzz(way: &Way, target: &str, seconds: u64) -> Result<Output> {
    let new = tempfile::tempdir().context("no temporary folder")?;
    let corpus = Path::new("fuzz/corpus").join(target);
    let mut command = cargo_fuzz(way);
    // The parsers are safe Rust, in which AddressSanitizer would find nothing and would slow the target down.
    command.args(["run", "--sanitizer", "none", target]).args([new.path(), &corpus]).arg("--");
    command.args([format!("-max_total_time={seconds}"), format!("-max_len={INPUT}")]);
    command.args([format!("-rss_limit_mb={MEMORY}"), "-timeout=10".into(), "-print_final_stats=1".into()]);
    command.output().context("cannot start cargo-fuzz")
}

fn add(target: &str, output: &Output, outcome: &mut Outcome) {
    let text = String::from_utf8_lossy(&output.stderr);
    let stat = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
        line.map_or("-", |rest| rest.trim_start_matches(':').trim()).to_owned()
    };
    let is_good = output.status.success();
    let summary = text.lines().rev().find(|line| line.contains("SUMMARY") || line.starts_with("error"));
    let result = if is_good { "nothing found" } else { summary.unwrap_or("failed") };
    outcome.row([
        target,
        &stat("number_of_executed_units"),
        &stat("average_exec_per_sec"),
        &stat("new_units_added"),
        &stat("peak_rss_mb"),
        result,
    ]);
    outcome.check(format!("target {target}"), "no finding", result, is_good);
    if !is_good {
        let panic =
            text.lines().filter(|line| line.contains("panicked at") || line.contains("Test unit written"));
        outcome.notes.extend(panic.take(4).map(|line| format!("{target}: {line}")));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn figures_and_findings_of_libfuzzer_become_rows() {
        let output = |code: i32, stderr: &str| Output {
            status: std::process::ExitStatus::from_raw(code << 8),
            stdout: Vec::new(),
            stderr: stderr.into(),
        };
        let mut outcome = Outcome::default();
        add(
            "urls",
            &output(0, "x\nstat::number_of_executed_units: 12\nstat::peak_rss_mb:   40\n"),
            &mut outcome,
        );
        let crash = "thread panicked at src/x.rs:1\nSUMMARY: libFuzzer: deadly signal\n";
        add("keys", &output(77, crash), &mut outcome);
        assert_eq!(outcome.table[0], ["urls", "12", "-", "-", "40", "nothing found"]);
        assert_eq!(outcome.table[1][5], "SUMMARY: libFuzzer: deadly signal");
        assert_eq!(outcome.notes.len(), 1);
    }

    #[test]
    fn every_target_is_found() {
        assert!(targets().len() > 8 && targets().contains(&"records".to_owned()));
    }
}
