//! `longhaul prove` for programs of other people: known answers, and programs that misbehave.

use std::{
    process::{Command, Output},
    time::Duration,
};

use metrics::Stamp;

use crate::common::{Out, assert_valid, peers, run, skip, text, transfer::script};

/// Proves a client over small bodies, with these flags before its command line.
fn prove(flags: &[&str], command: &[&str]) -> (Output, Out) {
    let out = Out::new();
    let folder = out.text();
    let mut all = vec!["prove", "--client", "--quiet", "--out", &folder];
    all.extend(flags);
    all.push("--");
    all.extend(command);
    (run(&all), out)
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// Proves a client that misbehaves, over one tiny body. Returns the line that says so.
fn misbehaving(flags: &[&str], command: &[&str]) -> String {
    let flags = [&["--size", "1MiB", "--rounds", "1"], flags].concat();
    let (output, _) = prove(&flags, command);
    let report = text(&output.stdout);
    assert_eq!(code(&output), Some(1), "{report}{}", text(&output.stderr));
    report.lines().find(|line| line.starts_with("FAILED")).unwrap_or_else(|| panic!("{report}")).to_owned()
}

/// Small bodies for a quick answer, and a limit that suits them.
const SIZES: [&str; 6] = ["--size", "32MiB,128MiB,256MiB", "--rounds", "2", "--slope-limit", "16MiB"];

#[test]
fn a_client_that_reads_the_whole_file_is_growing() {
    let Some(peers) = peers() else { return };
    let python = peers.join("bin/python3");
    let (whole, sizes) = (script("upload_whole.py"), [&SIZES[..], &["--reader-rate", "1GiB"]].concat());
    let (output, out) =
        prove(&sizes, &[python.to_str().unwrap(), whole.to_str().unwrap(), "{url}", "{file}"]);
    let report = text(&output.stdout);
    assert_eq!(code(&output), Some(4), "{report}{}", text(&output.stderr));
    let clients: Vec<_> =
        report.lines().filter(|line| line.starts_with(" h1c") && line.contains(" client ")).collect();
    assert!(clients.len() >= 3 && clients.iter().all(|line| line.contains("GROWING: ")), "{report}");
    let records = out.records();
    records.iter().for_each(assert_valid);
    assert_eq!(
        records.len(),
        13,
        "three sizes, two rounds, a fast and a slow reader; one reader stands still"
    );
    for record in &records {
        assert_eq!(record["subject"], "client");
        assert!(record["peer"].as_str().unwrap().ends_with("upload_whole.py {url} {file}"), "{record}");
        assert_eq!(record["integrity"]["match"], true);
        assert!(record["receiver"].is_null() && record["sender"]["memory"]["budget_bytes"].is_null());
        let peak = record["sender"]["memory"]["peak_rss_bytes"].as_u64().unwrap();
        assert!(peak > record["case"]["body_bytes"].as_u64().unwrap(), "{record}");
    }
    assert!(
        !out.path().read_dir().unwrap().any(|entry| entry.unwrap().path().is_dir()),
        "the bodies are removed"
    );
    let again = run(&["report", &out.text(), "--format", "markdown", "-o", &out.text()]);
    let summary = std::fs::read_to_string(out.path().join("summary.md")).unwrap();
    assert!(code(&again) == Some(0) && summary.contains("| client |"), "{summary}");
}

#[test]
fn a_client_that_uploads_chunk_by_chunk_is_constant() {
    let Some(peers) = peers() else { return };
    let (python, chunked) = (peers.join("bin/python3"), script("upload_chunked.py"));
    let command = [python.to_str().unwrap(), chunked.to_str().unwrap(), "{url}", "{file}"];
    let (output, _) = prove(&[&SIZES[..], &["--reader-rate", "200MiB"]].concat(), &command);
    let report = text(&output.stdout);
    assert_eq!(code(&output), Some(0), "{report}{}", text(&output.stderr));
    assert!(report.contains("CONSTANT: at most") && report.starts_with("client: "), "{report}");
}

#[test]
fn a_client_that_holds_the_file_is_not_constant_by_bodies_of_one_size() {
    let Some(peers) = peers() else { return };
    let python = peers.join("bin/python3");
    // The memory of this client is flat while it sends, slowly enough for samples.
    let holds = "import http.client, sys, time, urllib.parse\nurl = urllib.parse.urlsplit(sys.argv[1])\n\
                 data = memoryview(open(sys.argv[2], 'rb').read())\ndef parts():\n\
                 \x20for at in range(0, len(data), 65536):\n  time.sleep(0.002)\n  yield data[at:at + 65536]\n\
                 to = http.client.HTTPConnection(url.hostname, url.port)\n\
                 to.request('PUT', url.path, body=parts(), headers={'Content-Length': str(len(data))})\n\
                 sys.exit(to.getresponse().status != 200)";
    let flags = ["--size", "32MiB", "--rounds", "1", "--reader-rate", "200MiB", "--slope-limit", "16MiB"];
    let (output, _) = prove(&flags, &[python.to_str().unwrap(), "-c", holds, "{url}", "{file}"]);
    let report = text(&output.stdout);
    assert_eq!(code(&output), Some(6), "{report}{}", text(&output.stderr));
    assert!(!report.contains("CONSTANT:") && report.contains("runs of one size only"), "{report}");
}

#[test]
fn a_proof_whose_time_is_used_up_is_inconclusive() {
    let script = "sleep 0.3; curl -sS -T {file} {url}";
    let flags = ["--size", "1MiB,2MiB,3MiB", "--max-time", "1s"];
    let (output, out) = prove(&flags, &["sh", "-c", script]);
    let report = text(&output.stdout);
    assert_eq!(code(&output), Some(6), "{report}{}", text(&output.stderr));
    assert!(report.contains("Incomplete: ") && report.contains("not all of its runs were made"), "{report}");
    assert!(out.records().iter().all(|record| record["planned_runs"] == 18), "{report}");
}

#[test]
fn a_client_that_gives_up_on_a_reader_that_stands_still_is_constant_with_a_remark() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl is missing; apt-get install curl installs it");
    }
    let flags = ["--size", "32MiB,128MiB", "--rounds", "1", "--reader-rate", "200MiB", "--stall", "6s"];
    let (output, out) = prove(&flags, &["curl", "-sS", "--max-time", "3", "-T", "{file}", "{url}"]);
    let report = text(&output.stdout);
    let row = report.lines().find(|line| line.contains("h1c/up/64KiB+stall=6s")).unwrap();
    assert!(row.contains("CONSTANT"), "{report}{}", text(&output.stderr));
    assert!(report.contains("client: it ended the transfer by itself: curl failed"), "{report}");
    let record = out.records().pop().unwrap();
    assert_valid(&record);
    let stall = &record["stall"];
    assert!(record["outcome"] == "ok" && stall["ended"].as_str().unwrap().contains("28"), "{record}");
    assert!((1.0..6.0).contains(&stall["seconds"].as_f64().unwrap()), "{record}");
}

#[test]
fn curl_downloads_over_tls_in_constant_memory() {
    let curl = ["curl", "-sSf", "--cacert", "{cacert}", "-o", "/dev/null", "{url}"];
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl is missing; apt-get install curl installs it");
    }
    let (output, out) = prove(&[&SIZES[..], &["--protocol", "h2", "--direction", "down"]].concat(), &curl);
    let report = text(&output.stdout);
    assert_eq!(code(&output), Some(0), "{report}{}", text(&output.stderr));
    assert_eq!(out.records().len(), 6, "a download has no slow reader, and none that stands still");
}

#[test]
fn a_program_that_does_not_exist_is_an_error_before_any_run() {
    for program in ["/nonexistent/client", "no-such-client", "/"] {
        let (output, out) = prove(&["--size", "1MiB"], &[program, "{url}"]);
        let stderr = text(&output.stderr);
        assert_eq!(code(&output), Some(2), "{stderr}");
        assert!(
            stderr.contains(&format!("{program} cannot be started: there is no such program")),
            "{stderr}"
        );
        assert!(!out.path().join("records.jsonl").exists(), "{stderr}");
    }
}

#[test]
fn a_client_that_fails_or_does_not_transfer_is_a_failed_run_that_says_why() {
    let said = misbehaving(&[], &["sh", "-c", "echo 'no such bucket' >&2; exit 3", "{url}"]);
    assert!(said.contains("sh failed (exit status: 3): no such bucket"), "{said}");
    let said = misbehaving(&[], &["true", "{url}"]);
    assert!(said.contains("true ended (exit status: 0) without a request"), "{said}");
    let said = misbehaving(&[], &["sh", "-c", "kill -9 $$", "{url}"]);
    assert!(said.contains("signal: 9"), "{said}");
    let short = "head -c 1000 {file} | curl -sS -T - {url}";
    let said = misbehaving(&[], &["sh", "-c", short]);
    assert!(said.contains("after 0.0 of 1.0 MiB"), "{said}");
}

#[test]
fn a_client_that_always_fails_is_not_tried_for_all_runs() {
    let flags = ["--size", "1MiB,2MiB,3MiB", "--rounds", "5"];
    let (output, out) = prove(&flags, &["sh", "-c", "exit 3", "{url}"]);
    assert_eq!(code(&output), Some(1), "{}", text(&output.stdout));
    assert_eq!(out.records().len(), 3, "one round");
    let told = text(&output.stderr);
    assert!(told.contains("every run failed, so it ended after 3 of 30 runs"), "{told}");
}

#[test]
fn a_body_that_is_not_the_file_fails_integrity() {
    let other = "head -c {size} /dev/zero | curl -sS -T - {url} -H 'X: {file}'";
    let (output, _) = prove(&["--size", "1MiB", "--rounds", "1"], &["sh", "-c", other]);
    assert_eq!(code(&output), Some(5), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_client_that_hangs_is_ended_with_all_that_it_started() {
    let mark = format!("600.{}", std::process::id());
    let began = Stamp::now();
    let script = format!("setsid sleep {mark} & sleep {mark}");
    let said = misbehaving(&["--timeout", "1s"], &["sh", "-c", &script, "{url}"]);
    assert!(said.contains("has sent no request for 1 s"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(60));
    let left = Command::new("pgrep").args(["-f", &format!("^sleep {mark}")]).output().unwrap();
    assert_eq!(text(&left.stdout), "", "no process is left");
}

#[test]
fn a_client_that_goes_to_the_background_is_measured_and_ended() {
    // The shell ends at once, and its child uploads.
    let script = "(sleep 0.3; curl -sS --limit-rate 16M -T {file} {url}; sleep 600) >/dev/null 2>&1 &";
    let (output, out) = prove(&["--size", "8MiB", "--rounds", "1"], &["sh", "-c", script]);
    let record = &out.records()[0];
    assert_eq!(record["outcome"], "ok", "{}{record}", text(&output.stderr));
    assert!(record["sender"]["memory"]["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    let left = Command::new("pgrep").args(["-f", "^sleep 600$"]).output().unwrap();
    assert_eq!(text(&left.stdout), "", "no process is left");
}

#[test]
fn any_program_is_proven_over_the_sizes_of_its_input() {
    let Some(peers) = peers() else { return };
    let python = peers.join("bin/python3");
    let proven = |script: &str| {
        let out = Out::new();
        let folder = out.text();
        let flags = [
            "prove",
            "--series",
            "16MiB,64MiB,128MiB",
            "--slope-limit",
            "16MiB",
            "--quiet",
            "--out",
            &folder,
            "--",
        ];
        let output = run(&[&flags[..], &[python.to_str().unwrap(), "-c", script, "{n}"]].concat());
        (code(&output), text(&output.stdout) + &text(&output.stderr))
    };
    let keeps = "import sys,time\nkept = []\nfor _ in range(int(sys.argv[1]) >> 20):\n    kept.append(bytearray(1 << 20)); time.sleep(0.005)";
    let (code, report) = proven(keeps);
    assert!(code == Some(4) && report.contains(" program ") && report.contains("GROWING"), "{report}");
    let (code, report) = proven(&keeps.replace("kept.append(bytearray(1 << 20))", "bytearray(1 << 20)"));
    assert!(code == Some(0) && report.contains("CONSTANT"), "{report}");
}

#[test]
fn rounds_follow_as_long_as_they_decide_nothing() {
    let Some(peers) = peers() else { return };
    let python = peers.join("bin/python3");
    // Every second run keeps 50 MiB more, whatever its size, and is level. The records tell the number of the run.
    let scatters = "import os, sys, time\nrun = sum(1 for _ in open(sys.argv[1])) + 1 if os.path.exists(sys.argv[1]) else 1\n\
                    kept = b'x' * (50 << 20) * (run % 2)\nfor _ in range(int(sys.argv[2]) >> 18): time.sleep(0.005)";
    let runs = |flags: &[&str]| {
        let out = Out::new();
        let (folder, runs) = (out.text(), out.path().join("records.jsonl"));
        let own = ["prove", "--series", "8MiB,16MiB,32MiB", "--order", "fixed", "--quiet", "--out", &folder];
        let command = ["--", python.to_str().unwrap(), "-c", scatters, runs.to_str().unwrap(), "{n}"];
        let output = run(&[&own[..], flags, &command].concat());
        assert_eq!(code(&output), Some(6), "{}", text(&output.stdout));
        let records = out.records();
        (records.len(), records.last().unwrap()["round"].as_u64().unwrap())
    };
    assert_eq!(runs(&[]), (36, 11));
    assert_eq!(runs(&["--rounds", "2"]), (6, 1), "the user has set their number");
}

#[test]
fn a_command_that_cannot_be_proven_is_wrong_usage() {
    let refused = |args: &[&str]| {
        let output = run(&[&["prove"], args].concat());
        assert_eq!(code(&output), Some(2), "{args:?}");
        text(&output.stderr)
    };
    assert!(refused(&["--client", "--", "curl", "http://127.0.0.1/"]).contains("{url}"));
    assert!(refused(&["--client"]).contains("<COMMAND>"));
    assert!(refused(&["--series", "1MiB", "--", "true"]).contains("{n}"));
    assert!(refused(&["--series", "1MiB", "--stall", "1s", "--", "true", "{n}"]).contains("--stall"));
    assert!(refused(&["--stall", "1s"]).contains("--client"));
    assert!(refused(&["--client", "--series", "1MiB", "--", "curl", "{url}"]).contains("--series"));
    assert!(
        refused(&["--client", "--streams", "2", "--protocol", "h2", "--", "curl", "{url}"])
            .contains("--streams")
    );
    assert!(refused(&["--client", "--protocol", "tcp", "--", "curl", "{url}"]).contains("over HTTP"));
    for flags in [["--seed", "7"], ["--chunk-size", "1MiB"], ["--address", "::1"], ["--upstream", "1"]] {
        let said = refused(&[&["--client"], &flags[..], &["--", "curl", "-T", "{file}", "{url}"]].concat());
        assert!(said.contains(flags[0]), "{said}");
    }
    let out = Out::new();
    let folder = out.text();
    let huge =
        refused(&["--client", "--out", &folder, "--size", "900TiB", "--", "curl", "-T", "{file}", "{url}"]);
    assert!(huge.contains("use smaller sizes"), "{huge}");
}
