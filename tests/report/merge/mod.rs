//! `longhaul merge` through the real binary: any order and grouping of the inputs gives the same bytes.

mod faults;
mod laws;
mod memory;
mod processes;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2DeflateSerializer},
};
use record::{Case, EndRecord, Fault, FaultKind, Latency, Outcome, Record};

use crate::common::run;

/// Returns a record of a run of ten seconds on a host.
fn record(host: &str, started_at: &str) -> Record {
    let mut record = Record::new(format!("run of {host}"), Case::new("h2"));
    record.host.name = Some(host.into());
    record.started_at = started_at.into();
    record.elapsed_s = Some(10.0);
    record.sender = Some(EndRecord::default());
    record
}

/// Returns a record of a run whose content was not the same at both ends.
fn corrupted() -> Record {
    let mut record = record("corrupted", "2026-11-28T00:00:00Z");
    record.outcome = Outcome::Error;
    record.error = Some(Fault::new(FaultKind::Integrity, "the digests differ"));
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

/// Returns a distribution of waits with this histogram.
fn wait(hdr: String) -> Latency {
    Latency { unit: "ns".into(), p50: 1, p99: 1, p999: 1, max: 1, hdr: Some(hdr) }
}

/// Returns a histogram in the form of a record.
fn encoded(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).unwrap();
    STANDARD.encode(bytes)
}

/// Returns an encoded histogram of more than 10 kB, and the number of its values.
fn histogram() -> (String, u64) {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
    // The values lie in buckets of 24 magnitudes, with counts that differ.
    for number in 1..=20_000_u64 {
        histogram.record_n((number * 7919 % 2048 + 1) << (number % 24), number % 251 + 1).unwrap();
    }
    (encoded(&histogram), histogram.len())
}

/// Returns the lines of records with these histograms, each of another host.
fn many(number: u32) -> String {
    let hdr = histogram().0;
    let line = |number: u32| {
        let mut record = record(&format!("host {number}"), "2026-11-28T00:00:00Z");
        record.sender.as_mut().unwrap().pull_wait = Some(wait(hdr.clone()));
        record.to_line().unwrap()
    };
    (0..number).map(line).collect()
}
