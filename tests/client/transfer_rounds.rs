//! `--rounds` of `send` and `fetch`: several transfers, each in a process of its own.

use std::{fs, os::unix::process::CommandExt as _, process::Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::common::{Out, assert_success, children, longhaul, records, run, server::Server, text, wait};

#[test]
fn every_round_is_a_record_of_one_series_and_the_median_comes_last() {
    let (server, out) = (Server::start(&[]), Out::new());
    let url = format!("http://{}/", server.cleartext());
    let folder = out.path().join("results");
    let flags = ["send", &url, "--size", "1MiB", "--rounds", "3", "--json", "--label", "a"];
    let output = run(&[&flags[..], &["--results", folder.to_str().unwrap()]].concat());
    assert_success(&output);
    let printed = records(&text(&output.stdout));
    let kept = records(&fs::read_to_string(folder.join("records.jsonl")).unwrap());
    assert_eq!((printed.len(), &printed), (3, &kept));
    let distinct = |field: &str| {
        let mut all: Vec<String> = printed.iter().map(|record| record[field].to_string()).collect();
        all.sort();
        all.dedup();
        all.len()
    };
    let counts = ["run_id", "round", "label", "case"].map(distinct);
    assert_eq!(counts, [1, 3, 1, 1]);

    let output = run(&["fetch", &format!("{url}?size=1MiB"), "--rounds", "6", "--quiet"]);
    assert_success(&output);
    let shown = text(&output.stdout);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.len() == 7 && lines[0].starts_with("1 MiB over h1c in "), "{shown}");
    let last = lines[6];
    assert!(last.starts_with("6 rounds: median ") && last.contains(" MiB/s ["), "{shown}");
    assert!(last.contains(", peak RSS at most "), "{shown}");
}

#[test]
fn a_round_that_fails_does_not_end_the_others() {
    // No server listens on port 1 of this host.
    let output = run(&["fetch", "http://127.0.0.1:1/", "--rounds", "2", "--quiet"]);
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{shown}{told}");
    assert_eq!(shown.lines().last(), Some("2 rounds: none was successful"), "{shown}{told}");
    assert_eq!(told.matches("error: ").count(), 2, "{told}");
}

#[test]
fn a_body_that_can_be_read_or_written_once_has_no_rounds() {
    for (args, reason) in [
        (&["send", "http://127.0.0.1:1/", "-T", "-"][..], "can be read once"),
        (&["fetch", "http://127.0.0.1:1/", "-o", "-"], "is the body of one transfer"),
        (&["fetch", "http://127.0.0.1:1/", "-o", "x", "-C", "-"], "cannot be used with"),
        (&["send", "http://127.0.0.1:1/", "--payload", "file:/none"], "/none"),
    ] {
        let output = run(&[args, &["--rounds", "2"]].concat());
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(reason), "{args:?}: {told}");
        assert_eq!(told.matches("error: ").count(), 1, "{told}");
    }
}

#[test]
fn a_folder_of_results_is_made_once_and_for_good_flags_only() {
    let (server, out) = (Server::start(&[]), Out::new());
    let (url, folder) = (format!("http://{}/?size=1KiB", server.cleartext()), out.path().join("results"));
    let fetch = |more: &[&str]| {
        let args = ["fetch", &url, "--rounds", "2", "--quiet", "--results", folder.to_str().unwrap()];
        run(&[&args[..], more].concat())
    };
    let refused = fetch(&["--cacert", "/none"]);
    assert!(refused.status.code() == Some(2) && !folder.exists(), "{}", text(&refused.stderr));
    assert_success(&fetch(&[]));
    let again = fetch(&[]);
    assert!(again.status.code() != Some(0) && text(&again.stdout).is_empty(), "{}", text(&again.stderr));
}

#[test]
fn the_variable_of_another_process_makes_no_round() {
    let (server, out) = (Server::start(&[]), Out::new());
    let (url, file) = (format!("http://{}/?size=1KiB", server.cleartext()), out.path().join("stolen"));
    let mut fetch = longhaul(&["fetch", &url, "--rounds", "2", "--quiet"]);
    let output = fetch.env("LONGHAUL_ROUND", format!("1:{}", file.display())).output().unwrap();
    assert_success(&output);
    assert!(text(&output.stdout).contains("2 rounds: median ") && !file.exists());
}

#[test]
fn an_interruption_ends_the_round_and_all_others() {
    let server = Server::start(&[]);
    let url = format!("http://{}/", server.cleartext());
    // A terminal interrupts the whole group of processes; another program interrupts the command alone.
    for whole_group in [false, true] {
        let mut sender = longhaul(&["send", &url, "--size", "1GiB", "--limit-rate", "1MiB", "--rounds", "2"]);
        let mut sender = sender.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait(|| !children(&sender).is_empty());
        let round = children(&sender)[0];
        let pid = i32::try_from(sender.id()).unwrap();
        kill(Pid::from_raw(if whole_group { -pid } else { pid }), Signal::SIGINT).unwrap();
        assert_eq!(sender.wait().unwrap().code(), Some(130), "whole group: {whole_group}");
        assert!(kill(Pid::from_raw(round), None).is_err(), "the round is gone");
    }
}
