//! `longhaul reproduce`, which repeats the runs of records, and answers each of their claims.

use serde_json::Value;

use crate::common::{Out, assert_success, run, text};

/// Returns the records of a bench of `tcp` and `h2c`: six rounds of a body with a rate limit. Each run
/// takes 1.6 seconds, so that half a second on a busy machine leaves the margin of the claims alone.
fn committed(out: &Out) -> Vec<Value> {
    let folder = out.text();
    let case = ["--protocol", "tcp,h2c", "--chunk-size", "64KiB", "--size", "8MiB", "--limit-rate", "5MiB"];
    let output = run(&[&["bench", "--quiet", "--out", &folder], &case[..]].concat());
    assert_success(&output);
    out.records()
}

fn answer(shown: &str, claim: &str) -> String {
    let line =
        shown.lines().find(|line| line.contains(claim)).unwrap_or_else(|| panic!("no {claim}: {shown}"));
    line.trim_end().rsplit("  ").next().unwrap().trim().to_owned()
}

#[test]
fn a_run_is_reproduced_and_an_invented_claim_is_not() {
    let (there, here) = (Out::new(), Out::new());
    let mut records = committed(&there);
    let (from, to) = (there.text(), here.text());
    let output = run(&["reproduce", &from, "--within", "90%", "--quiet", "--out", &to]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}{}", text(&output.stderr));
    assert_eq!(here.records().len(), 12, "as many runs as there");
    assert_eq!(answer(&shown, "goodput of tcp"), "agrees");
    assert!(shown.contains("5 claims: 5 agree, 0 disagree, 0 cannot be told"), "{shown}");

    // The records then claim a thousandth of the ratio, and a sender over its budget.
    for record in records.iter_mut().filter(|record| record["case"]["protocol"] == "h2c") {
        let goodput = record["goodput_bytes_per_s"].as_f64().unwrap();
        record["goodput_bytes_per_s"] = (goodput / 1000.0).into();
        record["sender"]["memory"]["within_budget"] = false.into();
    }
    let invented: String = records.iter().map(|record| format!("{record}\n")).collect();
    std::fs::write(there.path().join("records.jsonl"), invented).unwrap();
    let again = Out::new();
    let output = run(&["reproduce", &from, "--within", "90%", "--quiet", "--out", &again.text()]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{shown}");
    assert_eq!(answer(&shown, "goodput of tcp"), "DISAGREES");
    assert!(shown.contains("3 agree, 2 disagree"), "{shown}");
}

#[test]
fn too_few_rounds_for_an_interval_tell_nothing() {
    let (there, here) = (Out::new(), Out::new());
    committed(&there);
    let output = run(&["reproduce", &there.text(), "--rounds", "2", "--quiet", "--out", &here.text()]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(6), "{shown}");
    assert_eq!(answer(&shown, "goodput of tcp"), "cannot tell");
}

#[test]
fn a_folder_without_records_names_those_below_it() {
    let there = Out::new();
    std::fs::create_dir_all(there.path().join("default")).unwrap();
    std::fs::write(there.path().join("default").join("records.jsonl"), "").unwrap();
    let output = run(&["reproduce", &there.text()]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(&format!("there are {}/default", there.text())), "{told}");
}
