//! The step `conform`: `longhaul conform` on the same programs, and on servers that are known to grow in one case.
//!
//! A program whose memory is constant must be BOUNDED in each case, and so must a proxy that spools to disk. A program
//! that holds whole bodies must be GROWING in at least one case.

use std::{ffi::OsStr, process::Command};

use analyse::Conduct;
use anyhow::{Context as _, Result, ensure};
use metrics::Stamp;

use super::{
    Context, Outcome, large_window,
    programs::{self, Expected, Program},
    ready::Ready,
};
use crate::workspace::{self, Metadata};

pub(in crate::full) fn run(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let head = [
        "program",
        "protocols",
        "expected",
        "exit code",
        "seconds",
        "BOUNDED",
        "GROWING",
        "STALLED, DIED, CORRUPTED",
    ];
    outcome.row(head);
    for program in programs::all() {
        conform(context, program, &mut outcome)?;
    }
    examples(context, &mut outcome)?;
    large_window::run(context, &mut outcome)?;
    Ok(outcome)
}

fn conform(context: &Context<'_>, program: &Program, outcome: &mut Outcome) -> Result<()> {
    let Some(arguments) = program.conformance() else { return Ok(()) };
    let Some(ready) = Ready::new(program, outcome)? else { return Ok(()) };
    let expected = match program.expected {
        Expected::Growing => Conduct::Growing,
        _ => Conduct::Bounded,
    };
    let suite = Suite { name: program.name, protocols: program.protocols(), expected };
    suite.run(
        context,
        [vec!["--stall".to_owned(), "3s".to_owned()], ready.words(&arguments)].concat(),
        outcome,
    )
}

/// A server in `examples`, which grows in one case with one of its options.
struct Example {
    name: &'static str,
    protocol: &'static str,
    expected: Conduct,
    flags: &'static [&'static str],
    program: &'static str,
    option: &'static str,
}

// With this body size, the bound on memory is 16 MiB. h3 kept 20.5 MiB of the bytes that a reader of 8 MiB/s had not
// read yet.
const LATE: &[&str] =
    &["-k", "--direction", "up", "--size", "128MiB", "--case", "unread-body", "https://127.0.0.1:{port}/"];
const HYPER: &[&str] = &[
    "--case",
    programs::CASES,
    "--stall",
    "3s",
    "http://127.0.0.1:{port}/",
    "--download",
    "http://127.0.0.1:{port}/{size}",
];

const EXAMPLES: &[Example] = &[
    Example {
        name: "h3 0.0.8 as it is, late reader",
        protocol: "h3",
        expected: Conduct::Growing,
        flags: LATE,
        program: "late_reader",
        option: "stock",
    },
    Example {
        name: "longhaul's HTTP/3, late reader",
        protocol: "h3",
        expected: Conduct::Bounded,
        flags: LATE,
        program: "late_reader",
        option: "bounded",
    },
    Example {
        name: "hyper, pipeline_flush",
        protocol: "h1c",
        expected: Conduct::Growing,
        flags: HYPER,
        program: "hyper_server",
        option: "pipelined",
    },
    Example {
        name: "hyper, as by default",
        protocol: "h1c",
        expected: Conduct::Bounded,
        flags: HYPER,
        program: "hyper_server",
        option: "plain",
    },
];

/// Builds and tests the servers in `examples`.
fn examples(context: &Context<'_>, outcome: &mut Outcome) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--quiet", "--package", "longhaul"]).current_dir(workspace::root());
    cargo.args(["--example", "late_reader", "--example", "hyper_server"]);
    ensure!(cargo.status().context("cannot start cargo")?.success(), "the examples cannot be built");
    let folder = Metadata::read()?.target_directory.join("debug/examples");
    for example in EXAMPLES {
        let server = folder.join(example.program).to_string_lossy().into_owned();
        let command = ["--", &server, "{port}", example.option];
        let suite = Suite { name: example.name, protocols: example.protocol, expected: example.expected };
        suite.run(context, [&["--protocol", example.protocol], example.flags, &command].concat(), outcome)?;
    }
    Ok(())
}

/// A suite with a known answer.
pub(super) struct Suite<'a> {
    pub(super) name: &'a str,
    pub(super) protocols: &'a str,
    /// The worst conduct of its cases, which decides the exit code.
    pub(super) expected: Conduct,
}

impl Suite<'_> {
    /// Runs `longhaul conform`, and compares its exit code with the expected one.
    pub(super) fn run(
        &self,
        context: &Context<'_>,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let began = Stamp::now();
        let done = Command::new(context.program).arg("conform").args(arguments).output();
        let done = done.with_context(|| format!("cannot test {}", self.name))?;
        let seconds = format!("{:.0}", began.elapsed().as_secs_f64());
        let report = String::from_utf8_lossy(&done.stdout);
        let found = done.status.code().map_or_else(|| "none".to_owned(), |code| code.to_string());
        let [bounded, growing, others] = [&["BOUNDED"][..], &["GROWING"], &["STALLED", "DIED", "CORRUPTED"]]
            .map(|words| words.iter().map(|word| count(&report, word)).sum::<usize>().to_string());
        let (word, code) = (self.expected.to_string(), i32::from(self.expected.verdict().exit_code()));
        outcome.row([self.name, self.protocols, &word, &found, &seconds, &bounded, &growing, &others]);
        let holds = done.status.code() == Some(code);
        // The last line has the command line, and then the number of cases with each verdict.
        let counts = report.lines().last().and_then(|line| line.rsplit_once(": ")).filter(|_| holds);
        let text = match counts {
            Some((_, counts)) => counts.to_owned(),
            None => format!("{report}{}", String::from_utf8_lossy(&done.stderr).trim()),
        };
        let measured = format!("exit code {found}: {text}");
        outcome.check(self.name, format!("{word}, exit code {code}"), measured, holds);
        Ok(())
    }
}

/// Returns the number of cases with a verdict.
fn count(report: &str, word: &str) -> usize {
    report.lines().filter(|line| line.split_whitespace().next() == Some(word)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_counts_by_the_word_at_the_start_of_its_line() {
        let report = "BOUNDED  a h1c/up\nGROWING  b h1c/up\n    alone: GROWING\nx: 1 BOUNDED, 1 GROWING\n";
        assert_eq!(["BOUNDED", "GROWING", "DIED"].map(|word| count(report, word)), [1, 1, 0]);
    }
}
