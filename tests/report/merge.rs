//! `longhaul merge` through the real binary: any order and grouping of the inputs gives the same bytes.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::ZlibEncoder};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2DeflateSerializer},
};
use jiff::{SignedDuration, Timestamp};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use record::{Case, EndRecord, Fault as RunFault, FaultKind, Latency, Outcome, Record, TimelinePoint};
use tempfile::TempDir;

use crate::common::{assert_success, longhaul, names, records, run, text};

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
    record.error = Some(RunFault::new(FaultKind::Integrity, "the digests differ"));
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

fn wait(hdr: String) -> Latency {
    Latency { unit: "ns".into(), p50: 1, p99: 1, p999: 1, max: 1, hdr: Some(hdr) }
}

fn encoded(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).unwrap();
    STANDARD.encode(bytes)
}

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
    fault.refuses(&[&a, &only], "only/records.jsonl:1: not a record");
    fault.refuses(&[&a, &fault.path().join("none")], "cannot read records");
    let empty = results(fault.path(), "empty", "");
    assert!(fault.check(&[&a, &empty], &[], 1, "empty holds no records: its sender did not end").is_some());
    fault.refuses(&[&empty], "no input holds a record");
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

#[test]
fn of_two_merges_into_one_folder_at_once_one_succeeds() {
    let temporary = tempfile::tempdir().unwrap();
    let (a, out) = (host(temporary.path(), "a", "2026-11-28T00:00:00Z"), temporary.path().join("out"));
    let outputs = std::thread::scope(|scope| {
        let begin = || scope.spawn(|| merge(&[&a], &out, &[]));
        let merges = [begin(), begin()];
        merges.map(|merge| merge.join().unwrap())
    });
    let mut codes = outputs.each_ref().map(|output| output.status.code().unwrap());
    codes.sort_unstable();
    assert_eq!(codes, [0, 2], "{outputs:?}");
    let said = outputs.iter().map(|output| text(&output.stderr)).collect::<String>();
    assert!(said.contains("use another folder (--output)"), "{said}");
    assert_eq!(records(&files(&out).0).len(), 1);
    assert_eq!(names(temporary.path()).len(), 2);
}

/// Starts a merge that writes for a second or more, and returns it once its draft exists.
fn writing(input: &Path, out: &Path) -> Child {
    let mut command = longhaul(&["merge", input.to_str().unwrap(), "-o", out.to_str().unwrap()]);
    let mut merge = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let folder = out.parent().unwrap();
    while !names(folder).iter().any(|name| name.starts_with('.')) {
        assert!(merge.try_wait().unwrap().is_none(), "the merge ended before it was seen writing");
        std::thread::sleep(Duration::from_millis(2));
    }
    merge
}

fn send(merge: &Child, signal: Signal) {
    kill(Pid::from_raw(merge.id() as i32), signal).unwrap();
}

#[test]
fn a_merge_that_is_stopped_leaves_nothing_behind_and_a_killed_one_does_not_stop_the_next() {
    let temporary = tempfile::tempdir().unwrap();
    let (input, out) = (results(temporary.path(), "many", &many(3000)), temporary.path().join("out"));
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let merge = writing(&input, &out);
        send(&merge, signal);
        let output = merge.wait_with_output().unwrap();
        let stderr = text(&output.stderr);
        assert!(
            output.status.code() == Some(130) && stderr == "interrupted: nothing is written\n",
            "{output:?}"
        );
        assert_eq!(names(temporary.path()), ["many"]);
    }
    let mut killed = writing(&input, &out);
    let second = merge(&[&input], &out, &[]);
    assert!(
        second.status.code() == Some(2) && text(&second.stderr).contains("another merge is writing"),
        "{second:?}"
    );
    send(&killed, Signal::SIGKILL);
    killed.wait().unwrap();
    assert_eq!(names(temporary.path()).len(), 2, "the draft of the killed merge");
    assert_success(&merge(&[&input], &out, &[]));
    assert_eq!((names(temporary.path()).len(), records(&files(&out).0).len()), (2, 3000));
}

#[test]
fn a_merge_that_waits_for_its_input_ends_at_once() {
    let temporary = tempfile::tempdir().unwrap();
    let (fifo, out) = (temporary.path().join("records.jsonl"), temporary.path().join("out"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let arguments = ["merge", fifo.to_str().unwrap(), "-o", out.to_str().unwrap()];
    let mut merge = longhaul(&arguments).stderr(Stdio::null()).spawn().unwrap();
    // A writer can open the pipe once the merge reads it, so that the signal finds the merge at its input.
    let _writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    send(&merge, Signal::SIGTERM);
    assert_eq!(merge.wait().unwrap().code(), Some(130));
    assert_eq!(names(temporary.path()), ["records.jsonl"]);
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

/// Returns the peak of a process's resident memory in bytes. The ru_maxrss of a child would begin with that of this process.
fn peak_rss(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kib.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

/// The records have more than 10 MB of histograms in all.
#[test]
fn a_thousand_records_are_merged_in_constant_memory() {
    let temporary = tempfile::tempdir().unwrap();
    let (hdr, values) = histogram();
    assert!(hdr.len() > 10_000, "{}", hdr.len());
    let (input, out) = (results(temporary.path(), "many", &many(1000)), temporary.path().join("out"));
    let arguments = ["merge", input.to_str().unwrap(), "-o", out.to_str().unwrap(), "--expect", "1000"];
    let mut merge = longhaul(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_rss(merge.id()).unwrap_or(0));
        if let Some(status) = merge.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(status.success());
    let sum: serde_json::Value = serde_json::from_str(&files(&out).1).unwrap();
    assert_eq!(sum["left_out"].as_array().unwrap().len(), 0);
    let encoded = STANDARD.decode(sum["pull_wait_hdr"].as_str().unwrap()).unwrap();
    let sum: Histogram<u64> = Deserializer::new().deserialize(&mut encoded.as_slice()).unwrap();
    assert_eq!(sum.len(), 1000 * values);
    assert!((1 << 20..64 << 20).contains(&peak), "{peak}");
}
