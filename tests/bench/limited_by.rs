//! Tests of the cause that records state for a limited run. Small runs are limited on purpose, by each cause in turn, in
//! ways that do not depend on the speed of the machine.
//!
//! `cargo xtask full limited-by` counts the right answers of many runs, of windows among them.
#![cfg(target_os = "linux")]

use std::{process::Command, time::Duration};

use serde_json::Value;

use crate::common::{
    Out, assert_all_good, assert_success, bench, far, records, run, server::Server, skipped, text,
};

/// The commands that limit loopback to 20 Mbit/s, in a network namespace of its own. `$@` is the program.
const SLOW_PATH: &str = "ip link set lo mtu 1500 up && \
    tc qdisc add dev lo root tbf rate 20mbit burst 16k limit 256k && exec \"$@\"";

fn limited(protocols: &str, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["--protocol", protocols, "--no-ceiling", "--chunk-size", "16KiB"];
    all.extend(args);
    let (output, records) = bench(&all);
    assert_all_good(&output, &records, protocols.split(',').count());
    records
}

fn assert_cause(records: &[Value], cause: &str) {
    for record in records {
        let (limit, name) = (&record["limited_by"], &record["case"]["name"]);
        assert_eq!(limit["cause"], cause, "{name}: {limit}, {} {}", record["sender"], record["receiver"]);
    }
}

#[test]
fn an_application_that_takes_its_time_is_named_with_its_rate() {
    let sender = limited("h1c,h2c,h3", &["--size", "2MiB", "--limit-rate", "4MiB"]);
    assert_cause(&sender, "sender");
    let evidence = sender[0]["limited_by"]["evidence"].as_str().unwrap();
    assert!(evidence.starts_with("waits for its rate of 4MiB/s "), "{evidence}");
    let receiver = limited("h1c,h2c,h3", &["--size", "4MiB", "--reader-rate", "4MiB"]);
    assert_cause(&receiver, "receiver");
}

#[test]
fn ends_on_one_core_are_limited_by_their_processor() {
    let records = limited("h1c,h3", &["--size", "64MiB", "--affinity", "0:0", "--idle", "sleep"]);
    for record in records {
        let cause = record["limited_by"]["cause"].as_str().unwrap();
        let (limit, ends) = (&record["limited_by"], [&record["sender"], &record["receiver"]]);
        assert!(cause.ends_with("-cpu"), "{limit} {ends:?}");
    }
}

#[test]
fn a_sender_counts_its_waits_for_the_windows_of_its_peer() {
    let records = limited("h2c", &["--size", "2MiB", "--h2-window", "16KiB"]);
    let waits = &records[0]["sender"]["send_waits"];
    assert!(waits["credit"].as_u64().unwrap() >= 100, "{waits}: the body has 128 windows");
    assert!(waits["socket"].as_u64().unwrap() <= 8, "{waits}: a socket holds more than a window");
    let blocked = |flag: &str| {
        let records = limited("h3", &["--size", "2MiB", flag, "16KiB"]);
        let blocked = &records[0]["sender"]["transport"]["quic"]["blocked"];
        ["stream_sent", "connection_sent"].map(|count| blocked[count].as_u64().unwrap())
    };
    let [stream, connection] = blocked("--quic-window");
    assert!(stream >= 10 && connection == 0, "{stream} {connection}");
    let [stream, connection] = blocked("--quic-connection-window");
    assert!(stream == 0 && connection >= 10, "{stream} {connection}");
}

/// Sends a body over a path with a round trip of 60 ms, beside which the time of processors is short. Returns what limited it.
fn sent_far(lost: usize, args: &[&str]) -> Value {
    let server = Server::start(&[]);
    let address = far::path_to(server.tls(), Duration::from_millis(30), lost).unwrap();
    let (url, certificate) = (format!("https://{address}/x"), server.certificate());
    let trusted = ["send", &url, "--protocol", "h3", "--json", "--cacert", certificate.to_str().unwrap()];
    let output = run(&[&trusted[..], args].concat());
    assert_success(&output);
    let record = records(&text(&output.stdout)).remove(0);
    let limit = record["limited_by"].clone();
    assert!(limit["share"].as_f64().unwrap() > 0.5, "{limit} {}", record["sender"]);
    limit
}

#[test]
fn a_send_buffer_that_keeps_bytes_until_they_are_acknowledged_is_named_with_its_size() {
    let limit = sent_far(0, &["--size", "512KiB", "--quic-send-window", "32KiB"]);
    assert_eq!(limit["cause"], "send-buffer", "{limit}");
    assert!(limit["evidence"].as_str().unwrap().starts_with("32KiB per "), "{limit}");
}

/// A larger send buffer would not help: the body has two of them, and the congestion window grows for six round trips. Windows
/// of the receiver are large from the start.
#[test]
fn a_congestion_window_that_grows_for_most_of_the_run_is_named() {
    let windows = ["--quic-window", "16MiB", "--quic-connection-window", "16MiB"];
    let path = ["--size", "2MiB", "--network", "rtt=60ms"];
    assert_cause(&limited("h3", &[&path[..], &windows].concat()), "congestion-window");
}

#[test]
fn a_congestion_window_that_losses_keep_small_is_named_with_them() {
    let limit = sent_far(20, &["--size", "1MiB"]);
    assert_eq!(limit["cause"], "congestion-window", "{limit}");
    assert!(limit["evidence"].as_str().unwrap().ends_with(" lost"), "{limit}");
}

#[test]
fn a_slow_path_is_named_with_its_rate() {
    let shell = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--map-root-user", "--", "sh", "-c", SLOW_PATH, "sh"]).args(args);
        command.output().unwrap()
    };
    if !shell(&["true"]).status.success() {
        skipped::skip("no network namespace with a rate (unshare, tc with tbf)");
        return;
    }
    let out = Out::new();
    let args = ["bench", "--json", "--quiet", "--rounds", "1", "--no-ceiling", "--protocol", "h1c,h2c"];
    let program = [env!("CARGO_BIN_EXE_longhaul")].into_iter().chain(args);
    let words: Vec<&str> = program.chain(["--size", "2MiB", "--chunk-size", "16KiB", "--out"]).collect();
    let path = out.text();
    let output = shell(&[&words[..], &[&path]].concat());
    assert_success(&output);
    let records = records(&text(&output.stdout));
    assert_eq!(records.len(), 2);
    assert_cause(&records, "path-rate");
    let evidence = records[0]["limited_by"]["evidence"].as_str().unwrap();
    assert!(evidence.contains("Mbit/s, round trip ") && evidence.ends_with("in a queue"), "{evidence}");
}

#[test]
fn a_client_and_the_tables_name_the_cause() {
    let server = Server::start(&[]);
    let url = server.url(false, "/x");
    let sent = run(&["send", &url, "--protocol", "h2c", "--size", "2MiB", "--limit-rate", "4MiB"]);
    assert_success(&sent);
    assert!(text(&sent.stdout).contains("limited by sender (waits for its rate of 4MiB/s "), "{sent:?}");
    let out = Out::new();
    let path = out.text();
    let args = ["bench", "--protocol", "h1c", "--no-ceiling", "--rounds", "1", "--size", "2MiB"];
    let output = run(&[&args[..], &["--limit-rate", "4MiB", "--quiet", "--out", &path]].concat());
    assert_success(&output);
    let line = "limited by sender: h1c/up/";
    assert!(text(&output.stdout).contains(line), "{}", text(&output.stdout));
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();
    assert!(read("summary.md").contains(&format!("- {line}")));
    assert!(read("report.html").contains("\"limited_by\":{\"cause\":\"sender\""));
    assert_success(&run(&["report", &path, "--format", "csv", "-o", &path]));
    assert!(read("records.csv").contains(",sender,") && read("records.csv").contains("limited_by_evidence"));
    let compared = run(&["compare", &path, &path]);
    assert_eq!(compared.status.code(), Some(0), "{compared:?}");
}
