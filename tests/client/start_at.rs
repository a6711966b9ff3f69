//! `send` and `fetch` that start together by `--start-at`, through the real binary.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Output, Stdio},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::common::{assert_success, longhaul, names, records, run, server::Server, text, wait};

/// Returns the time so many milliseconds ahead.
fn ahead(ms: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_millis(ms)
}

/// Starts a client whose record goes into a folder.
fn client(server: &Server, command: &str, start: Timestamp, folder: &Path, args: &[&str]) -> Child {
    let path = if command == "fetch" { "/?size=32MiB" } else { "/" };
    let (url, start) = (server.url(false, path), start.to_string());
    let mut client = longhaul(&[command, &url, "--start-at", &start, "--results", folder.to_str().unwrap()]);
    client.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Returns the start of the run in a folder of results.
fn started(folder: &Path) -> Timestamp {
    let text = std::fs::read_to_string(folder.join("records.jsonl")).unwrap();
    records(&text)[0]["started_at"].as_str().unwrap().parse().unwrap()
}

fn merge(folder: &Path, output: &Path, flags: &[&str]) -> (Output, Value) {
    let args = ["merge", folder.to_str().unwrap(), "-o", output.to_str().unwrap()];
    let merged = run(&[&args[..], flags].concat());
    let sum = std::fs::read_to_string(output.join("merged.json")).unwrap();
    (merged, serde_json::from_str(&sum).unwrap())
}

#[test]
fn senders_start_together_and_merge_says_so() {
    let (server, temporary) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let (fleet, start) = (temporary.path().join("fleet"), ahead(3000));
    // Each transfer takes a second, so that they overlap on a slow machine as well.
    let slow = ["--size", "8MiB", "--limit-rate", "8MiB"];
    let mut clients: Vec<_> = (0..3)
        .map(|number| {
            let folder = fleet.join(format!("sender-{number}"));
            (client(&server, "send", start, &folder, &slow), folder)
        })
        .collect();
    let folder = fleet.join("reader");
    clients.push((client(&server, "fetch", start, &folder, &["--reader-rate", "32MiB"]), folder));
    for (client, folder) in clients {
        let output = client.wait_with_output().unwrap();
        assert_success(&output);
        let late = started(&folder).duration_since(start);
        assert!(!late.is_negative() && late < SignedDuration::from_secs(1), "{late}");
        assert!(text(&output.stderr).contains(&format!("the transfer starts at {start}, in ")));
    }
    let (merged, sum) = merge(&fleet, &temporary.path().join("all"), &["--expect", "4"]);
    assert_success(&merged);
    assert!(sum["common"].is_object() && sum["senders"].as_array().unwrap().len() == 4, "{sum}");
}

#[test]
fn senders_with_other_times_did_not_run_together() {
    let (server, temporary) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let fleet = temporary.path().join("fleet");
    let clients = [("a", 500), ("b", 2500)]
        .map(|(name, ms)| client(&server, "send", ahead(ms), &fleet.join(name), &["--size", "1MiB"]));
    clients.into_iter().for_each(|client| assert_success(&client.wait_with_output().unwrap()));
    let (merged, sum) = merge(&fleet, &temporary.path().join("all"), &[]);
    assert_eq!((merged.status.code(), &sum["common"]), (Some(6), &Value::Null));
    assert!(text(&merged.stderr).contains("the senders did not all run at the same time"));
}

#[test]
fn a_sender_that_is_late_or_whose_clock_is_wrong_does_not_take_part() {
    let (server, temporary) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let hour = SignedDuration::from_hours(1);
    // The program starts within these milliseconds.
    let ahead_of_start = hour + SignedDuration::from_millis(900);
    for (distance, message) in [
        (SignedDuration::from_millis(-100), "passed 0."),
        (-hour, "passed 3600."),
        (ahead_of_start, "is 3600."),
        (ahead_of_start, "within 10 minutes, or set the clock"),
    ] {
        let start = Timestamp::now() + distance;
        let folder = temporary.path().join("late");
        let output = client(&server, "send", start, &folder, &[]).wait_with_output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        // The message names both clocks.
        let now = "the clock of this machine says 20";
        assert!(
            stderr.contains(message) && stderr.contains(&start.to_string()) && stderr.contains(now),
            "{stderr}"
        );
        assert_eq!((names(temporary.path()).len(), text(&output.stdout)), (0, String::new()));
    }
    let start = ahead(60_000).to_string();
    let retried = run(&["send", &server.url(false, "/"), "--start-at", &start, "--retry", "1"]);
    assert_eq!(retried.status.code(), Some(2), "a retry starts later than the others");
    assert!(text(&retried.stderr).contains("--retry"));
}

#[test]
fn a_sender_that_was_stopped_past_its_start_does_not_take_part() {
    let (server, temporary) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let folder = temporary.path().join("stopped");
    let client = client(&server, "send", ahead(2000), &folder, &["--size", "1MiB"]);
    // The folder exists once the wait begins.
    wait(|| folder.exists());
    let pid = Pid::from_raw(client.id() as i32);
    kill(pid, Signal::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_millis(3500));
    kill(pid, Signal::SIGCONT).unwrap();
    let output = client.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("it was set during the wait, or the program was stopped"), "{stderr}");
    assert_eq!(std::fs::read_to_string(folder.join("records.jsonl")).unwrap(), "", "a run was made");
}

#[test]
fn a_signal_ends_the_wait() {
    let (server, temporary) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let folder = temporary.path().join("ended");
    let mut client = client(&server, "send", ahead(300_000), &folder, &[]);
    // The note is printed once signals are caught.
    let mut note = String::new();
    BufReader::new(client.stderr.as_mut().unwrap()).read_line(&mut note).unwrap();
    assert!(note.contains("the transfer starts at"), "{note}");
    kill(Pid::from_raw(client.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(130));
}

#[test]
fn results_are_a_folder_of_their_own_with_a_failure_as_well() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("failed");
    let send = || run(&["send", "http://127.0.0.1:9/", "--quiet", "--results", folder.to_str().unwrap()]);
    assert_eq!(send().status.code(), Some(1));
    let before = std::fs::read_to_string(folder.join("records.jsonl")).unwrap();
    assert_eq!(records(&before)[0]["outcome"], "error");
    let again = send();
    assert!(text(&again.stderr).contains("exists already"), "{}", text(&again.stderr));
    assert_eq!(std::fs::read_to_string(folder.join("records.jsonl")).unwrap(), before);
}
