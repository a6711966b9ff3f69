//! Two sets of records compared by the real binary.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;

use crate::common::{self, Out, bench, run};

const MIB: f64 = (1 << 20) as f64;

/// Returns fourteen rounds of uploads with a rate limit, so that a busy machine does not decide the test.
fn runs(rate: &str) -> Vec<Value> {
    let mib = rate.strip_suffix("MiB").unwrap();
    let out = Out::new();
    let folder = out.text();
    let args = ["bench", "--quiet", "--rounds", "14", "--limit-rate", rate, "--out", &folder];
    let case = ["--protocol", "h1c,h2c", "--size", "4MiB", "--chunk-size", "64KiB", "--sink", "discard"];
    let output = run(&[&args[..], &case].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut records = out.records();
    for record in &mut records {
        // A rate limit makes the case another one. Without the limit in its name, all runs belong to one case.
        let name = record["case"]["name"].as_str().unwrap().replace(&format!("+limit={rate}"), "");
        record["case"]["name"] = name.into();
        // All runs get goodputs near their rate, so that a busy machine does not decide the test.
        let round = record["round"].as_f64().unwrap();
        record["goodput_bytes_per_s"] =
            (mib.parse::<f64>().unwrap() * MIB * (1.0 + 0.001 * (round % 5.0))).into();
        record["core_round_trip"] = Value::Null;
    }
    records
}

fn write(folder: &Path, name: &str, records: &[&Value]) -> PathBuf {
    let path = folder.join(name);
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    fs::write(&path, lines).unwrap();
    path
}

fn compare(base: &Path, candidate: &Path, args: &[&str]) -> (Output, String) {
    let mut all = vec!["compare", base.to_str().unwrap(), candidate.to_str().unwrap()];
    all.extend(args);
    let output = run(&all);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

#[test]
fn a_sender_slowed_by_a_tenth_is_worse_and_a_run_split_in_two_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (fast, slow) = (runs("18MiB"), runs("16MiB"));
    let parity = |records: &[Value], odd: u64, name: &str| {
        let half: Vec<&Value> = records.iter().filter(|r| r["round"].as_u64().unwrap() % 2 == odd).collect();
        write(folder.path(), name, &half)
    };
    let (base, same) = (parity(&fast, 0, "base.jsonl"), parity(&fast, 1, "same.jsonl"));
    let candidate = parity(&slow, 0, "slow.jsonl");
    let threshold = ["--threshold", "goodput=5%,rss=50%,cpu=500%"];
    let speed = [&threshold[..], &["--fail-on", "worse", "--inconclusive", "pass"]].concat();

    let (output, text) = compare(&base, &same, &speed);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("(7 runs, 7 now, in turns)") && text.contains("smallest change found"), "{text}");
    let (output, text) = compare(&base, &candidate, &speed);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("NOT IN TURNS  2 of 2 cases: the ratios include the drift"), "{text}");
    let slower = text.lines().filter(|line| line.contains("goodput") && line.ends_with("WORSE"));
    assert_eq!(slower.count(), 2, "{text}");
    let (_, text) = compare(&base, &candidate, &["--threshold", "goodput=5%,rss=50%,cpu=500%", "--markdown"]);
    assert!(text.starts_with("# longhaul compare\n\n▲ **2 figures are worse.**\n"), "{text}");
    let worse = text.split("\n## Worse: 2\n").nth(1).unwrap().split("\n##").next().unwrap();
    assert_eq!(worse.matches("| goodput MiB/s | −1").count(), 2, "{text}");
    let (output, text) = compare(&candidate, &base, &speed);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("better"), "{text}");
    let (output, _) =
        compare(&base, &candidate, &["--threshold", "goodput=50%,rss=50%,cpu=500%", "--fail-on", "worse"]);
    assert_eq!(output.status.code(), Some(0));

    let mut elsewhere = slow;
    elsewhere.iter_mut().for_each(|record| record["host"]["name"] = "elsewhere".into());
    let elsewhere = write(folder.path(), "elsewhere.jsonl", &elsewhere.iter().collect::<Vec<_>>());
    let gate = [&threshold[..], &["--fail-on", "worse"]].concat();
    let (output, text) = compare(&base, &elsewhere, &gate);
    assert_eq!(output.status.code(), Some(6), "{text}");
    assert!(text.contains("OTHER MACHINE  speeds are not compared\n") && !text.contains("WORSE"), "{text}");
    let (output, _) = compare(&base, &elsewhere, &speed);
    assert_eq!(output.status.code(), Some(0), "inconclusive passes");
    let (output, text) = compare(&base, &elsewhere, &[&gate[..], &["--across-machines"]].concat());
    assert_eq!(output.status.code(), Some(3), "{text}");
}

#[test]
fn missing_new_and_different_cases_are_reported_and_damage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--size", "1MiB", "--chunk-size", "64KiB", "--protocol"];
    let (_, base) = bench(&[&args[..], &["h1c,h2c"]].concat());
    let (_, mut candidate) = bench(&[&args[..], &["h2c,tcp"]].concat());
    candidate.iter_mut().for_each(|record| record["host"]["kernel"] = "9.9".into());
    let base = write(folder.path(), "base.jsonl", &base.iter().collect::<Vec<_>>());
    let candidate = write(folder.path(), "candidate.jsonl", &candidate.iter().collect::<Vec<_>>());

    let (output, text) = compare(&base, &candidate, &[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("MISSING  h1c/up/64KiB/1MiB") && text.contains("NEW  tcp/up/64KiB/1MiB"), "{text}");
    assert!(text.contains("DIFFERENT  machine kernel: ") && text.contains("9.9 in the candidate"), "{text}");
    let page = folder.path().join("comparison");
    let (output, _) = compare(&base, &candidate, &["-o", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", common::text(&output.stderr));
    let page = fs::read_to_string(page.join("compare.html")).unwrap();
    assert!(page.contains("1 case only in the base") && page.contains("machine kernel"), "{page}");
    let (output, text) = compare(&base, &candidate, &["--fail-on", "worse"]);
    assert_eq!(output.status.code(), Some(6), "one round decides nothing: {text}");

    let whole = fs::read_to_string(&candidate).unwrap();
    fs::write(&candidate, format!("{whole}{{\"schema_version\": 1, \n")).unwrap();
    let (output, text) = compare(&base, &candidate, &[]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains("candidate.jsonl:3: not a record") && text.contains("h2c/up/64KiB/1MiB"),
        "{message}{text}"
    );
}
