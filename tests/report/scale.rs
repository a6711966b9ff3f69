//! Files of many cases: the time of `compare`, `check` and `report` grows in proportion to the number of records.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use record::{Case, EndRecord, HeapPoint, Record};

use crate::common::{run, text};

/// The number of rounds of each case.
const ROUNDS: u32 = 7;

/// Writes a file of records into a folder: `cases` cases of `ROUNDS` rounds each. Returns its path.
fn records(folder: &Path, name: &str, cases: u64) -> PathBuf {
    let mut text = String::new();
    for (round, seed) in (0..ROUNDS).flat_map(|round| (0..cases).map(move |seed| (round, seed))) {
        let mut case = Case::new("h2");
        case.seed = 1 + seed;
        let mut end = EndRecord::default();
        end.memory.baseline_rss_bytes = Some(7 << 20);
        end.memory.peak_rss_bytes = Some((8 << 20) + u64::from(round));
        end.memory.hold_against(4 << 20);
        let point =
            |at: u64| HeapPoint { body_bytes: at << 25, bytes: 1 << 20, allocations: 99, c_bytes: None };
        end.memory.heap_timeline = Some((0..64).map(point).collect());
        let mut record = Record::new("some", case);
        record.round = round;
        for library in 0..LIBRARIES {
            record.build.versions.insert(format!("a library of number {library}"), "a version".into());
        }
        record.started_at = format!("2026-11-26T00:00:{round:02}Z");
        record.goodput_bytes_per_s = Some(3e9 + f64::from(round));
        (record.sender, record.receiver) = (Some(end.clone()), Some(end));
        text.write_str(&record.to_line().unwrap()).unwrap();
    }
    let path = folder.join(format!("{name}-{cases}.jsonl"));
    fs::write(&path, text).unwrap();
    path
}

/// The number of libraries in a build, as in a record of `bench`. They are equal in all records.
const LIBRARIES: u32 = 20;

/// The environment variable with the arguments of longhaul, one a line.
const ARGUMENTS: &str = "ARGUMENTS";

/// The exit code of a run of longhaul, and the resources that it took.
struct Usage {
    /// Exit code.
    code: i64,
    /// Processor time in user space, in milliseconds. Unlike wall-clock time, it hardly depends on other programs.
    user_ms: i64,
    /// Peak RSS, in bytes.
    peak: i64,
}

/// Runs longhaul as the only child of a process of its own. The children of this process include those of other tests,
/// and the peak RSS of a child begins with that of the process that starts it.
fn usage(arguments: &[&str]) -> Usage {
    let name = "report::scale::prints_what_longhaul_used";
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(ARGUMENTS, arguments.join("\n"))
        .output()
        .unwrap();
    let shown = text(&output.stdout);
    let figures =
        shown.lines().find_map(|line| line.strip_prefix("used ")).unwrap_or_else(|| panic!("{shown}"));
    let figures: Vec<i64> = figures.split(' ').map(|figure| figure.parse().unwrap()).collect();
    Usage { code: figures[0], user_ms: figures[1], peak: figures[2] }
}

#[test]
#[ignore = "the other tests start it in a process of its own"]
#[allow(clippy::print_stdout, reason = "the test that started this one reads it")]
fn prints_what_longhaul_used() {
    let Ok(arguments) = env::var(ARGUMENTS) else { return };
    let code = run(&arguments.lines().collect::<Vec<_>>()).status.code().unwrap();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    println!("\nused {code} {} {}", used.user_time().num_milliseconds(), used.max_rss() << 10);
}

#[test]
fn four_times_the_cases_take_four_times_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let ceilings = folder.path().join("ceilings.toml");
    let drift = "[drift]\nrecords = \"base-BASE.jsonl\"\nband = \"50%\"\n[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"1MiB\"\n";
    let work = |cases: u64| {
        let (base, candidate) =
            (records(folder.path(), "base", cases), records(folder.path(), "candidate", cases));
        fs::write(&ceilings, drift.replace("BASE", &cases.to_string())).unwrap();
        let out = folder.path().join("report");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (base, candidate, ceilings, out) = (text(&base), text(&candidate), text(&ceilings), text(&out));
        let commands: [&[&str]; 3] = [
            &["compare", &base, &candidate],
            &["check", &candidate, "--ceilings", &ceilings],
            &["report", &candidate, "--ceilings", &ceilings, "--svg", "-o", &out],
        ];
        commands.map(|arguments| {
            let used = usage(arguments);
            assert!(matches!(used.code, 0 | 4), "{}", used.code);
            used.user_ms
        })
    };
    let (few, many) = (work(300), work(1200));
    for (few, many) in few.into_iter().zip(many) {
        // The start of the program takes time of its own. Quadratic work would take sixteen times as long.
        assert!(many <= 8 * few.max(50), "{few} ms become {many} ms");
    }
}

/// The most memory for each record in `check` and `report`, in bytes. A record without timelines has under 4 KiB.
const PER_RECORD: [i64; 2] = [5 << 10, 8 << 10];

#[test]
fn memory_is_that_of_one_set_of_records_without_what_they_share() {
    let folder = tempfile::tempdir().unwrap();
    let ceilings = folder.path().join("ceilings.toml");
    let cases = 1000;
    let (base, few, many) = (
        records(folder.path(), "base", cases),
        records(folder.path(), "few", 1),
        records(folder.path(), "many", cases),
    );
    let bounds = "[drift]\nrecords = \"base-1000.jsonl\"\nband = \"50%\"\n[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"1GiB\"\n";
    fs::write(&ceilings, bounds).unwrap();
    let (out, ceilings) = (folder.path().join("report"), ceilings.to_str().unwrap().to_owned());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    assert!(base.exists());
    let commands: [&[&str]; 3] = [
        &["compare", &text(&few), &text(&few)],
        &["check", &text(&many), "--ceilings", &ceilings],
        &["report", &text(&many), "-o", &text(&out)],
    ];
    let [of_few, of_many @ ..] = commands.map(|arguments| {
        let used = usage(arguments);
        assert_eq!(used.code, 0);
        used.peak
    });
    for (peak, most) in of_many.into_iter().zip(PER_RECORD) {
        let per_record = (peak - of_few) / (cases as i64 * i64::from(ROUNDS));
        assert!(per_record <= most, "{per_record} bytes a record, {most} are enough: {peak} and {of_few}");
    }
}
