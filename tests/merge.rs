//! `longhaul merge` through the real binary: any order and grouping of the inputs gives the same bytes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{assert_success, names, records, run, text};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2DeflateSerializer},
};
use nix::sys::resource::{UsageWho, getrusage};
use record::{Case, EndRecord, Latency, Record};

/// Returns a record of a run of ten seconds on a host.
fn record(host: &str, started_at: &str) -> Record {
    let mut record = Record::new(format!("run of {host}"), Case::new("h2"));
    record.host.name = Some(host.into());
    record.started_at = started_at.into();
    record.elapsed_s = Some(10.0);
    record.sender = Some(EndRecord::default());
    record
}

/// Writes a folder of results with these lines.
fn results(parent: &Path, name: &str, lines: &str) -> PathBuf {
    let folder = parent.join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("records.jsonl"), lines).unwrap();
    folder
}

fn host(parent: &Path, name: &str, started_at: &str) -> PathBuf {
    results(parent, name, &record(name, started_at).to_line().unwrap())
}

fn merge(inputs: &[&Path], output: &Path, flags: &[&str]) -> Output {
    let inputs: Vec<_> = inputs.iter().map(|input| input.to_str().unwrap()).collect();
    run(&[&["merge", "-o", output.to_str().unwrap()], &inputs[..], flags].concat())
}

/// Returns the files of a merged folder.
fn files(folder: &Path) -> (String, String) {
    let file = |name| fs::read_to_string(folder.join(name)).unwrap();
    (file("records.jsonl"), file("merged.json"))
}

#[test]
fn a_merge_of_merges_is_the_merge_of_all_in_any_order() {
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name);
    let a = host(temporary.path(), "a", "2026-11-28T00:00:00Z");
    let b = host(temporary.path(), "b", "2026-11-28T00:00:02Z");
    let c = host(temporary.path(), "c", "2026-11-28T00:00:01Z");
    for (inputs, output) in [
        (vec![&a, &b, &c], "all"),
        (vec![&c, &a, &b], "turned"),
        (vec![&a, &b], "ab"),
        (vec![&b, &c], "bc"),
        (vec![&at("ab"), &c], "ab-c"),
        (vec![&a, &at("bc")], "a-bc"),
        (vec![&at("ab"), &at("bc"), &c], "overlapping"),
    ] {
        let inputs: Vec<&Path> = inputs.iter().map(|input| input.as_path()).collect();
        assert_success(&merge(&inputs, &at(output), &[]));
    }
    let all = files(&at("all"));
    assert_eq!(records(&all.0).len(), 3);
    let sum: serde_json::Value = serde_json::from_str(&all.1).unwrap();
    assert_eq!((&sum["records"], sum["senders"].as_array().unwrap().len()), (&3.into(), 3));
    let common = &sum["common"];
    assert_eq!(common["end_us"].as_i64().unwrap() - common["start_us"].as_i64().unwrap(), 8_000_000);
    for output in ["turned", "ab-c", "a-bc", "overlapping"] {
        assert_eq!(files(&at(output)), all, "{output}");
    }
    assert_success(&run(&["report", at("all").to_str().unwrap(), "-o", at("page").to_str().unwrap()]));
}

#[test]
fn faults_have_a_message_and_a_code_and_leave_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name);
    let line = record("torn", "2026-11-28T00:00:00Z").to_line().unwrap();
    let a = host(temporary.path(), "a", "2026-11-28T00:00:00Z");
    let late = host(temporary.path(), "late", "2026-11-28T01:00:00Z");
    let future = host(temporary.path(), "future", "2999-01-01T00:00:00Z");
    let torn = results(temporary.path(), "torn", &format!("{line}{}", &line[..99]));
    let half = results(temporary.path(), "half", &format!("{}\n{line}", &line[..99]));
    let check = |inputs: &[&Path], flags: &[&str], code: i32, message: &str| {
        let output = merge(inputs, &at("out"), flags);
        let stderr = text(&output.stderr);
        assert!(output.status.code() == Some(code) && stderr.contains(message), "{code} {message}: {stderr}");
        assert!(!names(temporary.path()).iter().any(|name| name.starts_with('.')), "{stderr}");
        let is_written = at("out").exists();
        if is_written {
            fs::remove_dir_all(at("out")).unwrap();
        }
        is_written
    };
    assert!(check(&[&a, &torn], &["--expect", "3"], 1, "3 senders were expected, but 2 have records"));
    assert!(check(&[&a, &torn], &["--expect", "2"], 0, "the last line is torn"));
    assert!(check(&[&a, &late], &[], 6, "3600.0 s apart, or their clocks differ"));
    assert!(!check(&[&a, &future], &[], 2, "which is in the future"));
    assert!(!check(&[&a, &half], &[], 2, "records.jsonl:1: not a record"));
    assert!(!check(&[&a, &at("none")], &[], 2, "cannot read records"));
    let before = files_of_inputs(&a);
    let output = merge(&[&late], &a, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(files_of_inputs(&a), before);
}

fn files_of_inputs(folder: &Path) -> (Vec<String>, String) {
    (names(folder), fs::read_to_string(folder.join("records.jsonl")).unwrap())
}

#[test]
fn of_two_merges_into_one_folder_at_once_one_succeeds() {
    let temporary = tempfile::tempdir().unwrap();
    let (a, out) = (host(temporary.path(), "a", "2026-11-28T00:00:00Z"), temporary.path().join("out"));
    let codes = std::thread::scope(|scope| {
        let begin = || scope.spawn(|| merge(&[&a], &out, &[]).status.code().unwrap());
        let (first, second) = (begin(), begin());
        let mut codes = [first.join().unwrap(), second.join().unwrap()];
        codes.sort_unstable();
        codes
    });
    assert_eq!(codes, [0, 2]);
    assert_eq!(records(&files(&out).0).len(), 1);
    assert_eq!(names(temporary.path()).len(), 2);
}

/// Returns an encoded histogram of more than 10 kB, and the number of its values.
fn histogram() -> (String, u64) {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
    // The values lie in buckets of 24 magnitudes, with counts that differ.
    for number in 1..=20_000_u64 {
        histogram.record_n((number * 7919 % 2048 + 1) << (number % 24), number % 251 + 1).unwrap();
    }
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).unwrap();
    (STANDARD.encode(bytes), histogram.len())
}

/// The records have more than 10 MB of histograms in all.
#[test]
fn a_thousand_records_are_merged_in_constant_memory() {
    let temporary = tempfile::tempdir().unwrap();
    let (hdr, values) = histogram();
    assert!(hdr.len() > 10_000, "{}", hdr.len());
    let line = |number: u32| {
        let mut record = record(&format!("host {number}"), "2026-11-28T00:00:00Z");
        let wait = Latency { unit: "ns".into(), p50: 1, p99: 1, p999: 1, max: 1, hdr: Some(hdr.clone()) };
        record.sender.as_mut().unwrap().pull_wait = Some(wait);
        record.to_line().unwrap()
    };
    let lines: String = (0..1000).map(line).collect();
    let (input, out) = (results(temporary.path(), "many", &lines), temporary.path().join("out"));
    let output = merge(&[&input], &out, &["--expect", "1000"]);
    assert_success(&output);
    let sum: serde_json::Value = serde_json::from_str(&files(&out).1).unwrap();
    assert_eq!(sum["distributions_left_out"], 0);
    let encoded = STANDARD.decode(sum["pull_wait_hdr"].as_str().unwrap()).unwrap();
    let sum: Histogram<u64> = Deserializer::new().deserialize(&mut encoded.as_slice()).unwrap();
    assert_eq!(sum.len(), 1000 * values);
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() << 10;
    assert!(peak < 64 << 20, "{peak}");
}
