//! Inputs and folders that are not as they should be.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::ZlibEncoder};
use jiff::{SignedDuration, Timestamp};
use record::{Record, Warning};
use tempfile::TempDir;

use super::{corrupted, files, histogram, host, merge, record, results, wait};
use crate::common::{assert_success, names, run, text};

/// A merge in a folder of its own, and what it must say.
struct Fault {
    temporary: TempDir,
}

impl Fault {
    fn new() -> Self {
        Self { temporary: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Checks code and message of a merge, and that it leaves nothing behind. Returns its sum if one is written.
    fn check(&self, inputs: &[&Path], flags: &[&str], code: i32, message: &str) -> Option<serde_json::Value> {
        let (out, before) = (self.path().join("new/out"), names(self.path()));
        let output = merge(inputs, &out, flags);
        let stderr = text(&output.stderr);
        assert!(output.status.code() == Some(code) && stderr.contains(message), "{code} {message}: {stderr}");
        let sum = out.exists().then(|| serde_json::from_str(&files(&out).1).unwrap());
        if sum.is_some() {
            assert_eq!(names(&self.path().join("new")), ["out"]);
            fs::remove_dir_all(self.path().join("new")).unwrap();
        }
        assert_eq!(names(self.path()).len(), before.len(), "{stderr}");
        sum
    }

    /// Checks that a merge writes nothing, beside code and message.
    fn refuses(&self, inputs: &[&Path], message: &str) {
        assert_eq!(self.check(inputs, &[], 2, message), None);
    }
}

#[test]
fn half_a_record_is_left_out_at_the_end_of_a_file_and_refused_elsewhere() {
    let fault = Fault::new();
    let line = record("torn", "2026-11-28T00:00:00Z").to_line().unwrap();
    let a = host(fault.path(), "a", "2026-11-28T00:00:00Z");
    let torn = results(fault.path(), "torn", &format!("{line}{}", &line[..99]));
    let half = results(fault.path(), "half", &format!("{}\n{line}", &line[..99]));
    let only = results(fault.path(), "only", &line[..99]);
    let sum = fault.check(&[&a, &torn], &["--expect", "2"], 0, "torn/records.jsonl:2: not a record").unwrap();
    assert_eq!(sum["records"], 2);
    fault.refuses(&[&a, &half], "half/records.jsonl:1: not a record");
    for message in ["only/records.jsonl:1: not a record", "only holds no records: its sender did not end"] {
        let sum = fault.check(&[&a, &only], &["--expect", "2"], 1, message).unwrap();
        assert_eq!(sum["records"], 1);
    }
    fault.refuses(&[&only], "no input holds a record");
    fault.refuses(&[&a, &fault.path().join("none")], "cannot read records");
    let empty = results(fault.path(), "empty", "");
    assert!(fault.check(&[&a, &empty], &[], 1, "empty holds no records: its sender did not end").is_some());
    fault.refuses(&[&empty], "no input holds a record");
}

#[test]
fn no_name_in_a_record_controls_the_terminal_and_the_records_stay_as_they_are() {
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name);
    let mut hostile = record("a\u{1b}]0;b\u{7}\nresults: c", "2026-11-28T00:00:00Z");
    hostile.run_id = "\u{1b}[31m".into();
    hostile.host.cpu = Some("\u{1b}[2J".into());
    hostile.build.version = "\u{9b}2J".into();
    hostile.warnings = vec![Warning::new("load", "\u{1b}[1m", "noise")];
    hostile.sender.as_mut().unwrap().pull_wait = Some(wait("no base64!".into()));
    let folder = results(temporary.path(), "hostile", &hostile.to_line().unwrap());
    let late = host(temporary.path(), "late", "2026-11-28T01:00:00Z");
    let merged = merge(&[&folder, &late], &at("all"), &[]);
    assert_eq!(merged.status.code(), Some(6), "{merged:?}");
    assert!(text(&merged.stdout).contains("2 on a\\u{1b}]0;b\\u{7}\\nresults: c, late\n"), "{merged:?}");
    assert!(text(&merged.stderr).contains("(run \\u{1b}[31m)"), "{merged:?}");
    let kept = Record::from_json(files(&at("all")).0.lines().next().unwrap().as_bytes()).unwrap();
    assert_eq!((&kept.host, &kept.run_id), (&hostile.host, &hostile.run_id), "a merge changes no record");
    assert_eq!((&kept.build, &kept.warnings), (&hostile.build, &hostile.warnings));
    let (folder, late) = (folder.to_str().unwrap(), late.to_str().unwrap());
    let compared = run(&["compare", folder, late]);
    let reported = run(&["report", folder, "-o", at("report").to_str().unwrap()]);
    let summary = fs::read_to_string(at("report").join("summary.md")).unwrap();
    for output in [merged, compared, reported] {
        let shown = text(&output.stdout) + &text(&output.stderr) + &summary;
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    }
}

#[test]
fn senders_that_did_not_run_together_are_named_with_the_time_between_them() {
    let fault = Fault::new();
    let [a, b] = ["a", "b"].map(|name| host(fault.path(), name, "2026-11-28T00:00:00Z"));
    let late = host(fault.path(), "late", "2026-11-28T01:00:00Z");
    let sum = fault.check(&[&late, &a, &b], &[], 6, "the senders did not all run at the same time").unwrap();
    assert!(sum["common"].is_null() && sum["intervals"].is_null());
    let named = "others started: late (run run of late) by 3590.0 s\n";
    fault.check(&[&late, &a, &b], &[], 6, named);
    let early = host(fault.path(), "early", "2026-11-27T23:59:00Z");
    let named = "started when others had ended: early (run run of early) by 50.0 s\n";
    fault.check(&[&early, &a, &b], &[], 6, named);
    fault.check(&[&a, &late], &["--expect", "3"], 1, "3 senders were expected, but 2 have records");
}

#[test]
fn a_clock_that_is_a_little_ahead_is_taken_and_one_of_an_hour_is_refused() {
    let fault = Fault::new();
    let ahead = |name: &str, seconds: i64| {
        let start = Timestamp::now() + SignedDuration::from_secs(seconds);
        host(fault.path(), name, &start.to_string())
    };
    assert!(fault.check(&[&ahead("a little", 20)], &[], 0, "").is_some());
    fault.refuses(
        &[&ahead("an hour", 3605)],
        " s in the future, and clocks may differ by 60 s; set the clock",
    );
    fault.refuses(&[&host(fault.path(), "no time", "noon")], "'noon' is not a time");
}

#[test]
fn content_that_differed_decides_the_exit_code() {
    let fault = Fault::new();
    let corrupted = results(fault.path(), "corrupted", &corrupted().to_line().unwrap());
    let sum = fault.check(&[&corrupted], &["--expect", "2"], 5, "1 of 1 runs failed").unwrap();
    assert_eq!(sum["corrupted"], 1);
}

#[test]
fn a_record_that_is_given_twice_counts_once() {
    let fault = Fault::new();
    let a = host(fault.path(), "a", "2026-11-28T00:00:00Z");
    let sum = fault.check(&[&a, &a, &a], &["--expect", "1"], 0, "count once: 2 left out").unwrap();
    assert_eq!((&sum["records"], &sum["senders"][0]["records"]), (&1.into(), &1.into()));
}

#[test]
fn hostile_histograms_are_left_out_with_one_line_for_each_reason() {
    let fault = Fault::new();
    let good = histogram().0;
    let folder = |name: &str, hdr: String| {
        let mut record = record(name, "2026-11-28T00:00:00Z");
        record.sender.as_mut().unwrap().pull_wait = Some(wait(hdr));
        results(fault.path(), name, &record.to_line().unwrap())
    };
    let bomb = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        std::io::copy(&mut std::io::repeat(0).take(300 << 20), &mut encoder).unwrap();
        let stream = encoder.finish().unwrap();
        [&0x1c84_9314_u32.to_be_bytes()[..], &(stream.len() as u32).to_be_bytes(), &stream].concat()
    };
    let inputs = [
        folder("good", good.clone()),
        folder("bomb", STANDARD.encode(bomb)),
        folder("cut", good[..good.len() / 8 * 4].to_owned()),
        folder("cut too", good[..good.len() / 16 * 4].to_owned()),
        folder("words", "no base64!".into()),
        folder("long", "A".repeat(1 << 20)),
    ];
    let paths: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    let sum = fault
        .check(&paths, &[], 0, "1 distributions are left out, first of bomb (run run of bomb): ")
        .unwrap();
    assert!(sum["pull_wait_hdr"].as_str().unwrap().len() > 1000);
    let left_out = sum["left_out"].as_array().unwrap();
    let of = |index: usize| {
        (left_out[index]["sender"].as_str().unwrap(), left_out[index]["distributions"].as_u64().unwrap())
    };
    assert_eq!(
        (0..left_out.len()).map(of).collect::<Vec<_>>(),
        [
            ("long (run run of long)", 1),
            ("words (run run of words)", 1),
            ("cut (run run of cut)", 2),
            ("bomb (run run of bomb)", 1),
        ]
    );
    let output = merge(&paths, &fault.path().join("again"), &[]);
    assert_eq!(text(&output.stderr).matches("left out").count(), left_out.len(), "{output:?}");
}

#[test]
fn a_folder_without_records_stands_for_the_folders_in_it() {
    let temporary = tempfile::tempdir().unwrap();
    let (fleet, at) = (temporary.path().join("fleet"), |name: &str| temporary.path().join(name));
    fs::create_dir(&fleet).unwrap();
    let a = host(&fleet, "a", "2026-11-28T00:00:00Z");
    let b = host(&fleet, "b", "2026-11-28T00:00:02Z");
    fs::create_dir(fleet.join("logs")).unwrap();
    results(&fleet, ".hidden", "no record");
    assert_success(&merge(&[&fleet], &at("all"), &["--expect", "2"]));
    assert_success(&merge(&[&a, &b], &at("each"), &[]));
    assert_eq!(files(&at("all")), files(&at("each")));
}

#[test]
fn results_are_never_replaced() {
    let temporary = tempfile::tempdir().unwrap();
    let a = host(temporary.path(), "a", "2026-11-28T00:00:00Z");
    let b = host(temporary.path(), "b", "2026-11-28T00:00:00Z");
    let inputs = |folder: &Path| (names(folder), fs::read_to_string(folder.join("records.jsonl")).unwrap());
    let before = inputs(&a);
    let output = merge(&[&b], &a, &[]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("exists already"), "{output:?}");
    assert_eq!(inputs(&a), before);
}
