//! `longhaul conform`: known answers, and what a suite says about programs that misbehave.

use std::{
    net::TcpStream,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::common::{longhaul, names, peers, ports::free_port, run, text, transfer::script, wait};

/// Runs a suite with bodies that show growth soon. Returns its exit code, and its outcome.
fn conform(flags: &[&str], command: &[&str]) -> (Option<i32>, Value) {
    conform_with("128MiB", flags, command)
}

/// Runs a suite with bodies of `size` and a short stop.
fn conform_with(size: &str, flags: &[&str], command: &[&str]) -> (Option<i32>, Value) {
    let end: &[&str] = if command.is_empty() { &[] } else { &["--"] };
    let quick = ["conform", "--json", "--size", size, "--stall", "1s"];
    let output = run(&[&quick, flags, end, command].concat());
    let (outcome, errors) = (text(&output.stdout), text(&output.stderr));
    (output.status.code(), serde_json::from_str(&outcome).unwrap_or_else(|_| panic!("{outcome}{errors}")))
}

/// Returns the cases with their conduct, in the order of the suite, without those that do not apply.
fn conducts(outcome: &Value) -> Vec<String> {
    let trials = outcome["trials"].as_array().unwrap().iter();
    let applied = trials.filter(|trial| trial["conduct"] != "NOT-APPLICABLE");
    let name = |trial: &Value| {
        format!("{}/{}", trial["case"].as_str().unwrap(), trial["direction"].as_str().unwrap())
    };
    applied.map(|trial| format!("{} {}", name(trial), trial["conduct"].as_str().unwrap())).collect()
}

fn all_are(outcome: &Value, conduct: &str, least: usize) {
    let conducts = conducts(outcome);
    assert!(conducts.len() >= least, "{outcome:#}");
    assert!(conducts.iter().all(|line| line.ends_with(conduct)), "{outcome:#}");
}

fn python() -> Option<String> {
    Some(peers()?.join("bin/python3").to_str()?.to_owned())
}

#[test]
fn our_server_is_bounded_in_all_cases_over_http2() {
    let program = env!("CARGO_BIN_EXE_longhaul");
    let junit = tempfile::NamedTempFile::new().unwrap();
    let flags = [
        "http://127.0.0.1:{port}/upload",
        "--download",
        "http://127.0.0.1:{port}/?size={size}",
        "--protocol",
        "h2c",
        "--junit",
        junit.path().to_str().unwrap(),
    ];
    let (code, outcome) = conform(&flags, &[program, "serve", "--listen", "127.0.0.1:{port}"]);
    assert_eq!((code, &outcome["verdict"]), (Some(0), &"good".into()), "{outcome:#}");
    all_are(&outcome, "BOUNDED", 15);
    assert_eq!(outcome["trials"].as_array().unwrap().len(), 28, "fourteen cases, two directions");
    let text = std::fs::read_to_string(junit.path()).unwrap();
    assert!(text.contains("stalled-reader/down") && text.contains("skipped"), "{text}");
}

#[test]
fn a_server_that_needs_a_length_streams_or_holds_whole_bodies() {
    let Some(python) = python() else { return };
    let server = script("upload_server.py");
    let flags = ["http://127.0.0.1:{port}/", "--download", "http://127.0.0.1:{port}/{size}", "-X", "POST"];
    let flags = [&flags[..], &["--case", "fast-sender,slow-reader"]].concat();
    for (mode, conduct, expected) in [("chunks", "BOUNDED", 0), ("whole", "GROWING", 4)] {
        let (code, outcome) = conform(&flags, &[&python, server.to_str().unwrap(), "{port}", mode]);
        all_are(&outcome, conduct, 2);
        assert_eq!(code, Some(expected), "{outcome:#}");
    }
}

/// Asserts the conduct of an example of longhaul, which takes a port and a mode.
fn assert_example(example: &str, mode: &str, flags: &[&str], (conduct, expected): (&str, i32)) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_longhaul")).with_file_name(example);
    let (code, outcome) = conform(flags, &[program.to_str().unwrap(), "{port}", mode]);
    all_are(&outcome, conduct, 1);
    assert_eq!(code, Some(expected), "{outcome:#}");
}

const BOUNDED: (&str, i32) = ("BOUNDED", 0);
const GROWING: (&str, i32) = ("GROWING", 4);

/// The case of a server that reads a body late over HTTP/3.
const UNREAD: [&str; 8] =
    ["-k", "--protocol", "h3", "--direction", "up", "--case", "unread-body", "https://127.0.0.1:{port}/"];

#[test]
fn h3_as_it_is_grows_behind_a_slow_reader() {
    assert_example("examples/late_reader", "stock", &UNREAD, GROWING);
}

#[test]
fn our_framing_of_h3_is_bounded_behind_a_slow_reader() {
    assert_example("examples/late_reader", "bounded", &UNREAD, BOUNDED);
}

/// The case of a client that stands still while hyper sends.
const STALLED: [&str; 9] = [
    "http://127.0.0.1:{port}/",
    "--download",
    "http://127.0.0.1:{port}/{size}",
    "--protocol",
    "h1c",
    "--direction",
    "down",
    "--case",
    "stalled-reader",
];

#[test]
fn hyper_with_pipeline_flush_grows_behind_a_stalled_reader() {
    assert_example("examples/hyper_server", "pipelined", &STALLED, GROWING);
}

#[test]
fn hyper_without_pipeline_flush_is_bounded_behind_a_stalled_reader() {
    assert_example("examples/hyper_server", "plain", &STALLED, BOUNDED);
}

/// Asserts the conduct of a proxy: by its memory if `conform` starts it, and by the bytes that it absorbs if it runs
/// already.
fn assert_proxy(mode: &str, (conduct, expected): (&str, i32)) {
    let Some(python) = python() else { return };
    let relay = script("relay.py");
    let [port, upstream] = [(); 2].map(|()| free_port().to_string());
    let url = format!("http://127.0.0.1:{port}");
    let flags = ["--proxy", &url, "--upstream", &upstream, "--protocol", "h1c", "--case", "stalled-reader"];
    let command = [&python, relay.to_str().unwrap(), &port, &upstream, mode];
    // An eighth of a body is allowed. Where tcp_rmem ends at 32 MiB, the buffers of the relay's sockets held 19 MiB.
    let assert_judged = |command: &[&str], kind: &str| {
        let (code, outcome) = conform_with("512MiB", &flags, command);
        all_are(&outcome, conduct, 2);
        assert_eq!(code, Some(expected), "{outcome:#}");
        assert!(outcome["trials"].as_array().unwrap().iter().all(|trial| trial["figure"]["kind"] == kind));
    };
    assert_judged(&command, "growth");
    let mut started = Command::new(&python).args(&command[1..]).stderr(Stdio::null()).spawn().unwrap();
    wait(|| TcpStream::connect(format!("127.0.0.1:{port}")).is_ok());
    assert_judged(&[], "absorbed");
    started.kill().unwrap();
    started.wait().unwrap();
}

#[test]
fn a_proxy_that_passes_chunks_on_is_bounded() {
    assert_proxy("chunks", BOUNDED);
}

#[test]
fn a_proxy_that_holds_bodies_in_memory_grows() {
    assert_proxy("memory", GROWING);
}

#[test]
fn a_proxy_passes_on_what_its_origin_sends_and_refuses() {
    let Some(python) = python() else { return };
    let (relay, [port, upstream]) = (script("relay.py"), [(); 2].map(|()| free_port().to_string()));
    let url = format!("http://127.0.0.1:{port}");
    let cases =
        "gone-reader,unread-body,early-response,tiny-frames,trailers,larger-than-announced,fast-sender";
    let flags = ["--proxy", &url, "--upstream", &upstream, "--protocol", "h1c", "--case", cases];
    let (code, outcome) = conform(&flags, &[&python, relay.to_str().unwrap(), &port, &upstream, "chunks"]);
    all_are(&outcome, "BOUNDED", 11);
    assert_eq!(code, Some(0), "{outcome:#}");
}

#[test]
fn clients_stream_collect_or_take_a_broken_body_for_a_whole_one() {
    let Some(python) = python() else { return };
    let curl = ["curl", "-sSf", "-H", "Expect:", "-o", "/dev/null", "-T", "{file}", "{url}"];
    let (code, outcome) = conform(&["--client"], &curl);
    all_are(&outcome, "BOUNDED", 6);
    assert_eq!(code, Some(0), "{outcome:#}");

    let upload_whole = script("upload_whole.py");
    let whole = [&python, upload_whole.to_str().unwrap(), "{url}", "{file}"];
    let (code, outcome) = conform(&["--client", "--case", "stalled-reader,early-response"], &whole);
    all_are(&outcome, "GROWING", 2);
    assert_eq!(code, Some(4), "{outcome:#}");

    let careless = ["sh", "-c", "curl -s -o /dev/null {url}; true"];
    let flags = ["--client", "--direction", "down", "--case", "reset-midway,trailers"];
    let (code, outcome) = conform(&flags, &careless);
    assert_eq!(conducts(&outcome), ["reset-midway/down CORRUPTED", "trailers/down BOUNDED"]);
    assert_eq!(code, Some(5), "{outcome:#}");
}

#[test]
fn files_with_bodies_do_not_outlive_a_signal_while_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = longhaul(&["conform", "--client", "--size", "512MiB"]);
    command.args(["--", "sh", "-c", "sleep 600", "{url}", "{file}"]).env("TMPDIR", folder.path());
    let mut conform = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait(|| !names(folder.path()).is_empty());
    kill(Pid::from_raw(conform.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(conform.wait().unwrap().code(), Some(130));
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn a_server_that_ends_has_died_and_one_that_never_answers_is_stalled() {
    let Some(python) = python() else { return };
    let server = script("odd_server.py");
    for (odd, conduct) in [("ends", "DIED"), ("hangs", "STALLED")] {
        let flags =
            ["http://127.0.0.1:{port}/", "--direction", "up", "--case", "fast-sender", "--timeout", "2s"];
        let (code, outcome) = conform(&flags, &[&python, server.to_str().unwrap(), "{port}", odd]);
        all_are(&outcome, conduct, 1);
        assert_eq!(code, Some(1), "{outcome:#}");
        let note = outcome["trials"][0]["note"].as_str().unwrap();
        assert!(!note.contains("128.0 of 128.0 MiB"), "only a part has moved: {note}");
        let alone = outcome["trials"][0]["command"].as_str().unwrap();
        assert!(alone.contains("--case fast-sender --protocol h1c --direction up"), "{alone}");
    }
}

#[test]
fn a_suite_that_cannot_run_is_wrong_usage_and_one_without_a_case_decides_nothing() {
    let refused = |args: &[&str]| {
        let output = run(&[&["conform"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        text(&output.stderr)
    };
    assert!(refused(&[]).contains("name the URL of a server"));
    assert!(refused(&["http://127.0.0.1:1/"]).contains("--watch PID"));
    assert!(refused(&["http://127.0.0.1:{port}/", "--watch", "1"]).contains("{port}"));
    assert!(refused(&["--client"]).contains("<COMMAND>"));
    assert!(
        refused(&["--client", "--direction", "up,down", "--", "curl", "{url}"]).contains("one direction")
    );
    assert!(refused(&["http://x/", "--case", "no-such"]).contains("stalled-reader"));
    assert!(refused(&["http://x/", "--size", "1MiB"]).contains("at least 128MiB"));
    assert!(refused(&["http://x/", "--protocol", "tcp", "--watch", "1"]).contains("conform tests HTTP"));
    let (code, outcome) = conform(&["--client", "--case", "shared-window"], &["curl", "{url}"]);
    assert_eq!((code, conducts(&outcome).len()), (Some(6), 0), "{outcome:#}");
}
