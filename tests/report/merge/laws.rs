//! The sum of records does not depend on their order and grouping.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use hdrhistogram::Histogram;
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use record::{Outcome, TimelinePoint};

use super::{encoded, files, host, merge, record, results, wait};
use crate::common::{assert_success, records, run};

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
    assert_eq!(sum["intervals"]["bytes"].as_array().unwrap().len(), 8);
    for output in ["turned", "ab-c", "a-bc", "overlapping"] {
        assert_eq!(files(&at(output)), all, "{output}");
    }
    assert_success(&run(&["report", at("all").to_str().unwrap(), "-o", at("page").to_str().unwrap()]));
}

/// Random records of several senders, in random order and grouping, with repetitions.
#[test]
fn any_grouping_and_order_of_records_has_one_sum() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut below = move |most: u64| random.next_u64() % most;
    for _ in 0..6 {
        let temporary = tempfile::tempdir().unwrap();
        let at = |name: &str| temporary.path().join(name);
        let lines: Vec<String> = (0..6).map(|number| random_record(number, &mut below)).collect();
        let mut folders: Vec<PathBuf> = (0..9)
            .map(|number| {
                let line = lines.get(number).unwrap_or(&lines[below(6) as usize]);
                results(temporary.path(), &format!("one {number}"), line)
            })
            .collect();
        let codes = |output: &Output| assert!(matches!(output.status.code(), Some(0 | 1 | 6)), "{output:?}");
        let all: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        codes(&merge(&all, &at("all"), &[]));
        // Folders are merged in groups, until one is left.
        for step in 0.. {
            if folders.len() == 1 {
                break;
            }
            let mut group = Vec::new();
            for _ in 0..(2 + below(2)).min(folders.len() as u64) {
                group.push(folders.swap_remove(below(folders.len() as u64) as usize));
            }
            let output = at(&format!("step {step}"));
            let inputs: Vec<&Path> = group.iter().map(PathBuf::as_path).collect();
            codes(&merge(&inputs, &output, &[]));
            folders.push(output);
        }
        assert_eq!(files(&folders[0]), files(&at("all")));
        assert_eq!(records(&files(&folders[0]).0).len(), 6);
    }
}

/// Returns the line of a record with everything that a merge adds up.
fn random_record(number: u64, below: &mut impl FnMut(u64) -> u64) -> String {
    let mut record = record(&format!("host {}", below(3)), &format!("2026-11-28T00:00:0{}Z", below(4)));
    record.sequence = Some(number);
    record.elapsed_s = Some(1.0 + below(9000) as f64 / 1e3);
    let end = record.sender.as_mut().unwrap();
    end.bytes = 1000 + below(1000);
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
    (0..below(20)).for_each(|_| histogram.record(below(1_000_000) + 1).unwrap());
    end.pull_wait = Some(wait(encoded(&histogram)));
    end.memory.timeline = (0..below(5))
        .map(|step| TimelinePoint {
            seconds: step as f64,
            rss_bytes: 0,
            anon_bytes: 0,
            body_bytes: 200 * step,
        })
        .collect();
    if below(6) == 0 {
        record.outcome = Outcome::Error;
    }
    record.to_line().unwrap()
}
