//! `longhaul prove --proxy` for proxies of other people: known answers.

use std::{
    process::{Command, Output, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use crate::common::{Out, assert_valid, peers, ports::free_port, run, text, transfer::script};

/// Held by the proof that runs: proofs that share two cores have too few samples of fast transfers.
static ALONE: Mutex<()> = Mutex::new(());

/// Bodies that a proxy holds as a whole in a moment, and a limit that suits them.
const SMALL: [&str; 6] = ["--size", "32MiB,128MiB,256MiB", "--rounds", "2", "--slope-limit", "16MiB"];

/// Bodies beside which the buffers of sockets are small.
const LARGE: [&str; 6] = ["--size", "64MiB,256MiB,1GiB", "--rounds", "3", "--slope-limit", "16MiB"];

/// Proves the relay in one of its modes.
fn prove(mode: &str, sizes: &[&str], flags: &[&str]) -> Option<(Output, Out)> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (python, relay, upstream) =
        (peers()?.join("bin/python3"), script("relay.py"), free_port().to_string());
    let out = Out::new();
    let folder = out.text();
    let mut all = vec!["prove", "--proxy", "http://127.0.0.1:{port}", "--upstream", &upstream];
    all.extend(["--quiet", "--out", &folder]);
    all.extend(sizes);
    all.extend(flags);
    all.extend(["--", python.to_str()?, relay.to_str()?, "{port}", &upstream, mode]);
    Some((run(&all), out))
}

/// Returns the lines about absorbed bytes.
fn absorbed(output: &Output) -> Vec<String> {
    let report = text(&output.stdout);
    let lines: Vec<_> =
        report.lines().filter(|line| line.starts_with("absorbed")).map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{report}{}", text(&output.stderr));
    lines
}

#[test]
fn a_proxy_that_passes_chunks_on_absorbs_buffers_only() {
    let Some((output, out)) = prove("chunks", &LARGE, &["--stall", "2s"]) else { return };
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}{}", text(&output.stderr));
    assert!(report.starts_with("proxy: ") && report.contains(" proxy "), "{report}");
    assert!(absorbed(&output).iter().all(|line| line.contains("CONSTANT: at most")), "{report}");
    let records = out.records();
    let (still, records): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| record["case"]["reader_stall_s"].is_number());
    assert_eq!(records.len(), 18, "three sizes, three rounds, up and down");
    assert_eq!(still.len(), 2, "the largest size, up and down");
    for record in &still {
        assert_valid(record);
        assert_eq!((&record["stall"]["ended"], &record["integrity"]["match"]), (&Value::Null, &true.into()));
        assert!(record["absorbed_bytes"].is_null() && record["stall"]["seconds"].as_f64() >= Some(2.0));
    }
    for record in &records {
        assert_valid(record);
        assert_eq!((&record["subject"], &record["integrity"]["match"]), (&"proxy".into(), &true.into()));
        assert!(record["absorbed_bytes"].as_u64().unwrap() < 72 << 20, "{record}");
        assert!(record["goodput_bytes_per_s"].is_null() && record["sender"].is_null(), "{record}");
    }
}

#[test]
fn a_proxy_without_a_bound_is_growing_and_absorbs_whole_bodies() {
    let Some((output, _)) = prove("memory", &SMALL, &["--direction", "up"]) else { return };
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{report}{}", text(&output.stderr));
    assert!(report.contains("peak RSS grows with the size of the body"), "{report}");
    assert!(absorbed(&output).iter().all(|line| line.contains("GROWING: up to 25")), "{report}");
}

#[test]
fn a_proxy_that_spools_to_disk_is_told_apart() {
    let Some((output, _)) = prove("disk", &SMALL, &["--direction", "down"]) else { return };
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}{}", text(&output.stderr));
    assert!(absorbed(&output).iter().all(|line| line.contains("SPOOLED: up to 25")), "{report}");
}

#[test]
fn a_proxy_without_a_process_is_judged_by_absorbed_bytes_alone() {
    let Some(peers) = peers() else { return };
    for (mode, expected) in [("chunks", 0), ("memory", 4)] {
        let [port, upstream] = [(); 2].map(|()| free_port().to_string());
        let mut relay = Command::new(peers.join("bin/python3"))
            .arg(script("relay.py"))
            .args([&port, &upstream, mode])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let (url, out) = (format!("http://127.0.0.1:{port}/"), Out::new());
        let folder = out.text();
        let mut flags = vec!["prove", "--proxy", &url, "--upstream", &upstream, "--quiet", "--out", &folder];
        flags.extend(if expected == 0 { LARGE } else { SMALL });
        flags.extend(["--direction", "up"]);
        let output = run(&flags);
        relay.kill().unwrap();
        relay.wait().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{}{}", text(&output.stdout), text(&output.stderr));
        assert!(absorbed(&output).len() == 1 && out.records()[0]["receiver"].is_null());
    }
}

#[test]
fn a_proxy_that_does_not_reach_its_upstream_is_a_failed_run() {
    let Some(peers) = peers() else { return };
    let ([upstream, other], out) = ([(); 2].map(|()| free_port().to_string()), Out::new());
    let (python, relay, folder) = (peers.join("bin/python3"), script("relay.py"), out.text());
    let mut flags = vec!["prove", "--proxy", "http://127.0.0.1:{port}", "--upstream", &upstream, "--quiet"];
    flags.extend(["--size", "1MiB", "--rounds", "1", "--direction", "up", "--out", &folder]);
    flags.extend(["--", python.to_str().unwrap(), relay.to_str().unwrap(), "{port}", &other, "chunks"]);
    let output = run(&flags);
    let report = text(&output.stdout);
    assert!(output.status.code() == Some(1) && report.contains("FAILED"), "{report}");
}
