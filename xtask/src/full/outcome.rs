//! The results of a step: the expected and the measured figures, as Markdown and JSON.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use record::Host;
use serde::{Deserialize, Serialize};

use crate::workspace;

/// The findings of a step.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The reason why the step was not run, or `None` if it was.
    pub(super) not_run: Option<String>,
    pub(super) checks: Vec<Check>,
    /// The rows of the table, its head first.
    pub(super) table: Vec<Vec<String>>,
    pub(super) notes: Vec<String>,
}

/// One bound, and the figure that is compared with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Check {
    what: String,
    expected: String,
    measured: String,
    holds: bool,
}

/// The results of a step on a machine, in the form in which they are saved.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StepResult {
    step: String,
    ended_at: String,
    commit: Option<String>,
    host: Host,
    status: Status,
    not_run: Option<String>,
    checks: Vec<Check>,
    table: Vec<Vec<String>>,
    notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Passed,
    Failed,
    NotRun,
}

impl Outcome {
    /// Returns the outcome of a step that could not be run.
    pub(super) fn not_run(reason: impl Into<String>) -> Self {
        Self { not_run: Some(reason.into()), ..Self::default() }
    }

    /// Returns the outcome of a step that failed or was ended at its limit.
    pub(super) fn broken(reason: String) -> Self {
        let mut outcome = Self::default();
        outcome.check("the step ends by itself", "yes", reason, false);
        outcome
    }

    /// Adds and prints a check: its bound, the measured figure, and whether the figure is within the bound.
    pub(super) fn check(
        &mut self,
        what: impl Into<String>,
        expected: impl Into<String>,
        measured: impl Into<String>,
        holds: bool,
    ) {
        let check = Check { what: what.into(), expected: expected.into(), measured: measured.into(), holds };
        eprintln!("{}", check.line());
        self.checks.push(check);
    }

    /// Adds a row of the table.
    pub(super) fn row<S: ToString>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.table.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    fn status(&self) -> Status {
        match (&self.not_run, self.checks.iter().all(|check| check.holds)) {
            (Some(_), _) => Status::NotRun,
            (None, true) => Status::Passed,
            (None, false) => Status::Failed,
        }
    }
}

impl Check {
    /// Returns whether the figure is within the bound.
    #[cfg(test)]
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    fn line(&self) -> String {
        let Self { what, expected, measured, holds } = self;
        format!("{}  {what}: expected {expected}, measured {measured}", if *holds { "ok" } else { "FAILED" })
    }
}

impl StepResult {
    /// Returns the results of a step, with the present time and this machine.
    pub(super) fn of(step: &str, outcome: &Outcome) -> Self {
        Self {
            step: step.to_owned(),
            ended_at: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            commit: commit(),
            host: run::this_host(),
            status: outcome.status(),
            not_run: outcome.not_run.clone(),
            checks: outcome.checks.clone(),
            table: outcome.table.clone(),
            notes: outcome.notes.clone(),
        }
    }

    /// Writes `STEP.md` and `STEP.json`.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write(&folder.join(format!("{}.md", self.step)), &self.markdown())?;
        let json = serde_json::to_string_pretty(self).context("cannot write the results as JSON")?;
        write(&folder.join(format!("{}.json", self.step)), &(json + "\n"))
    }

    fn markdown(&self) -> String {
        let mut text = format!("# {}: {}\n\n", self.step, self.status.word());
        let host = &self.host;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} on {} ({}, {} cores, {} {}), commit {}.\n",
            self.ended_at,
            host.name.as_deref().unwrap_or("an unnamed machine"),
            host.cpu.as_deref().unwrap_or("an unknown processor"),
            host.cores.map_or_else(|| "?".into(), |cores| cores.to_string()),
            host.os,
            host.kernel.as_deref().unwrap_or(""),
            self.commit.as_deref().unwrap_or("unknown"),
        );
        self.not_run.iter().for_each(|reason| text += &format!("Not run: {reason}\n\n"));
        if !self.checks.is_empty() {
            text += "| check | expected | measured | |\n|---|---|---|---|\n";
            for Check { what, expected, measured, holds } in &self.checks {
                let word = if *holds { "ok" } else { "**failed**" };
                text += &row([what, expected, measured, word]);
            }
            text += "\n";
        }
        if let Some((head, rows)) = self.table.split_first() {
            text += &row(head);
            text += &row(head.iter().map(|_| "---"));
            rows.iter().for_each(|cells| text += &row(cells));
            text += "\n";
        }
        self.notes.iter().for_each(|note| text += &format!("- {}\n", escaped(note)));
        text.trim_end().to_owned() + "\n"
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotRun => "not run",
        }
    }
}

fn row<S: AsRef<str>>(cells: impl IntoIterator<Item = S>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| escaped(cell.as_ref())).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Escapes a text so that it ends neither a cell nor a line.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Writes and prints `summary.md` of all steps whose results are in the folder. Returns whether no step failed.
pub(super) fn summarise(folder: &Path) -> Result<bool> {
    let mut results = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let result: StepResult = serde_json::from_slice(&text)
                .with_context(|| format!("{} holds no results of a step", path.display()))?;
            results.push(result);
        }
    }
    results.sort_by(|a, b| a.step.cmp(&b.step));
    let mut text = "| step | result | checks | ended | commit |\n|---|---|---|---|---|\n".to_owned();
    for result in &results {
        let held = result.checks.iter().filter(|check| check.holds).count();
        let step = format!("[{0}]({0}.md)", result.step);
        let checks = format!("{held} of {}", result.checks.len());
        let commit = result.commit.as_deref().unwrap_or("unknown");
        text += &row([&step, result.status.word(), &checks, &result.ended_at, commit]);
    }
    io::stdout().lock().write_all(text.as_bytes())?;
    write(&folder.join("summary.md"), &format!("# cargo xtask full\n\n{text}"))?;
    Ok(results.iter().all(|result| result.status != Status::Failed))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Returns the commit of the sources, with a mark if they have uncommitted changes.
fn commit() -> Option<String> {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(workspace::root()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_does_not_hold_fails_the_step_and_the_summary() {
        let folder = tempfile::tempdir().unwrap();
        let mut good = Outcome::default();
        good.check("peak | RSS", "at most 10 MiB", "8 MiB", true);
        good.row(["protocol", "whole"]);
        good.row(["h2", "500"]);
        StepResult::of("load", &good).write(folder.path()).unwrap();
        StepResult::of("fuzz", &Outcome::not_run("no nightly")).write(folder.path()).unwrap();
        assert!(summarise(folder.path()).unwrap(), "a step that is not run is no failure");
        let text = fs::read_to_string(folder.path().join("load.md")).unwrap();
        assert!(text.starts_with("# load: passed\n"), "{text}");
        assert!(text.contains("| peak \\| RSS | at most 10 MiB | 8 MiB | ok |"), "{text}");
        assert!(text.contains("| protocol | whole |\n| --- | --- |\n| h2 | 500 |"), "{text}");
        StepResult::of("soak", &Outcome::broken("late".into())).write(folder.path()).unwrap();
        assert!(!summarise(folder.path()).unwrap());
        let summary = fs::read_to_string(folder.path().join("summary.md")).unwrap();
        assert!(summary.contains("| [soak](soak.md) | FAILED | 0 of 1 |"), "{summary}");
        assert!(summary.contains("| [fuzz](fuzz.md) | not run | 0 of 0 |"), "{summary}");
    }
}
