//! `longhaul prove --server` for servers of other people: known answers, and servers that misbehave.

use std::process::{Command, Output, Stdio};

use crate::common::{Out, assert_valid, peers, ports::free_port, run, text, transfer::script};

/// Bodies that a server collects in a moment, and a limit that suits them.
const SMALL: [&str; 6] = ["--size", "32MiB,128MiB,256MiB", "--rounds", "2", "--slope-limit", "16MiB"];

/// Bodies that pass a fast server in more than a moment.
const LARGE: [&str; 6] = ["--size", "64MiB,256MiB,1GiB", "--rounds", "2", "--slope-limit", "16MiB"];

/// The URLs of the Python server.
const UPLOAD: &str = "http://127.0.0.1:{port}/";
const DOWNLOAD: &str = "http://127.0.0.1:{port}/{size}";

fn prove(url: &str, flags: &[&str], command: &[&str]) -> (Output, Out) {
    let out = Out::new();
    let folder = out.text();
    let mut all = vec!["prove", "--server", url, "--quiet", "--out", &folder];
    all.extend(flags);
    if !command.is_empty() {
        all.push("--");
        all.extend(command);
    }
    (run(&all), out)
}

/// Proves the Python server in one of its modes, in both directions. Returns the exit code and the report.
fn prove_python(mode: &str, sizes: &[&str], flags: &[&str]) -> Option<(Option<i32>, String, Out)> {
    let (python, server) = (peers()?.join("bin/python3"), script("upload_server.py"));
    let flags = [sizes, &["--download", DOWNLOAD, "--reader-rate", "400MiB"], flags].concat();
    let command = [python.to_str()?, server.to_str()?, "{port}", mode];
    let (output, out) = prove(UPLOAD, &flags, &command);
    Some((output.status.code(), text(&output.stdout) + &text(&output.stderr), out))
}

#[test]
fn a_server_that_holds_whole_bodies_is_growing() {
    // The method is that of uploads: downloads stay GET.
    let Some((code, report, out)) = prove_python("whole", &SMALL, &["-X", "POST"]) else { return };
    assert_eq!(code, Some(4), "{report}");
    let servers: Vec<_> =
        report.lines().filter(|line| line.starts_with(" h1c") && line.contains(" server ")).collect();
    assert!(servers.len() >= 3 && servers.iter().all(|line| line.contains("GROWING")), "{report}");
    let records = out.records();
    assert_eq!(
        records.len(),
        19,
        "three sizes, two rounds, up, down and down to a slow reader; one stands still"
    );
    for record in &records {
        assert_valid(record);
        assert_eq!(record["subject"], "server");
        let (own, of_server) = match record["case"]["direction"].as_str() {
            Some("up") => (&record["sender"], &record["receiver"]),
            _ => (&record["receiver"], &record["sender"]),
        };
        assert!(own.is_null() && of_server["memory"]["budget_bytes"].is_null(), "{record}");
        let peak = of_server["memory"]["peak_rss_bytes"].as_u64().unwrap();
        assert!(peak > record["case"]["body_bytes"].as_u64().unwrap(), "{record}");
        assert_eq!(of_server["memory"]["peak_is_of_samples"], false);
    }
}

#[test]
fn a_server_that_works_in_chunks_is_constant_when_it_prints_that_it_is_ready() {
    let Some((code, report, _)) = prove_python("chunks", &LARGE, &["--ready", "ready"]) else { return };
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("CONSTANT: at most") && report.starts_with("server: "), "{report}");
    assert!(row(&report, "h1c/down/64KiB+stall=5s").contains("CONSTANT"), "{report}");
}

/// Returns the row of a case in the table of a report.
fn row<'r>(report: &'r str, case: &str) -> &'r str {
    let mut rows = report.lines().map(str::trim_start);
    rows.find(|line| line.starts_with(case)).unwrap_or_else(|| panic!("{case}: {report}"))
}

/// Flags for one download of each size, whose verdict is that on a reader that stands still for four seconds.
const STALLED: [&str; 6] = ["--direction", "down", "--rounds", "1", "--stall", "4s"];

#[test]
fn a_server_that_reads_ahead_of_a_reader_that_stands_still_is_growing() {
    let sizes = ["--size", "32MiB,256MiB"];
    let Some((code, report, out)) = prove_python("ahead", &sizes, &STALLED) else { return };
    assert_eq!(code, Some(4), "{report}");
    assert!(row(&report, "h1c/down/64KiB+stall=4s").contains("GROWING"), "{report}");
    let said = "GROWING  h1c/down/64KiB+stall=4s server: peak RSS rises by 2";
    assert!(report.contains(said) && report.contains("more than an eighth of the body"), "{report}");
    let record = out.records().pop().unwrap();
    assert_valid(&record);
    assert_eq!((&record["case"]["reader_stall_s"], &record["outcome"]), (&4.0.into(), &"ok".into()));
    assert!(record["stall"]["seconds"].as_f64().unwrap() >= 4.0 && record["stall"]["ended"].is_null());
    assert_eq!(record["sender"]["bytes"], 256 << 20, "the reader goes on");
}

#[test]
fn a_server_that_ends_a_download_whose_reader_stands_still_is_constant_with_a_remark() {
    let sizes = ["--size", "32MiB,256MiB"];
    let Some((_, report, out)) = prove_python("impatient", &sizes, &STALLED) else { return };
    assert!(row(&report, "h1c/down/64KiB+stall=4s").contains("CONSTANT"), "{report}");
    assert!(report.contains("server: it ended the transfer by itself: "), "{report}");
    let record = out.records().pop().unwrap();
    assert_valid(&record);
    assert!(record["outcome"] == "ok" && record["error"].is_null(), "{record}");
    assert!(record["stall"]["ended"].is_string() && record["goodput_bytes_per_s"].is_null(), "{record}");
    assert!(record["sender"]["bytes"].as_u64().unwrap() < 256 << 20, "{record}");
}

#[test]
fn a_running_server_is_watched_and_left_alone() {
    let Some(peers) = peers() else { return };
    let port = free_port();
    for (mode, sizes, expected) in [("chunks", LARGE, 0), ("whole", SMALL, 4)] {
        let mut server = Command::new(peers.join("bin/python3"))
            .arg(script("upload_server.py"))
            .args([&port.to_string(), mode])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = server.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let (url, pid) = (UPLOAD.replace("{port}", &port.to_string()), server.id().to_string());
        let (output, out) = prove(&url, &[&sizes[..], &["--watch", &pid]].concat(), &[]);
        let (alive, report) = (server.try_wait().unwrap().is_none(), text(&output.stdout));
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(alive, "the server lives on");
        assert_eq!(output.status.code(), Some(expected), "{mode}: {report}{}", text(&output.stderr));
        assert_eq!(out.records()[0]["peer"], url);
        let sizes: Vec<_> =
            out.records().iter().map(|record| record["case"]["body_bytes"].as_u64()).collect();
        assert!(sizes.is_sorted(), "{sizes:?}");
    }
}

/// Proves a server that misbehaves, over one tiny body. Returns the line that says so.
fn misbehaving(flags: &[&str], command: &[&str]) -> String {
    let flags = [&["--size", "1MiB", "--rounds", "1"], flags].concat();
    let (output, _) = prove(UPLOAD, &flags, command);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{report}{}", text(&output.stderr));
    report.lines().find(|line| line.starts_with("FAILED")).unwrap_or_else(|| panic!("{report}")).to_owned()
}

#[test]
fn a_server_that_ends_or_is_never_ready_is_a_failed_run_that_says_why() {
    let said = misbehaving(&[], &["sh", "-c", "echo 'port {port} is forbidden' >&2; exit 3"]);
    assert!(said.contains("sh ended (exit status: 3) before it was ready: port "), "{said}");
    let said = misbehaving(&["--timeout", "1s"], &["sh", "-c", "sleep 600", "{port}"]);
    assert!(said.contains("sh was not ready within 1 s"), "{said}");
    let said =
        misbehaving(&["--timeout", "1s", "--ready", "go"], &["sh", "-c", "echo g; sleep 600", "{port}"]);
    assert!(said.contains("it has not printed 'go'"), "{said}");
    let left = Command::new("pgrep").args(["-f", "^sleep 600$"]).output().unwrap();
    assert_eq!(text(&left.stdout), "", "no process is left");
}

#[test]
fn a_server_that_refuses_or_breaks_off_is_a_failed_run_that_says_why() {
    let Some(peers) = peers() else { return };
    let python = peers.join("bin/python3");
    let python = python.to_str().unwrap();
    let refusing = ["-m", "http.server", "--bind", "127.0.0.1", "{port}"];
    let said = misbehaving(&[], &[&[python], &refusing[..]].concat());
    assert!(said.contains("501"), "{said}");
    let dying = "import os, socket; s = socket.create_server(('127.0.0.1', {port}))\n\
                 while True:\n c = s.accept()[0]\n if c.recv(9): os._exit(7)";
    let said = misbehaving(&[], &[python, "-c", dying]);
    assert!(said.contains("ended (exit status: 7) after"), "{said}");
    let dying = "import os, socket; s = socket.create_server(('127.0.0.1', {port}))\nwhile True:\n\
                 \x20c = s.accept()[0]; got = 0\n while got < 1 << 19 and (part := c.recv(1 << 16)): got += len(part)\n\
                 \x20if got: os._exit(7)";
    let said = misbehaving(&[], &[python, "-c", dying]);
    assert!(said.contains("ended (exit status: 7) after") && !said.contains("after 0.0 of"), "{said}");
}

#[test]
fn flags_that_cannot_be_used_are_refused() {
    let refused = |flags: &[&str], command: &[&str], part: &str| {
        let (output, _) = prove(flags[0], &flags[1..], command);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(part), "{flags:?}: {said}");
    };
    refused(&["http://127.0.0.1:1/"], &[], "--watch PID");
    refused(&["http://127.0.0.1:1/", "--watch", "4194304"], &[], "--watch 4194304");
    refused(&[UPLOAD], &["true"], "has {port}, and the command has not");
    refused(&["ftp://x/"], &["true"], "ftp://x/");
    refused(&["http://127.0.0.1:1/", "--direction", "down"], &["true"], "--download");
    refused(&["http://127.0.0.1:1/", "--download", "http://127.0.0.1:1/x"], &["true"], "{size}");
    refused(&["http://127.0.0.1:1/", "--protocol", "h3"], &["true"], "h3");
    let seeded = [UPLOAD, "--download", DOWNLOAD, "--seed", "7"];
    refused(&seeded, &["true", "{port}"], "--seed: a server of yours decides the content of its downloads");
    let said = text(&run(&["prove", "--client", "-H", "X: y", "--", "true", "{url}"]).stderr);
    assert!(said.contains("--server"), "{said}");
    let said = text(&run(&["prove", "--series", "1MiB", "--size", "1GiB", "--", "true", "{n}"]).stderr);
    assert!(said.contains("--size: not with --series"), "{said}");
}
