//! Gates of memory that can fail: each command that judges memory notices growth.

use std::{fs, path::Path, process::Output};

use record::PROTOCOLS;
use serde_json::Value;

use crate::common::{Out, bench, run, text};

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn prove(args: &[&str]) -> (Output, Out) {
    let out = Out::new();
    let folder = out.text();
    let mut all = vec!["prove", "--quiet", "--direction", "up", "--chunk-size", "64KiB", "--out", &folder];
    all.extend(args);
    (run(&all), out)
}

#[test]
fn an_end_that_collects_the_body_is_growing_and_exit_4() {
    let sizes = ["--size", "16MiB,48MiB,96MiB", "--reader-rate", "200MiB", "--rounds", "3", "--no-control"];
    let (output, out) = prove(&[&["--protocol", "h1c", "--sink", "collect"], &sizes[..]].concat());
    let report = text(&output.stdout);
    assert_eq!(code(&output), 4, "{report}{}", text(&output.stderr));
    let receiver: Vec<_> = report.lines().filter(|line| line.contains(" receiver ")).collect();
    assert!(receiver.iter().any(|line| line.contains("GROWING")), "{report}");
    assert!(report.contains("peak RSS grows with the size of the body"), "{report}");
    assert!(fs::read_to_string(out.path().join("summary.md")).unwrap().contains("GROWING"));
    assert_eq!(out.records().len(), 18, "three sizes, three rounds, a fast and a slow reader");
}

#[test]
fn h3_as_it_comes_with_a_slow_reader_is_growing() {
    // The reader is slower than h3 is on a busy machine, so that the body waits for the reader.
    let sizes = ["--size", "16MiB,32MiB,64MiB", "--reader-rate", "20MiB", "--rounds", "2", "--no-control"];
    let (output, _) = prove(&[&["--protocol", "h3", "--h3-recv", "stock"], &sizes[..]].concat());
    let report = text(&output.stdout);
    let slow = report.lines().find(|line| line.contains("reader=20MiB") && line.contains(" receiver "));
    assert!(slow.unwrap().contains("GROWING"), "{report}");
    assert_eq!(code(&output), 4, "{report}");
}

#[test]
fn the_controls_are_noticed_and_a_byte_per_chunk_is_growing_slowly() {
    let sizes = ["--size", "16MiB,32MiB,64MiB", "--reader-rate", "200MiB", "--rounds", "1"];
    let (output, out) = prove(&[&["--protocol", "h1c"], &sizes[..]].concat());
    let report = text(&output.stdout);
    for control in [
        "control h1c/up/64KiB+sink=collect: GROWING, as expected",
        "control h3/up/64KiB+reader=40MiB+h3-recv=stock: GROWING, as expected",
        "control h1c/up/1MiB+sink=keep:200: GROWING, as expected",
        "control h1c/up/1MiB+sink=keep:5: CONSTANT, as expected",
        "control h1c/up/64KiB+sink=keep:1: GROWING SLOWLY, as expected: 16 KiB per GiB",
    ] {
        assert!(report.contains(control), "{control}: {report}{}", text(&output.stderr));
    }
    let again = run(&["report", &out.text(), "--format", "markdown", "-o", &out.text()]);
    let summary = fs::read_to_string(out.path().join("summary.md")).unwrap();
    assert!(code(&again) == 0 && summary.contains("GROWING SLOWLY, as expected"), "{summary}");
    assert!(out.records().iter().all(|record| record["slope_limit_bytes"] == 100 << 10));
}

#[test]
fn a_sink_that_keeps_half_the_limit_is_growing_slowly_and_exit_4() {
    let shape = ["--protocol", "h1c", "--no-control", "--rounds", "1", "--size", "256MiB"];
    // The sink keeps 48 KiB per GiB.
    let (output, _) = prove(&[&shape[..], &["--sink", "keep:3", "--reader-rate", "1GiB"]].concat());
    let report = text(&output.stdout);
    assert!(
        code(&output) == 4 && report.contains("GROWING SLOWLY: 48 KiB per GiB, 3.0 B per chunk"),
        "{report}"
    );
}

#[test]
#[cfg(not(feature = "heap-trace"))]
fn a_trace_is_refused_by_a_program_that_cannot_take_one() {
    let (output, out) = prove(&["--protocol", "h1c", "--trace"]);
    let message = text(&output.stderr);
    assert!(code(&output) == 2 && message.contains("--features heap-trace"), "{message}");
    assert!(!out.path().exists());
}

#[test]
#[cfg(feature = "heap-trace")]
fn a_trace_names_the_function_that_keeps_memory() {
    let shape = ["--protocol", "h1c", "--no-control", "--rounds", "1", "--size", "256MiB", "--trace"];
    let (output, out) = prove(&[&shape[..], &["--sink", "keep:3", "--reader-rate", "200MiB"]].concat());
    let report = text(&output.stdout);
    let sites = fs::read_to_string(out.path().join("call-sites.txt")).unwrap();
    assert!(report.contains(&sites), "{report}");
    let of_receiver = sites.split_once(" receiver: allocated after the first quarter").unwrap().1;
    assert!(of_receiver.contains("longhaul_receiver::sink::"), "{sites}");
}

#[test]
fn bodies_that_fit_the_budget_prove_nothing() {
    let (output, _) = prove(&["--protocol", "h2", "--size", "64KiB,128KiB,256KiB", "--no-control"]);
    let report = text(&output.stdout);
    assert!(report.contains("INCONCLUSIVE") && report.contains("use larger bodies"), "{report}");
    // The pages of a debug build may exceed the budget, which is the worse verdict.
    assert!([4, 6].contains(&code(&output)), "{report}");
}

#[test]
fn the_budget_is_printed_term_by_term_and_nothing_runs() {
    for command in ["bench", "prove"] {
        let output = run(&[
            command,
            "--explain-memory",
            "--protocol",
            "h2",
            "--chunk-size",
            "64KiB",
            "--size",
            "1GiB",
        ]);
        let report = text(&output.stdout);
        assert_eq!(code(&output), 0);
        for term in
            ["h2/up/64KiB/1GiB", "0.750 MiB  HTTP/2 window", "TLS records", "receiver over its baseline"]
        {
            assert!(report.contains(term), "{term}: {report}");
        }
    }
}

/// Runs a small bench into `out`. Accepts any verdict on its memory.
fn bench_into(out: &Out, args: &[&str]) {
    let folder = out.text();
    let mut all = vec!["bench", "--quiet", "--chunk-size", "64KiB", "--out", &folder];
    all.extend(args);
    assert!([0, 4].contains(&code(&run(&all))));
}

fn check(records: &Path, ceilings: &Path, text: &str) -> Output {
    fs::write(ceilings, text).unwrap();
    run(&["check", records.to_str().unwrap(), "--ceilings", ceilings.to_str().unwrap()])
}

#[test]
fn check_holds_peaks_budgets_slopes_and_drift() {
    let (good, bad) = (Out::new(), Out::new());
    let sizes = ["--protocol", "h1c", "--size", "16MiB,48MiB,96MiB"];
    bench_into(&good, &sizes);
    bench_into(&bad, &[&sizes[..], &["--sink", "collect"]].concat());
    let ceilings = good.path().join("ceilings.toml");
    let held = |records: &Out, ceiling: &str| {
        let receiver = format!("[[ceiling]]\nprotocol = \"*\"\nend = \"receiver\"\n{ceiling}\n");
        let output = check(&records.path(), &ceilings, &receiver);
        (code(&output), text(&output.stdout))
    };
    assert_eq!(held(&good, "peak_rss = \"60MiB\"").0, 0);
    assert_eq!(held(&bad, "peak_rss = \"60MiB\"").0, 4);
    let (verdict, report) = held(&bad, "budget = true");
    assert!(verdict == 4 && report.contains("expected to grow by at most"), "{report}");
    assert!(report.contains("NO CEILING  h1c/up/64KiB/16MiB+sink=collect sender"), "{report}");
    let (verdict, report) = held(&bad, "slope = \"1MiB\"");
    assert!(verdict == 4 && report.contains("MiB per GiB of body, measured 1"), "{report}");
    let (_, report) = held(
        &good,
        "peak_rss = \"60MiB\"\n[[ceiling]]\nprotocol = \"h3\"\nend = \"receiver\"\nbudget = true",
    );
    assert!(report.contains("NO CASE  the ceiling of line 5 matches nothing"), "{report}");

    let drift = "ceiling = []\n[drift]\nrecords = \"records.jsonl\"\nband = \"10%\"\n";
    let same = check(&good.path(), &ceilings, drift);
    assert_eq!(code(&same), 0, "{}", text(&same.stdout));
    let renamed = fs::read_to_string(bad.path().join("records.jsonl")).unwrap().replace("+sink=collect", "");
    let drifted = good.path().join("drifted.jsonl");
    fs::write(&drifted, renamed).unwrap();
    let output = check(&drifted, &ceilings, drift);
    assert!(code(&output) == 4 && text(&output.stdout).contains("rose to"), "{}", text(&output.stdout));
}

#[test]
fn the_first_ceilings_come_from_records_and_hold_for_them() {
    let out = Out::new();
    bench_into(&out, &["--protocol", "h1c,h2c", "--direction", "up,down", "--size", "4MiB", "--rounds", "1"]);
    let (records, file) = (out.text(), out.path().join("first.toml"));
    let file = file.to_str().unwrap();
    let write = ["check", &records, "--write-ceilings", file];
    assert_eq!(code(&run(&write)), 0);
    let report = text(&run(&["check", &records, "--ceilings", file]).stdout);
    assert!(report.contains("ceilings: 8 held, 0 exceeded, 0 unclear, 0 without a counterpart"), "{report}");
    assert_eq!(code(&run(&write)), 2, "an existing file is not overwritten");
}

#[test]
fn damage_is_named_by_file_line_and_field() {
    let out = Out::new();
    bench_into(&out, &["--protocol", "tcp", "--size", "1MiB", "--rounds", "1"]);
    let ceilings = out.path().join("ceilings.toml");
    let output = check(&out.path(), &ceilings, "[[ceiling]]\nprotocol = \"tcp\"\npeak = \"1MiB\"\n");
    let report = text(&output.stderr);
    assert!(code(&output) == 2 && report.contains("ceilings.toml:3: unknown field `peak`"), "{report}");
    let empty = out.path().join("empty.jsonl");
    fs::write(&empty, "").unwrap();
    let output = check(&empty, &ceilings, "ceiling = []\n");
    assert!(code(&output) == 2 && text(&output.stderr).contains("empty.jsonl holds no records"));
}

/// Returns the most bytes that were sent and not yet received, by the timelines of both ends. `slack_s` is the largest
/// distance between their clocks and samples, in seconds.
fn farthest_ahead(record: &Value, slack_s: f64) -> f64 {
    let points = |end: &str| -> Vec<(f64, f64)> {
        let timeline = record[end]["memory"]["timeline"].as_array().unwrap();
        timeline.iter().map(|point| (point[0].as_f64().unwrap(), point[3].as_f64().unwrap())).collect()
    };
    let receiver = points("receiver");
    let taken = |at: f64| receiver.iter().find(|(time, _)| *time >= at).map(|(_, bytes)| *bytes);
    let ahead = points("sender").into_iter().filter_map(|(time, sent)| Some(sent - taken(time + slack_s)?));
    ahead.fold(0.0, f64::max)
}

#[test]
fn backpressure_reaches_the_sender_over_every_protocol() {
    for protocol in PROTOCOLS.iter().map(|protocol| protocol.name) {
        let shape = ["--protocol", protocol, "--chunk-size", "64KiB", "--size", "48MiB"];
        let slow = ["--reader-rate", "32MiB", "--socket-buffer", "256KiB"];
        let (_, records) = bench(&[&shape[..], &slow].concat());
        let record = &records[0];
        assert_eq!(record["outcome"], "ok", "{}", record["error"]);
        let seconds = record["elapsed_s"].as_f64().unwrap();
        assert!((1.4..3.0).contains(&seconds), "{protocol}: 48 MiB at 32 MiB/s took {seconds} s");
        let socket = ["socket_send_buffer_bytes", "socket_receive_buffer_bytes"];
        let sockets: f64 = socket.iter().map(|key| record["link"][key].as_f64().unwrap()).sum();
        // The bound is the largest windows of any protocol (those of QUIC), and a chunk at each end.
        let windows = (3 << 20) + (2 << 16);
        let ahead = farthest_ahead(record, 0.05);
        assert!(
            ahead <= sockets + f64::from(windows),
            "{protocol}: {ahead} bytes ahead, {sockets} in sockets"
        );
        assert!(record["sender"]["memory"]["socket_peak_bytes"].as_f64().unwrap() > 0.0, "{protocol}");
    }
}

#[test]
fn a_sender_held_to_a_rate_keeps_it() {
    for protocol in ["h1c", "h2", "h3"] {
        for direction in ["up", "down"] {
            let shape = ["--protocol", protocol, "--chunk-size", "64KiB", "--size", "16MiB"];
            let (_, records) =
                bench(&[&shape[..], &["--direction", direction, "--limit-rate", "16MiB"]].concat());
            let seconds = records[0]["elapsed_s"].as_f64().unwrap();
            assert!((0.9..2.0).contains(&seconds), "{protocol} {direction}: {seconds} s");
            assert_eq!(records[0]["case"]["limit_rate_bytes_per_s"], 16 << 20);
        }
    }
}
