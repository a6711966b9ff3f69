//! Helpers that run the real binary.
#![allow(unreachable_pub, reason = "`pub` here is for the tests of the other modules")]

pub mod caddy;
pub mod far;
pub mod http2;
pub mod http3;
pub mod markdown;
pub mod nginx;
pub mod ports;
pub mod relay;
pub mod resumable;
pub mod server;
pub mod skipped;
pub mod transfer;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::LazyLock,
    thread::sleep,
    time::Duration,
};

use record::{PROTOCOLS, Protocol};
use serde_json::Value;

pub use self::skipped::skip;

/// Returns the protocols that carry HTTP.
pub fn http() -> impl Iterator<Item = &'static Protocol> {
    PROTOCOLS.iter().filter(|protocol| protocol.is_http())
}

/// Returns the program with arguments. It heeds SIGHUP even if the tests run under nohup.
pub fn longhaul(args: &[&str]) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_longhaul")]).args(args).stdin(Stdio::null());
    command
}

pub fn run(args: &[&str]) -> Output {
    longhaul(args).output().unwrap()
}

/// Returns the output of a program, as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn assert_success(output: &Output) {
    assert!(output.status.success(), "{} {}", text(&output.stdout), text(&output.stderr));
}

/// Returns the names in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Waits until a condition holds.
pub fn wait(condition: impl Fn() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("the condition never held");
}

/// Returns a command with a limit on the size of files, in KiB.
pub fn limited(kib: u32, args: &str) -> Command {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_longhaul");
    command.arg("-c").arg(format!("ulimit -f {}; exec {program} {args}", 2 * kib));
    command
}

/// Returns the folder of the programs that `scripts/peers` installs. Without that folder, the test is
/// skipped, or fails if `CI` is set.
pub fn peers() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_BIN_EXE_longhaul")).ancestors().nth(2).unwrap().join("peers");
    if folder.join("complete").exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "the peers are missing: run scripts/peers");
    skip("the peers are missing; scripts/peers installs them");
    None
}

/// The path of a new folder for `--out`, removed at the end of the test.
pub struct Out(tempfile::TempDir);

impl Out {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("results")
    }

    pub fn text(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    pub fn records(&self) -> Vec<Value> {
        records(&std::fs::read_to_string(self.path().join("records.jsonl")).unwrap())
    }
}

/// Runs a bench with its records on stdout. The bench is quick on any machine unless `args` say otherwise.
pub fn bench(args: &[&str]) -> (Output, Vec<Value>) {
    let out = Out::new();
    let text = out.text();
    let mut all = vec!["bench", "--json", "--quiet", "--rounds", "1", "--out", &text];
    all.extend(args);
    let output = run(&all);
    let printed = records(&String::from_utf8(output.stdout.clone()).unwrap());
    (output, printed)
}

/// Parses records, and checks each against the schema.
pub fn records(text: &str) -> Vec<Value> {
    let parse = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    text.lines().map(parse).inspect(assert_valid).collect()
}

static SCHEMA: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&serde_json::from_str(record::SCHEMA).unwrap()).unwrap());

pub fn assert_valid(record: &Value) {
    let errors: Vec<_> =
        SCHEMA.iter_errors(record).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Asserts that every run succeeded and that its content was proven.
pub fn assert_all_good(output: &Output, records: &[Value], expected: usize) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    for record in records {
        let name = &record["case"]["name"];
        assert_eq!(record["outcome"], "ok", "{name}: {}", record["error"]);
        assert_eq!(record["integrity"]["match"], true, "{name}");
        for end in ["sender", "receiver"] {
            assert_eq!(record[end]["bytes"], record["case"]["total_bytes"], "{name} {end}");
        }
    }
    assert_eq!(records.len(), expected, "{stderr}");
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

/// Returns the processes that `parent` has started and that still run.
pub fn children(parent: &Child) -> Vec<i32> {
    let parent = parent.id().to_string();
    let is_child = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        (fields.next()? != "Z" && fields.next()? == parent).then_some(pid)
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| is_child(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Returns the number of files in a folder that a process has open, including unnamed ones.
pub fn open_files(pid: i32, folder: &Path) -> usize {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"));
    let paths = files.into_iter().flatten().filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    paths.filter(|path| path.starts_with(folder)).count()
}
