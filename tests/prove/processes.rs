//! `longhaul prove` and `longhaul conform`: whose memory is measured, and which processes end with a run.

use std::{
    net::TcpListener,
    process::{Command, Output},
};

use serde_json::Value;

use crate::common::{Out, ports::free_port, run, server::Server, text, wait};

/// The executable of longhaul, whose server is the program under proof.
const LONGHAUL: &str = env!("CARGO_BIN_EXE_longhaul");

const SMALL: [&str; 7] = ["--size", "8MiB", "--rounds", "2", "--stall", "0", "--quiet"];

/// Proves a program over one small body.
fn prove(flags: &[&str], command: &[&str]) -> (Output, Out) {
    let out = Out::new();
    let folder = out.text();
    let end: &[&str] = if command.is_empty() { &[] } else { &["--"] };
    (run(&[&["prove", "--out", &folder][..], &SMALL, flags, end, command].concat()), out)
}

/// Returns the line about the failed run.
fn failed(flags: &[&str], command: &[&str]) -> String {
    let (output, _) = prove(flags, command);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{report}{}", text(&output.stderr));
    report.lines().find(|line| line.starts_with("FAILED")).unwrap_or_else(|| panic!("{report}")).to_owned()
}

/// Asserts that no process has this command line, or that the last one is about to end.
fn assert_gone(command_line: &str) {
    let left = || Command::new("pgrep").args(["-f", command_line]).output().unwrap();
    wait(|| left().stdout.is_empty());
}

#[test]
fn a_program_is_not_taken_for_a_server_that_answers_already() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let url = format!("http://127.0.0.1:{port}/");
    let expected = format!("a server answers at {url} before sleep was started: end it, ");
    let said = failed(&["--server", &url], &["sleep", "600.1"]);
    assert!(said.contains(&expected) && said.contains("--watch PID") && said.contains("--ready"), "{said}");
    let said = failed(&["--server", &url, "--ready", &port], &["sleep", "600.1"]);
    assert!(said.contains(&format!("a server answers at port {port} of 127.0.0.1 before sleep")), "{said}");
    let conform = ["conform", &url, "--case", "reset-midway", "--json", "--", "sleep", "600.1"];
    let output = run(&conform);
    let said = text(&output.stdout);
    assert!(output.status.code() == Some(1) && said.contains(&expected), "{said}");
    assert_gone("^sleep 600.1$");
}

#[test]
fn a_process_that_does_not_serve_the_url_is_not_measured() {
    let server = Server::start(&[]);
    let url = format!("http://{}/upload", server.cleartext());
    let mut sleep = Command::new("sleep").arg("600.2").spawn().unwrap();
    let watched = failed(&["--server", &url, "--watch", &sleep.id().to_string()], &[]);
    sleep.kill().unwrap();
    let expected = format!("process {} neither listens at {url} nor has worked while 8MiB moved", sleep.id());
    sleep.wait().unwrap();
    assert!(watched.contains(&expected) && watched.contains("--watch PID"), "{watched}");
    let ready = failed(
        &["--server", &url, "--ready", "go"],
        &["sh", "-c", "(sleep 0.3; echo go) & exec sleep 600.2"],
    );
    assert!(ready.contains("sh neither listens at"), "{ready}");
    let (output, out) = prove(&["--server", &url, "--watch", &server.pid().to_string()], &[]);
    assert_eq!(out.records()[0]["outcome"], "ok", "{}", text(&output.stdout));
}

/// The command line of a server that goes to the background without its environment, as daemons do that overwrite it.
fn daemon() -> String {
    format!(
        "env -i setsid '{LONGHAUL}' serve --listen 127.0.0.1:{{port}} --listen-tls 127.0.0.1:0 >/dev/null 2>&1 & exit 0"
    )
}

#[test]
fn a_daemon_without_its_environment_is_measured_and_ended_also_on_a_fixed_port() {
    let port = free_port().to_string();
    let command = daemon().replace("{port}", &port);
    let url = format!("http://127.0.0.1:{port}/upload");
    let (output, out) = prove(&["--server", &url], &["sh", "-c", &command]);
    let records = out.records();
    assert_eq!(records.len(), 2, "{}", text(&output.stderr));
    for record in records {
        assert_eq!(record["outcome"], "ok", "{record}");
        assert!(record["receiver"]["memory"]["peak_rss_bytes"].as_u64().unwrap() > 4 << 20, "{record}");
    }
    assert_gone(&format!("127.0.0.1:{port}"));
}

#[test]
fn a_daemon_that_a_client_leaves_behind_is_ended() {
    let script = "env -i setsid sleep 600.3 >/dev/null 2>&1 & curl -sSf -T {file} {url}";
    if Command::new("curl").arg("--version").output().is_err() {
        return crate::common::skip("curl is missing");
    }
    let (output, out) = prove(&["--client"], &["sh", "-c", script]);
    assert_eq!(out.records()[0]["outcome"], "ok", "{}", text(&output.stdout));
    assert_gone("^sleep 600.3$");
}

/// Runs one case of a suite. Returns its exit code, and its outcome.
fn conform(flags: &[&str], command: &[&str]) -> (Option<i32>, Value) {
    let own = ["conform", "--json", "--size", "128MiB", "--direction", "up", "--case", "reset-midway"];
    let output = run(&[&own[..], flags, &["--"], command].concat());
    let (outcome, errors) = (text(&output.stdout), text(&output.stderr));
    (output.status.code(), serde_json::from_str(&outcome).unwrap_or_else(|_| panic!("{outcome}{errors}")))
}

#[test]
fn conform_waits_for_a_server_that_listens_late_in_the_background() {
    let late = format!("(sleep 1; {}) & exit 0", daemon().trim_end_matches(" & exit 0"));
    for ready in [&[][..], &["--ready", "http://127.0.0.1:{port}/.longhaul/health"]] {
        let flags = [&["http://127.0.0.1:{port}/upload"][..], ready].concat();
        let (code, outcome) = conform(&flags, &["sh", "-c", &late]);
        assert_eq!(code, Some(0), "{outcome:#}");
        let protocols: Vec<_> =
            outcome["trials"].as_array().unwrap().iter().map(|trial| &trial["protocol"]).collect();
        assert_eq!(protocols, ["h1c", "h2c"], "{outcome:#}");
    }
}

#[test]
fn a_suite_without_a_handshake_has_an_outcome_and_junit() {
    let junit = tempfile::NamedTempFile::new().unwrap();
    let flags = ["http://127.0.0.1:{port}/", "--junit", junit.path().to_str().unwrap()];
    let (code, outcome) = conform(&flags, &["sh", "-c", "echo 'no disk' >&2; exit 3", "{port}"]);
    assert_eq!((code, &outcome["exit_code"]), (Some(1), &1.into()), "{outcome:#}");
    let trials = outcome["trials"].as_array().unwrap();
    assert_eq!((trials.len(), &trials[0]["conduct"]), (1, &"DIED".into()), "{outcome:#}");
    let note = "sh ended (exit status: 3) before it was ready: no disk";
    assert_eq!(trials[0]["note"], note, "{outcome:#}");
    let written = std::fs::read_to_string(junit.path()).unwrap();
    assert!(written.contains("reset-midway/up") && written.contains(note), "{written}");
}

#[test]
fn conform_measures_no_process_that_does_not_serve_the_url() {
    let server = Server::start(&[]);
    let url = format!("http://{}/upload", server.cleartext());
    let mut sleep = Command::new("sleep").arg("600.4").spawn().unwrap();
    let id = sleep.id().to_string();
    let flags = [
        "conform",
        "--json",
        "--size",
        "128MiB",
        "--protocol",
        "h1c",
        "--direction",
        "up",
        "--case",
        "fast-sender",
    ];
    let output = run(&[&flags[..], &[&url, "--watch", &id]].concat());
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    let outcome: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let trial = &outcome["trials"][0];
    assert_eq!((output.status.code(), &trial["conduct"]), (Some(6), &"NOT-APPLICABLE".into()), "{outcome:#}");
    assert!(trial["note"].as_str().unwrap().contains("neither listens at"), "{outcome:#}");
}
