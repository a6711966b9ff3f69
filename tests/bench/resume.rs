//! `bench --resume`: an interrupted session that continues as if nothing had ended it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::common::{self, assert_success, longhaul, run, text, wait};

/// A session of nine runs, whose label has spaces.
const SESSION: [&str; 13] = [
    "--protocol",
    "tcp,h1c,h2c",
    "--size",
    "1KiB",
    "--chunk-size",
    "1KiB",
    "--rounds",
    "3",
    "--label",
    "a 'b' c",
    "--affinity",
    "off",
    "--quiet",
];

struct Session {
    temporary: tempfile::TempDir,
}

impl Session {
    /// Makes a whole session.
    fn whole() -> Self {
        let session = Self { temporary: tempfile::tempdir().unwrap() };
        assert_success(&run(&[&["bench"], &SESSION[..], &["--out", &session.folder()]].concat()));
        session
    }

    fn folder(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    fn path(&self) -> PathBuf {
        self.temporary.path().join("the results")
    }

    fn file(&self) -> PathBuf {
        self.path().join("records.jsonl")
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.file()).unwrap().lines().map(str::to_owned).collect()
    }

    /// Leaves the first records only, and a text after them.
    fn cut(&self, records: usize, torn: &str) {
        let lines: String = self.lines().iter().take(records).map(|line| format!("{line}\n")).collect();
        fs::write(self.file(), lines + torn).unwrap();
        for report in ["summary.md", "report.html"] {
            let _ = fs::remove_file(self.path().join(report));
        }
    }

    fn resume(&self, flags: &[&str]) -> Output {
        run(&[&["bench", "--resume", &self.folder()], flags].concat())
    }

    fn records(&self) -> Vec<Value> {
        common::records(&fs::read_to_string(self.file()).unwrap())
    }
}

/// Returns the case and the round of each record, in their order.
fn runs(records: &[Value]) -> Vec<(String, u64)> {
    let run = |record: &Value| {
        (record["case"]["name"].as_str().unwrap().to_owned(), record["round"].as_u64().unwrap())
    };
    records.iter().map(run).collect()
}

#[test]
fn a_session_that_was_cut_short_makes_the_same_runs_in_the_same_order() {
    let session = Session::whole();
    for (kept, torn) in [(1, ""), (4, &session.lines()[4][..700]), (8, "{")] {
        let whole = session.records();
        assert_eq!(whole.len(), 9);
        session.cut(kept, torn);
        let output = session.resume(&["--quiet"]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(stderr.contains(&format!("holds {kept} of 9 runs")), "{stderr}");
        assert_eq!(stderr.contains("is torn and cut off"), !torn.is_empty(), "{stderr}");
        let records = session.records();
        assert_eq!(runs(&records), runs(&whole));
        for shared in ["run_id", "schedule", "command", "planned_runs", "label"] {
            assert!(records.iter().all(|record| record[shared] == whole[0][shared]), "{shared}");
        }
        assert!(records[..kept] == whole[..kept], "recorded runs are kept");
        assert!(records[kept..].iter().all(|record| !whole.contains(record)), "the others are new");
        let summary = fs::read_to_string(session.path().join("summary.md")).unwrap();
        assert!(!summary.contains("nterrupted") && summary.contains("Every run ended well"), "{summary}");
        assert!(session.path().join("report.html").exists());
    }
}

#[test]
fn a_complete_session_says_so_and_makes_no_run() {
    let session = Session::whole();
    let before = session.lines();
    let output = session.resume(&[]);
    assert_success(&output);
    assert!(
        text(&output.stderr).contains("complete: all its 9 runs are recorded"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(session.lines(), before);
}

#[test]
fn more_rounds_for_a_precision_follow_from_the_recorded_ones() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("out");
    let folder = out.to_str().unwrap();
    let args = ["--protocol", "tcp", "--size", "1KiB", "--chunk-size", "1KiB", "--rounds", "6", "--quiet"];
    let more = ["--precision", "5%", "--max-time", "1s", "--out", folder];
    assert_success(&run(&[&["bench"], &args[..], &more].concat()));
    let file = out.join("records.jsonl");
    let before = fs::read_to_string(&file).unwrap().lines().count();
    let output = run(&["bench", "--resume", folder, "--quiet"]);
    assert_success(&output);
    let records = common::records(&fs::read_to_string(&file).unwrap());
    let rounds: Vec<u64> = records.iter().map(|record| record["round"].as_u64().unwrap()).collect();
    assert_eq!(rounds, (0..records.len() as u64).collect::<Vec<_>>(), "no round twice, none left out");
    assert!(before >= 6 && records.len() >= before);
}

#[test]
fn an_interrupted_session_names_the_command_that_continues_it() {
    let session = Session { temporary: tempfile::tempdir().unwrap() };
    let (file, folder) = (session.file(), session.folder());
    let args = [
        "bench",
        "--quiet",
        "--protocol",
        "tcp",
        "--rounds",
        "2",
        "--chunk-size",
        "64KiB",
        "--order",
        "fixed",
    ];
    let slow = ["--size", "2MiB", "--limit-rate", "1MiB", "--sink", "discard", "--out", &folder];
    let mut bench = longhaul(&[&args[..], &slow].concat());
    let bench = bench.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait(|| fs::read_to_string(&file).unwrap_or_default().lines().count() == 1);
    // A second writer is refused as long as the first one runs.
    let second = session.resume(&[]);
    assert_eq!(second.status.code(), Some(2));
    assert!(
        text(&second.stderr).contains("another longhaul is writing these results"),
        "{}",
        text(&second.stderr)
    );
    kill(Pid::from_raw(bench.id() as i32), Signal::SIGINT).unwrap();
    let output = bench.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let command = format!("continue with: longhaul bench --resume '{folder}'\n");
    assert!(text(&output.stderr).ends_with(&command), "{}", text(&output.stderr));
    assert_success(&session.resume(&["--quiet"]));
    assert_eq!(runs(&session.records()).iter().map(|(_, round)| *round).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn flags_that_differ_from_the_session_are_named() {
    let session = Session::whole();
    session.cut(8, "");
    for (flags, named) in [
        (&["--rounds", "4"][..], "--rounds 4: the session has 3"),
        (&["--protocol", "h3"], "--protocol h3: the session has tcp,h1c,h2c"),
        (&["--order", "fixed"], "--order fixed: the session has shuffled"),
        (&["--precision", "1%"], "--precision 1%: the session does not have the flag"),
        (&["--h2-window", "1MiB"], "--h2-window 1MiB: the session does not have the flag"),
        (&["--out", "x"], "cannot be used with"),
        (&["--list"], "cannot be used with"),
    ] {
        let output = session.resume(flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(text(&output.stderr).contains(named), "{flags:?}: {}", text(&output.stderr));
        assert_eq!(session.lines().len(), 8);
    }
    let same = session.resume(&["--rounds", "3", "--label", "a 'b' c", "--json", "--title", "some", "--csv"]);
    assert_success(&same);
    assert_eq!(common::records(&text(&same.stdout)).len(), 1, "only what is new goes to stdout");
    assert!(session.path().join("cases.csv").exists());
    assert!(fs::read_to_string(session.path().join("summary.md")).unwrap().contains("# some"));
}

/// Changes each record of a session.
fn edit(session: &Session, edit: impl Fn(&mut Value)) {
    let lines = session.records().into_iter().map(|mut record| {
        edit(&mut record);
        format!("{record}\n")
    });
    fs::write(session.file(), lines.collect::<String>()).unwrap();
}

#[test]
fn records_that_are_no_session_of_this_machine_and_build_are_refused() {
    let session = Session::whole();
    session.cut(3, "");
    let whole = fs::read_to_string(session.file()).unwrap();
    let set = |pointer: &'static str, value: &'static str| {
        move |record: &mut Value| *record.pointer_mut(pointer).unwrap() = value.into()
    };
    let refused = |part: &str| {
        let before = fs::read(session.file()).unwrap();
        let output = session.resume(&[]);
        assert_eq!(output.status.code(), Some(2), "{part}");
        assert!(text(&output.stderr).contains(part), "{part}: {}", text(&output.stderr));
        assert_eq!(fs::read(session.file()).unwrap(), before, "{part}");
        fs::write(session.file(), &whole).unwrap();
    };
    edit(&session, set("/host/name", "elsewhere"));
    refused("the session began on elsewhere");
    edit(&session, set("/build/version", "0.0.1"));
    refused("longhaul 0.0.1 ");
    edit(&session, set("/command", "longhaul prove --rounds 3"));
    refused("longhaul prove made the records");
    edit(&session, set("/command", "longhaul bench --no-such-flag"));
    refused("none of this version: unexpected argument '--no-such-flag'");
    edit(&session, set("/command", "longhaul bench --rounds 3 --protocol tcp,h1c,h2c --size 1KiB"));
    refused("is no case of the session's command line today");
    edit(&session, set("/command", "longhaul bench --rounds 3 --label https://h/?a=***"));
    refused("lacks a secret");
    edit(&session, |record| record["schedule"] = Value::Null);
    refused("do not state the order of the runs");
    edit(&session, |record| record["run_id"] = record["round"].to_string().into());
    edit(&session, |record| record["run_id"] = record["started_at"].clone());
    refused("records of several sessions");
    fs::write(session.file(), format!("rubbish\n{whole}")).unwrap();
    refused("records.jsonl:1: not a record");
    fs::write(session.file(), "").unwrap();
    refused("holds no records");
    let none = run(&["bench", "--resume", Path::new("/proc/none").to_str().unwrap()]);
    assert_eq!(none.status.code(), Some(2), "{}", text(&none.stderr));
}

#[test]
fn the_matrices_of_a_file_continue_and_a_changed_file_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let session = Session { temporary };
    let config = session.temporary.path().join("m.toml");
    let matrices = "rounds = 2\nchunk-size = '1KiB'\n[[matrix]]\nprotocol = 'tcp'\nsize = '1KiB'\n\
                    [[matrix]]\nprotocol = 'h2c'\nsize = '2KiB'\n";
    fs::write(&config, matrices).unwrap();
    let file = config.to_str().unwrap();
    assert_success(&run(&["bench", "--quiet", "--config", file, "--out", &session.folder()]));
    let whole = runs(&session.records());
    session.cut(1, "");
    let differs = session.resume(&["--size", "2KiB"]);
    assert!(text(&differs.stderr).contains("--size 2KiB: the session has 1KiB"), "{}", text(&differs.stderr));
    assert_success(&session.resume(&["--quiet", "--rounds", "2"]));
    assert_eq!(runs(&session.records()), whole);
    session.cut(1, "");
    fs::write(&config, matrices.replace("rounds = 2", "rounds = 3")).unwrap();
    let changed = session.resume(&[]);
    assert_eq!(changed.status.code(), Some(2));
    assert!(
        text(&changed.stderr).contains("planned 4 runs, and its command line means 6"),
        "{}",
        text(&changed.stderr)
    );
}
