//! Two sets of records compared by the real binary.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;

use crate::common::{self, Out, bench, run, server::Server};

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

/// Returns six rounds of uploads to a server and downloads from it, each with a goodput near `mib` MiB/s.
fn transfers(server: &Server, mib: f64) -> Vec<Value> {
    let (upload, download) =
        (format!("http://{}/", server.cleartext()), format!("http://{}/?size=1MiB", server.cleartext()));
    let mut records = Vec::new();
    for (round, command) in (0..6).flat_map(|round| ["send", "fetch"].map(|command| (round, command))) {
        let args: &[&str] = if command == "send" { &[&upload, "--size", "1MiB"] } else { &[&download] };
        let output = run(&[&[command, "--json", "--quiet"], args].concat());
        common::assert_success(&output);
        let mut record: Value = serde_json::from_slice(&output.stdout).unwrap();
        record["goodput_bytes_per_s"] = (mib * MIB * (1.0 + 0.001 * f64::from(round))).into();
        records.push(record);
    }
    records
}

#[test]
fn uploads_and_downloads_of_two_servers_are_compared_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let servers = [Server::start(&[]), Server::start(&[])];
    let files: Vec<PathBuf> = [(&servers[0], 100.0, "base.jsonl"), (&servers[1], 50.0, "candidate.jsonl")]
        .into_iter()
        .map(|(server, mib, name)| {
            write(folder.path(), name, &transfers(server, mib).iter().collect::<Vec<_>>())
        })
        .collect();
    let gate = ["--threshold", "goodput=5%,rss=90%,cpu=900%", "--fail-on", "worse", "--inconclusive", "pass"];
    let (output, text) = compare(&files[0], &files[1], &gate);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("h1c/up/64KiB/1MiB / (6 runs") && text.contains(" /?size=1MiB (6 runs"), "{text}");
    let slower = text.lines().filter(|line| line.contains("goodput") && line.ends_with("WORSE"));
    assert_eq!(slower.count(), 2, "{text}");

    // The records have no figures of the server, and no ceiling asks for them.
    let ceilings = folder.path().join("ceilings.toml");
    for (protocol, code) in [("*", 0), ("h3", 6)] {
        let ceiling = format!("[[ceiling]]\nprotocol = \"{protocol}\"\npeak_rss = \"1GiB\"\nbudget = true\n");
        fs::write(&ceilings, ceiling).unwrap();
        let [records, ceilings] = [&files[0], &ceilings].map(|path| path.to_str().unwrap());
        let output = run(&["check", records, "--ceilings", ceilings]);
        assert_eq!(output.status.code(), Some(code), "{}", common::text(&output.stdout));
    }
}

#[test]
fn a_case_that_cannot_be_judged_does_not_pass_beside_another() {
    let folder = tempfile::tempdir().unwrap();
    let all = runs("18MiB");
    let parity = |odd: u64| all.iter().filter(move |r| r["round"].as_u64().unwrap() % 2 == odd).cloned();
    let fails = |records: Vec<Value>, which: fn(u64) -> bool| -> Vec<Value> {
        let is_of = |record: &Value| record["case"]["protocol"] == "h2c";
        let fail = |mut record: Value| {
            if is_of(&record) && which(record["round"].as_u64().unwrap() / 2) {
                (record["outcome"], record["goodput_bytes_per_s"]) = ("error".into(), Value::Null);
                record["error"] =
                    serde_json::json!({ "kind": "timeout", "message": "late", "end": "sender" });
            }
            record
        };
        records.into_iter().map(fail).collect()
    };
    // Of h2c, only the first run of the base fails, and all runs of the candidate but the first.
    let base = fails(parity(0).collect(), |round| round == 0);
    let candidate = fails(parity(1).collect(), |round| round > 0);
    let [base, candidate] = [(&base, "base.jsonl"), (&candidate, "candidate.jsonl")]
        .map(|(records, name)| write(folder.path(), name, &records.iter().collect::<Vec<_>>()));
    let gate = ["--threshold", "goodput=5%,rss=50%,cpu=500%", "--fail-on", "worse"];
    let (output, text) = compare(&base, &candidate, &gate);
    assert_eq!(output.status.code(), Some(6), "{text}");
    assert!(text.contains("found or ruled out in 1 of 2 goodputs"), "{text}");
    let pass = [&gate[..], &["--inconclusive", "pass"]].concat();
    assert_eq!(compare(&base, &candidate, &pass).0.status.code(), Some(0));
    let (output, text) = compare(&base, &renamed(folder.path(), &candidate), &pass);
    assert_eq!(output.status.code(), Some(6), "no common case: {text}");
}

/// Returns a copy of a file of records with other protocols.
fn renamed(folder: &Path, records: &Path) -> PathBuf {
    let path = folder.join("renamed.jsonl");
    let text = fs::read_to_string(records).unwrap();
    fs::write(&path, text.replace("h1c", "x1").replace("h2c", "x2")).unwrap();
    path
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
