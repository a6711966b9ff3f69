//! The live heap of both ends of a run, over body offsets, and the memory of saved bodies.

use serde_json::Value;

use crate::common::bench;

/// The size of the bodies, in bytes.
const BODY: u64 = 64 << 20;

/// Returns the points of an end's heap from a quarter of the body on: offset, bytes, allocations.
fn settled(record: &Value, end: &str) -> Vec<(u64, u64, u64)> {
    let points = record[end]["memory"]["heap_timeline"].as_array().unwrap();
    let number = |point: &Value, i: usize| point[i].as_u64().unwrap();
    let points = points.iter().map(|point| (number(point, 0), number(point, 1), number(point, 2)));
    points.filter(|point| point.0 >= BODY / 4).collect()
}

#[test]
fn the_heap_of_a_streaming_end_is_known_at_powers_of_two_and_does_not_grow() {
    let (_, records) = bench(&["--protocol", "h1c,h2", "--chunk-size", "64KiB", "--size", "64MiB"]);
    for record in &records {
        for end in ["sender", "receiver"] {
            let name = &record["case"]["name"];
            let memory = &record[end]["memory"];
            let points = memory["heap_timeline"].as_array().unwrap();
            for power in (16..=26).map(|k| 1_u64 << k) {
                let is_near =
                    |point: &Value| (power..power + (64 << 10)).contains(&point[0].as_u64().unwrap());
                assert!(points.iter().any(is_near), "{name} {end}: no point at {power}");
            }
            let settled = settled(record, end);
            let bytes = || settled.iter().map(|point| point.1);
            assert!(bytes().max().unwrap() - bytes().min().unwrap() < 1 << 20, "{name} {end}: {settled:?}");
            assert!(memory["heap_bytes"].as_u64().unwrap() >= bytes().max().unwrap());
            assert!(memory["page_table_bytes"]["peak"].as_u64().unwrap() > 0);
            assert!(memory["swap_bytes"]["baseline"].is_u64());
            assert!(record[end]["descriptors"]["end"].as_u64().unwrap() > 2);
            assert!(record[end]["threads"]["peak"].as_u64().unwrap() >= 1);
        }
    }
}

#[test]
fn the_heap_of_an_end_that_collects_the_body_grows_by_the_body() {
    let shape = ["--protocol", "h1c", "--chunk-size", "64KiB", "--size", "64MiB"];
    let (_, records) = bench(&[&shape[..], &["--sink", "collect"]].concat());
    let points = settled(&records[0], "receiver");
    let ((from, least, few), (to, most, many)) = (points[0], *points.last().unwrap());
    let grown = (most - least) as f64 / (to - from) as f64;
    // The list of pieces grows by doubling. At either point, one piece may still be in flight.
    assert!((0.99..1.05).contains(&grown) && many > few, "{grown} bytes for each byte of body: {points:?}");
}

#[test]
fn the_saved_bodies_of_a_receiver_share_one_bound_on_memory() {
    let folder = tempfile::tempdir().unwrap();
    let sink = format!("save:{}", folder.path().display());
    let shape = ["--protocol", "h1c", "--chunk-size", "64KiB", "--size", "8MiB", "--connections", "64"];
    let (_, records) = bench(&[&shape[..], &["--sink", &sink]].concat());
    let memory = &records[0]["receiver"]["memory"];
    assert_eq!(memory["within_budget"], true, "{memory}");
}
