//! Worker processes: their preparation ends before the clock starts, and they inherit only the variables that they
//! need.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use metrics::Stamp;
use payload::Payload;
use record::{ByteSize, Case, ChunkSize, Direction, PayloadKind};
use serde_json::{Value, json};

use crate::common::{Out, longhaul, records, run, text};

/// The size of a payload that takes tens of milliseconds to prepare, in bytes.
const LARGE: u64 = 64 << 20;

/// Kills and reaps a worker.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn a_worker_is_ready_only_once_it_holds_its_payload() {
    let mut case = Case::new("tcp");
    (case.direction, case.chunk) = (Direction::Down, ChunkSize::try_from(LARGE).unwrap());
    case.body = ByteSize(LARGE);
    let job = json!({
        "case": case, "role": "server", "path": "/x", "cores": [], "traces": false, "timeout_s": 60.0,
        "observes_framing": false,
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = Worker(command.spawn().unwrap());
    let mut orders = worker.0.stdin.take().unwrap();
    writeln!(orders, "{job}").unwrap();
    let mut events = BufReader::new(worker.0.stdout.take().unwrap()).lines();
    let listening: Value = serde_json::from_str(&events.next().unwrap().unwrap()).unwrap();
    let _client = TcpStream::connect(listening["listening"]["addr"].as_str().unwrap()).unwrap();
    assert_eq!(events.next().unwrap().unwrap(), "\"ready\"");
    let status = fs::read_to_string(format!("/proc/{}/status", worker.0.id())).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = rss.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib << 10 >= LARGE, "ready with {kib} KiB of RSS");
}

/// Returns the records of downloads over tcp and h1c in chunks of two sizes.
fn downloads(body: &str, rounds: &str) -> Vec<Value> {
    let out = Out::new().text();
    let shape =
        ["--direction", "down", "--size", body, "--chunk-size", "64KiB,64MiB", "--protocol", "tcp,h1c"];
    let quietly = ["bench", "--json", "--quiet", "--rounds", rounds, "--out", &out];
    let output = run(&[&quietly[..], &shape[..]].concat());
    let records = records(&text(&output.stdout));
    assert!(records.iter().all(|record| record["outcome"] == "ok"), "{}", text(&output.stderr));
    records
}

/// Returns the time that this machine takes to prepare the payload of a large chunk under its present load, in seconds.
fn preparation() -> f64 {
    let began = Stamp::now();
    drop(Payload::prepare(&PayloadKind::Random, 1, ChunkSize::try_from(LARGE).unwrap()));
    began.elapsed().as_secs_f64()
}

#[test]
fn the_first_byte_of_a_download_does_not_wait_for_a_large_chunk() {
    let records = downloads("1MiB", "5");
    let soonest = |protocol: &str, chunk: u64| {
        let same = records.iter().filter(|record| {
            record["case"]["protocol"] == protocol && record["case"]["chunk_bytes"] == chunk
        });
        same.map(|record| record["first_byte_s"].as_f64().unwrap()).fold(f64::INFINITY, f64::min)
    };
    let preparation = (0..3).map(|_| preparation()).fold(f64::INFINITY, f64::min);
    for protocol in ["tcp", "h1c"] {
        let (small, large) = (soonest(protocol, 64 << 10), soonest(protocol, LARGE));
        assert!(
            large < small + preparation / 2.0,
            "{protocol}: {small} s in small chunks, {large} s in a large one, whose payload takes {preparation} s"
        );
    }
}

#[test]
fn preparing_a_payload_counts_neither_as_work_nor_as_memory_before_the_body() {
    let block = LARGE as f64;
    for record in downloads("4MiB", "1").iter().filter(|record| record["case"]["chunk_bytes"] == LARGE) {
        let sender = &record["sender"];
        let faults = sender["faults"]["minor"].as_f64().unwrap();
        assert!(faults < block / 4096.0, "{faults} page faults: those of the payload are among them");
        let memory = &sender["memory"];
        let figure = |name: &str| memory[name].as_f64().unwrap();
        assert!(figure("baseline_rss_bytes") < block && figure("peak_rss_bytes") > block, "{memory}");
    }
}

#[test]
fn secrets_and_log_of_a_worker_go_where_the_session_was_told() {
    let (out, folder) = (Out::new(), tempfile::tempdir().unwrap());
    let keys = folder.path().join("keys");
    let shape = ["bench", "--json", "--quiet", "--protocol", "h2", "--size", "1MiB", "--chunk-size", "64KiB"];
    let mut command = longhaul(&[&shape[..], &["--rounds", "1", "--out", &out.text()]].concat());
    let output = command.env("SSLKEYLOGFILE", &keys).env("LONGHAUL_LOG", "debug").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(fs::read_to_string(keys).unwrap().contains("CLIENT_TRAFFIC_SECRET_0 "));
    assert!(text(&output.stderr).contains("h2::"), "{}", text(&output.stderr));
}
