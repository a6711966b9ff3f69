//! Failures: each is reported in one line with the right exit code, without a hang and without leftovers.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
    thread::sleep,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use record::{Case, PROTOCOLS, Record};

use crate::common::{Out, bench, children, longhaul, records, run, skip, text};

/// The size of a body that no machine transfers within the time of a test.
const ENDLESS: &str = "4096GiB";

fn assert_refused(args: &[&str], code: i32, expected: &[&str]) {
    let out = Out::new();
    let output = run(&[args, &["--out", &out.text()]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(stderr.starts_with("error: ") && stderr.matches("error: ").count() == 1, "{stderr}");
    for part in expected {
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
    assert!(!out.path().exists(), "{args:?} left something behind");
}

#[test]
fn wrong_usage_is_exit_2_and_one_error() {
    assert_refused(
        &["bench", "--protocol", "h4"],
        2,
        &["h4", "tcp, h1c, h2c, tcp-ceiling, tls, h1, h2, tls-ceiling, quic, h3"],
    );
    assert_refused(&["bench", "--chunk-size", "0"], 2, &["from 1 B to 64 MiB"]);
    assert_refused(&["bench", "--chunk-size", "65MiB"], 2, &["from 1 B to 64 MiB"]);
    assert_refused(&["bench", "--chunk-size", "64KiB..4KiB"], 2, &["it must rise"]);
    assert_refused(&["bench", "--size", "big"], 2, &["'big' is not a size"]);
    assert_refused(
        &["bench", "--streams", "4", "--protocol", "h1"],
        2,
        &["--connections 4", "h2c,h2,quic,h3"],
    );
    assert_refused(&["bench", "--payload", "noise"], 2, &["random, zero, cold or file:PATH"]);
    assert_refused(&["bench", "--payload", "file:/no/such"], 2, &["/no/such", "No such file"]);
    assert_refused(&["bench", "--payload", "file:/proc/version"], 2, &["has no size", "longhaul send"]);
    assert_refused(&["bench", "--payload", "file:/"], 2, &["is a folder"]);
    assert_refused(&["bench", "--quic-mtu", "70000"], 2, &["1200B to 65507B"]);
    assert_refused(&["bench", "--timeout", "30"], 2, &["30s"]);
    assert_refused(&["bench", "--affinity", "0"], 2, &["SENDER:RECEIVER"]);
    assert_refused(&["bench", "--rounds", "0"], 2, &["--rounds"]);
}

#[test]
fn an_unreadable_payload_is_exit_2() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(file.path()).is_ok() {
        return skip("this user may read every file; a user other than root may not");
    }
    let payload = format!("file:{}", file.path().display());
    assert_refused(&["bench", "--payload", &payload], 2, &["cannot read payload"]);
}

#[test]
fn results_that_cannot_be_written_are_exit_1_before_anything_runs() {
    let output = run(&["bench", "--out", "/proc/nowhere"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write results into /proc/nowhere"), "{stderr}");
}

#[test]
fn a_missing_core_fails_the_run_and_is_named() {
    let (output, records) =
        bench(&["--protocol", "tcp", "--size", "1", "--affinity", "0:1000", "--chunk-size", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        records[0]["error"]["message"].as_str().unwrap().contains("cannot use core 1000"),
        "{}",
        records[0]["error"]
    );
}

#[test]
fn a_file_that_shrinks_is_named_and_fails_the_run() {
    for protocol in PROTOCOLS.iter().map(|protocol| protocol.name) {
        for direction in ["up", "down"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(1 << 40).unwrap();
            let payload = format!("file:{}", file.path().display());
            let out = Out::new();
            let args = ["bench", "--protocol", protocol, "--direction", direction, "--chunk-size", "64KiB"];
            let rest = ["--rounds", "1", "--payload", &payload, "--out", &out.text()];
            let bench =
                longhaul(&args).args(rest).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            wait_for_workers(&bench);
            file.as_file().set_len(1 << 20).unwrap();
            let output = bench.wait_with_output().unwrap();
            let record = out.records().remove(0);
            let error = &record["error"];
            assert_eq!(output.status.code(), Some(1), "{protocol} {direction}: {error}");
            assert_eq!(
                (&error["kind"], &error["end"]),
                (&"payload".into(), &"sender".into()),
                "{protocol} {direction}: {error}"
            );
            assert!(error["message"].as_str().unwrap().contains(file.path().to_str().unwrap()), "{error}");
        }
    }
}

#[test]
fn a_killed_worker_is_a_record_and_the_rest_goes_on() {
    let out = Out::new();
    let bench = endless(&out, &["--protocol", "tcp,h2", "--timeout", "20s", "--json"]);
    for _ in 0..2 {
        let workers = wait_for_workers(&bench);
        kill(Pid::from_raw(workers[0]), Signal::SIGKILL).unwrap();
        wait_for_other_workers(&bench, &workers);
    }
    let output = bench.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().filter(|line| line.contains("SIGKILL")).count(), 2, "{stderr}");
    let records = out.records();
    assert_eq!(records.len(), 2);
    for record in records {
        assert_eq!(record["error"]["kind"], "worker", "{}", record["error"]);
        assert!(record["error"]["message"].as_str().unwrap().contains("SIGKILL"), "{}", record["error"]);
    }
}

#[test]
fn a_peer_that_stands_still_is_a_timeout() {
    for protocol in ["tcp", "h1", "h2", "h3"] {
        let out = Out::new();
        let bench = endless(&out, &["--protocol", protocol, "--timeout", "1s"]);
        let workers = wait_for_workers(&bench);
        kill(Pid::from_raw(workers[0]), Signal::SIGSTOP).unwrap();
        let output = bench.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let record = out.records().remove(0);
        assert_eq!(record["error"]["kind"], "timeout", "{protocol}: {}", record["error"]);
        assert!(!is_alive(workers[0]), "a stopped worker was left behind");
    }
}

#[test]
fn an_interrupt_keeps_finished_runs_and_leaves_no_process() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let out = Out::new();
        let bench =
            endless(&out, &["--order", "fixed", "--protocol", "tcp", "--size", &format!("1,{ENDLESS}")]);
        while fs::read_to_string(out.path().join("records.jsonl")).unwrap_or_default().is_empty() {
            sleep(Duration::from_millis(10));
        }
        let workers = wait_for_workers(&bench);
        kill(Pid::from_raw(bench.id() as i32), signal).unwrap();
        let output = bench.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(table.contains("tcp/up/64KiB/1B") && !table.contains(ENDLESS), "{table}");
        assert_eq!(out.records().len(), 1);
        assert!(out.path().join("summary.md").exists());
        sleep(Duration::from_millis(200));
        assert!(workers.iter().all(|worker| !is_alive(*worker)), "workers were left behind");
    }
}

#[test]
fn workers_do_not_outlive_a_killed_orchestrator() {
    let out = Out::new();
    let mut bench = endless(&out, &["--protocol", "h2"]);
    let workers = wait_for_workers(&bench);
    bench.kill().unwrap();
    bench.wait().unwrap();
    for _ in 0..500 {
        if workers.iter().all(|worker| !is_alive(*worker)) {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("workers went on without their orchestrator");
}

#[test]
fn a_worker_without_a_job_names_the_right_command() {
    let output = run(&["worker"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("use 'bench'"));
}

#[test]
fn memory_over_its_ceiling_is_exit_4_with_expected_and_measured() {
    let (out, folder) = (Out::new(), tempfile::tempdir().unwrap());
    let args = ["bench", "--quiet", "--protocol", "h1c", "--size", "1MiB", "--chunk-size", "64KiB"];
    assert!(run(&[&args[..], &["--rounds", "1", "--out", &out.text()]].concat()).status.success());
    let check = |sender: &str| {
        let path = folder.path().join("ceilings.toml");
        let ceiling =
            |end, size| format!("[[ceiling]]\nprotocol = \"h1c\"\nend = \"{end}\"\npeak_rss = \"{size}\"\n");
        fs::write(&path, ceiling("sender", sender) + &ceiling("receiver", "1GiB")).unwrap();
        let output = run(&["check", &out.text(), "--ceilings", path.to_str().unwrap()]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = check("1GiB");
    assert_eq!(
        (code, text.trim()),
        (Some(0), "ceilings: 2 held, 0 exceeded, 0 unclear, 0 without a counterpart; 0 failed runs")
    );
    let (code, text) = check("1MiB");
    assert_eq!(code, Some(4), "{text}");
    let breach = "OVER  h1c/up/64KiB/1MiB sender: expected at most 1.0 MiB, measured ";
    assert!(text.starts_with(breach), "{text}");
}

#[test]
fn damaged_files_are_named_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.toml", "[[ceiling]]\nprotocol = \"tcp\"\nend = \"sender\"\npeak_rss = \"9MiB\"\n");
    let damaged = [
        ("a.toml", "[[ceiling]]\nprotocol = 3\n", "a.toml:2:"),
        ("b.toml", "[[ceiling]]\nprotocol = \"tcp\"\nend = \"middle\"\npeak_rss = \"1\"\n", "b.toml:3:"),
        (
            "c.toml",
            "[[ceiling]]\nprotocol = \"tcp\"\nend = \"sender\"\npeak_rss = \"much\"\n",
            "'much' is not a size",
        ),
        (
            "d.toml",
            "[[ceiling]]\nprotocol = \"h9\"\nend = \"sender\"\npeak_rss = \"1\"\n",
            "unknown protocol 'h9'",
        ),
        ("e.toml", "ceiling = [\n", "e.toml:"),
    ];
    let records = file("good.jsonl", &Record::new("session", Case::new("tcp")).to_line().unwrap());
    let rubbish = file("records.jsonl", "rubbish\n");
    let refused = |records: &str, ceilings: &str, expected: &str| {
        let output = run(&["check", records, "--ceilings", ceilings]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{stderr}");
    };
    for (name, text, expected) in damaged {
        refused(&records, &file(name, text), expected);
    }
    refused(&rubbish, &good, "records.jsonl:1: not a record");
    refused(&records, "/no/such.toml", "cannot read ceilings /no/such.toml");
}

/// Starts a bench that runs until it is stopped.
fn endless(out: &Out, args: &[&str]) -> Child {
    let mut command = longhaul(&["bench", "--quiet", "--rounds", "1", "--chunk-size", "64KiB"]);
    command.args(args);
    if !args.contains(&"--size") {
        command.args(["--size", ENDLESS]);
    }
    // A digest of such a body would take longer than the test.
    command.args(["--sink", "discard", "--out", &out.text()]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until both workers of the running case are in the middle of their transfer. Returns their process ids.
fn wait_for_workers(bench: &Child) -> Vec<i32> {
    loop {
        let workers = children(bench);
        if workers.len() == 2 {
            sleep(Duration::from_millis(300));
            if children(bench) == workers {
                return workers;
            }
        }
        sleep(Duration::from_millis(5));
    }
}

fn wait_for_other_workers(bench: &Child, before: &[i32]) {
    while children(bench).iter().any(|worker| before.contains(worker)) {
        sleep(Duration::from_millis(5));
    }
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn with_json_stdout_carries_records_only() {
    let out = Out::new();
    let args = ["bench", "--json", "--protocol", "tcp,h9", "--out", &out.text()];
    assert!(run(&args).stdout.is_empty());
    let args = ["bench", "--json", "--protocol", "tcp", "--size", "1", "--rounds", "2", "--chunk-size", "1"];
    let output = run(&[&args[..], &["--out", &out.text()]].concat());
    assert_eq!(records(&String::from_utf8(output.stdout).unwrap()).len(), 2);
}
