//! The program that a study runs.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use record::Record;

use super::{RecordFile, congestion};
use crate::workspace::{self, Metadata};

/// The exit codes of a call whose records do not count: wrong usage, and an interruption. With any other code, the
/// records are complete.
const USELESS: [i32; 2] = [2, 130];

/// A longhaul program, and options for each of its benches.
#[derive(Debug)]
pub(crate) struct Longhaul {
    program: PathBuf,
    options: Vec<String>,
    /// The file to which clients write the secrets of their connections; `None` writes none.
    key_log: Option<PathBuf>,
    /// The words before the program in its command line; without any, the program is started directly.
    starter: Vec<String>,
}

impl Longhaul {
    /// Returns a program, with `options` that follow the arguments of each bench.
    pub(crate) fn new(program: PathBuf, options: &[String]) -> Self {
        Self { program, options: options.to_vec(), key_log: None, starter: Vec::new() }
    }

    /// Makes clients write the secrets of their connections to a file.
    pub(crate) fn with_key_log(self, file: &Path) -> Self {
        Self { key_log: Some(file.to_owned()), ..self }
    }

    /// Puts these words before the program in its command line. Without any, the program is started directly.
    pub(crate) fn started_by(self, words: Vec<String>) -> Self {
        Self { starter: words, ..self }
    }

    /// Returns the program's path.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs a bench. Writes its records to the file exactly as they are printed.
    pub(crate) fn bench(&self, arguments: &[&str], file: &mut RecordFile) -> Result<Vec<Record>> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let output = self
            .command(arguments, &folder.path().join("results"))
            .args(["--quiet", "--json"])
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let records = if is_useful(output.status) { file.append(&output.stdout)? } else { Vec::new() };
        if records.is_empty() {
            let reason = String::from_utf8_lossy(&output.stderr);
            bail!("longhaul bench {} failed ({}): {}", arguments.join(" "), output.status, reason.trim());
        }
        Ok(records)
    }

    /// Runs a bench that shows its live view, and writes its results into a folder.
    pub(crate) fn bench_into(&self, arguments: &[&str], folder: &Path) -> Result<Vec<Record>> {
        let status = self
            .command(arguments, folder)
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        ensure!(is_useful(status), "longhaul bench {} failed ({status})", arguments.join(" "));
        Ok(record::read(folder)?)
    }

    fn command(&self, arguments: &[&str], folder: &Path) -> Command {
        let mut command = congestion::command(&self.starter, &self.program);
        command
            .arg("bench")
            .args(arguments)
            .arg("--out")
            .arg(folder)
            .args(&self.options)
            .stdin(Stdio::null())
            .envs(self.key_log.iter().map(|file| ("SSLKEYLOGFILE", file)));
        command
    }
}

fn is_useful(status: ExitStatus) -> bool {
    status.code().is_some_and(|code| !USELESS.contains(&code))
}

/// Builds the longhaul of this tree in release mode. Returns the path of the program.
pub(crate) fn build() -> Result<PathBuf> {
    let target = Metadata::read()?.target_directory;
    build_in(workspace::root(), &target, &["--locked"])
}

/// Builds the longhaul of a workspace in release mode. Returns the path of the program.
pub(crate) fn build_in(workspace: &Path, target: &Path, options: &[&str]) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", "longhaul"])
        .args(options)
        .args([OsStr::new("--target-dir"), target.as_os_str()])
        .current_dir(workspace)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cargo build failed ({status})");
    Ok(target.join("release/longhaul"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use record::Case;

    use super::*;
    use crate::study::scripts;

    /// Runs one bench with a shell script in place of longhaul. Returns the records, and the content of the file of
    /// records.
    fn bench(script: &str) -> (Result<Vec<Record>>, String) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("longhaul");
        scripts::write(&program, &format!("#!/bin/sh\n{script}\n"));
        let kept = folder.path().join("records.jsonl");
        let mut file = RecordFile::create(kept.clone()).unwrap();
        let longhaul = Longhaul::new(program, &["--profile".into(), "fast".into()]);
        let records = longhaul.bench(&["--rounds", "1"], &mut file);
        (records, fs::read_to_string(kept).unwrap())
    }

    fn line() -> String {
        Record::new("some run", Case::new("h2")).to_line().unwrap()
    }

    #[test]
    fn records_are_kept_as_they_are_printed_whatever_they_say() {
        for code in [0, 1, 4] {
            let (records, kept) = bench(&format!("cat <<'END'\n{}END\nexit {code}", line()));
            assert_eq!((records.unwrap().len(), kept), (1, line()));
        }
    }

    #[test]
    fn wrong_usage_and_silence_are_errors_with_their_reason() {
        let (records, kept) = bench(&format!("cat <<'END'\n{}END\nexit 130", line()));
        assert!(records.is_err() && kept.is_empty());
        let (records, _) = bench("echo \"no such flag: $*\" >&2; exit 2");
        let error = records.unwrap_err().to_string();
        assert!(error.contains("no such flag: bench --rounds 1 --out"), "{error}");
        assert!(error.contains("--profile fast --quiet --json"), "{error}");
        assert!(bench("exit 0").0.is_err());
    }
}
