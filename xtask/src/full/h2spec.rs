//! The step `h2spec`: the suite of that name for HTTP/2 servers against `longhaul serve`, if it is installed.
//!
//! The suite tests RFC 7540. Some of its cases depend on timing, or demand behaviour that RFC 9113 leaves open.
//! `EXPLAINED` lists these cases with the reason. Any other case that fails is a fault.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{Context, outcome::Outcome};
use crate::study::Server;

/// The runs of the suite on each port. Cases that depend on timing fail in some of them.
const RUNS: usize = 3;

/// The seconds that the suite waits for a frame. Every answer on loopback comes sooner.
const PATIENCE: &str = "2";

/// The ports that the suite tests: the flags of each server, and whether the suite speaks TLS.
const PORTS: [Port; 4] = [
    Port { name: "cleartext", flags: &[], is_tls: false },
    Port { name: "TLS", flags: &[], is_tls: true },
    Port { name: "cleartext, `--h2-frame 16KiB`", flags: &["--h2-frame", "16KiB"], is_tls: false },
    Port { name: "TLS, `--h2-frame 16KiB`", flags: &["--h2-frame", "16KiB"], is_tls: true },
];

struct Port {
    name: &'static str,
    flags: &'static [&'static str],
    is_tls: bool,
}

/// The explanation of cases that send a GET request without END_STREAM, and then an invalid frame. The response may be
/// complete before the error has arrived.
const ANSWERED: &str = "the server may have answered the request and reset the stream with NO_ERROR (RFC 9113 section 8.1) before \
     the later frames arrive, which it then discards, as section 5.1 demands";

/// The cases that may fail, and why.
const EXPLAINED: [(&str, &str); 6] = [
    (
        "http2/3.5/2",
        "the cleartext port also serves HTTP/1.1: bytes that are no preface of HTTP/2 get status 400, which h2spec reads \
         as a frame that is cut off; GOAWAY may be left out (RFC 9113 section 3.4)",
    ),
    (
        "http2/4.2/1",
        "the case sends one DATA frame of the announced SETTINGS_MAX_FRAME_SIZE, whatever the window: 65,536 bytes, one \
         more than the first window of the connection (RFC 9113 section 6.9.2)",
    ),
    (
        "http2/4.2/3",
        "the case sends HEADERS of some 20 KB, which the announced SETTINGS_MAX_FRAME_SIZE admits",
    ),
    ("http2/5.1/8", ANSWERED),
    ("http2/5.1/9", ANSWERED),
    ("http2/6.9.1/3", ANSWERED),
];

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let Some(version) = version() else {
        return Ok(Outcome::not_run("h2spec is not available; a release is at github.com/summerwind/h2spec"));
    };
    let mut outcome = Outcome::default();
    let mut failures = Failures::default();
    outcome.row(["port", "run", "tests", "passed", "failed"]);
    for port in &PORTS {
        // The folder holds the log of the server.
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let log = folder.path().join("log");
        let server = Server::logging(context.program, port.flags, &log)?;
        for run in 1..=RUNS {
            let report = Report::of(&suite(&server, port)?)?;
            let Report { tests, passed, .. } = report;
            let failed = report.failed.join(", ");
            outcome.row([port.name, &run.to_string(), &tests.to_string(), &passed.to_string(), &failed]);
            failures.add(port, report.failed);
        }
    }
    failures.judge(&mut outcome);
    outcome.notes.push(format!("{version}, {RUNS} runs on each port, {PATIENCE} s for each frame"));
    Ok(outcome)
}

/// Returns the version of h2spec; `None` if it is not installed.
fn version() -> Option<String> {
    let output = Command::new("h2spec").arg("--version").stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).replace("Version:", "h2spec");
    output.status.success().then(|| text.trim().to_owned())
}

/// Runs all cases on a port. Returns the output of the suite.
fn suite(server: &Server, port: &Port) -> Result<String> {
    let address = if port.is_tls { server.tls() } else { server.cleartext() };
    let (host, number) = address.rsplit_once(':').context("an address without a port")?;
    let mut command = Command::new("h2spec");
    command.args(["--host", host, "--port", number, "--timeout", PATIENCE]);
    if port.is_tls {
        command.args(["--tls", "--insecure"]);
    }
    let output = command.stdin(Stdio::null()).output().context("cannot start h2spec")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The result of one run.
#[derive(Debug, PartialEq)]
struct Report {
    tests: usize,
    passed: usize,
    /// The cases that failed, each as it is given on the command line.
    failed: Vec<String>,
}

impl Report {
    /// Parses the output of the suite.
    fn of(text: &str) -> Result<Self> {
        let (mut spec, mut section, mut failed) = ("", "", Vec::new());
        let mut counts = None;
        // A case is printed again over its own line once it has ended.
        for line in text.split(['\n', '\r']).map(str::trim) {
            match line.split_once(' ') {
                Some(_) if line.starts_with("Generic tests") => (spec, section) = ("generic", ""),
                Some(_) if line.starts_with("Hypertext Transfer Protocol") => (spec, section) = ("http2", ""),
                Some(_) if line.starts_with("HPACK") => (spec, section) = ("hpack", ""),
                Some(("×", case)) => {
                    let case = case.split_once(':').map_or(case, |(number, _)| number);
                    failed.push(format!("{spec}/{section}/{case}"));
                }
                Some((number, _))
                    if number.starts_with(|c: char| c.is_ascii_digit()) && number.ends_with('.') =>
                {
                    section = number.trim_end_matches('.');
                }
                Some((tests, rest)) if rest.starts_with("tests, ") => {
                    let passed = rest.split(' ').nth(1).context("no number of passed tests")?;
                    counts = Some((tests.parse()?, passed.parse()?));
                }
                _ => {}
            }
        }
        // A summary of all failures follows the cases.
        failed.sort();
        failed.dedup();
        let (tests, passed) = counts.with_context(|| format!("h2spec printed no result: {}", text.trim()))?;
        ensure!(tests > 0, "h2spec ran no test");
        Ok(Self { tests, passed, failed })
    }
}

/// The number of failures of each case, by the name of the port.
#[derive(Default)]
struct Failures(BTreeMap<String, BTreeMap<&'static str, usize>>);

impl Failures {
    fn add(&mut self, port: &Port, failed: Vec<String>) {
        for case in failed {
            *self.0.entry(case).or_default().entry(port.name).or_default() += 1;
        }
    }

    /// Adds the cases to an outcome: explained cases as notes with their reasons, all others as one failed check.
    fn judge(&self, outcome: &mut Outcome) {
        let mut unexplained = Vec::new();
        for (case, ports) in &self.0 {
            let counts: Vec<_> =
                ports.iter().map(|(port, count)| format!("{port}: {count} of {RUNS}")).collect();
            match EXPLAINED.iter().find(|(name, _)| name == case) {
                Some((_, reason)) => outcome.notes.push(format!("{case} ({}): {reason}", counts.join("; "))),
                None => unexplained.push(format!("{case} ({})", counts.join("; "))),
            }
        }
        let is_good = unexplained.is_empty();
        let measured = if is_good { "none".to_owned() } else { unexplained.join(", ") };
        outcome.check("failed cases that no RFC explains", "none", measured, is_good);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Generic tests for HTTP/2 server\n  1. Starting HTTP/2\n    ✔ 1: Sends a client connection preface\n\n\
        Hypertext Transfer Protocol Version 2 (HTTP/2)\n  4. HTTP Frames\n    4.2. Frame Size\n      \
        3: Sends a large size HEADERS frame\r      × 3: Sends a large size HEADERS frame\n        \
        -> The endpoint MUST respond\n           Expected: GOAWAY Frame (Error Code: FRAME_SIZE_ERROR)\n\n\
        Failures: \n\nHypertext Transfer Protocol Version 2 (HTTP/2)\n  4. HTTP Frames\n    4.2. Frame Size\n      \
        × 3: Sends a large size HEADERS frame\n\nFinished in 1.0 seconds\n146 tests, 145 passed, 0 skipped, 1 failed\n";

    #[test]
    fn the_cases_that_failed_are_found_in_what_h2spec_prints() {
        let report = Report::of(PRINTED).unwrap();
        assert_eq!(report, Report { tests: 146, passed: 145, failed: vec!["http2/4.2/3".into()] });
        assert!(Report::of("Error: dial tcp: connection refused").is_err());
    }

    #[test]
    fn only_a_case_without_a_reason_is_a_fault() {
        let mut failures = Failures::default();
        failures.add(&PORTS[0], vec!["http2/4.2/3".into()]);
        let mut outcome = Outcome::default();
        failures.judge(&mut outcome);
        assert!(outcome.checks[0].holds() && outcome.notes[0].contains("http2/4.2/3 (cleartext: 1 of 3)"));
        failures.add(&PORTS[1], vec!["http2/6.5/1".into()]);
        let mut outcome = Outcome::default();
        failures.judge(&mut outcome);
        assert!(!outcome.checks[0].holds());
    }
}
