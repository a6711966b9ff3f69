//! Ends and sessions that are interrupted, killed or stopped.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Output, Stdio},
    time::Duration,
};

use metrics::Stamp;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{Host, QUICK, refused, token, workers};
use crate::common::{
    Out, assert_all_good, children, longhaul, ports::free_port, server::Server, text, transfer::self_signed,
    wait,
};

/// Returns whether a process has ended, even if nobody has asked for its status.
fn is_gone(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, state)| state.trim_start().starts_with('Z'))
}

/// A bench that runs for as long as the test needs it.
struct Running {
    process: Child,
    out: Out,
}

impl Running {
    /// Starts a bench whose runs take a fifth of a second each.
    fn start(flags: &[&str], rounds: &str) -> Self {
        let out = Out::new();
        let slow = ["--protocol", "h2", "--size", "1MiB", "--chunk-size", "64KiB", "--limit-rate", "5MiB"];
        let own = ["bench", "--rounds", rounds, "-o"];
        let mut command = longhaul(&[&own[..], &[&out.text()], flags, &slow].concat());
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { process, out }
    }

    fn lines(&self) -> usize {
        fs::read_to_string(self.out.path().join("records.jsonl")).unwrap_or_default().lines().count()
    }

    fn end(self) -> (Output, Vec<Value>) {
        let output = self.process.wait_with_output().unwrap();
        (output, self.out.records())
    }
}

#[test]
fn one_session_is_measured_at_a_time_and_an_interrupted_one_leaves_nothing() {
    let host = Host::new();
    let flags = host.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let running = Running::start(&flags, "1000");
    wait(|| running.lines() >= 1 && host.workers() == 1);
    let stderr = refused(&flags, 1);
    assert!(stderr.contains("another session is being measured here"), "{stderr}");
    let own: Vec<_> = children(&running.process);
    kill(Pid::from_raw(running.process.id() as i32), Signal::SIGINT).unwrap();
    let (output, records) = running.end();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(records.iter().all(|record| record["outcome"] == "ok"));
    wait(|| host.workers() == 0);
    wait(|| own.iter().all(|pid| is_gone(*pid)));
    let (output, records) = host.bench(&QUICK);
    assert_all_good(&output, &records, 1);
}

#[test]
fn a_client_that_is_killed_leaves_no_worker() {
    let host = Host::new();
    let flags = host.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut running = Running::start(&flags, "1000");
    wait(|| running.lines() >= 1 && host.workers() == 1);
    running.process.kill().unwrap();
    running.process.wait().unwrap();
    wait(|| host.workers() == 0);
    let (output, records) = host.bench(&QUICK);
    assert_all_good(&output, &records, 1);
}

/// A server that measures, on a port and with a certificate that outlive it.
struct Lasting {
    folder: tempfile::TempDir,
    address: String,
    certificate: PathBuf,
    key: PathBuf,
}

impl Lasting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = self_signed(folder.path());
        token(folder.path(), "correct-horse", 0o600);
        Self { address: format!("127.0.0.1:{}", free_port()), certificate, key, folder }
    }

    fn token(&self) -> String {
        self.folder.path().join("token").display().to_string()
    }

    fn start(&self) -> Server {
        let (certificate, key) = (self.certificate.display().to_string(), self.key.display().to_string());
        let files = ["--cert", &certificate, "--key", &key, "--token-file", &self.token()];
        Server::start(&[&["--measure", "--listen-tls", &self.address][..], &files].concat())
    }

    fn bench(&self, server: &Server, rounds: &str) -> Running {
        let (url, token) = (format!("https://{}", self.address), self.token());
        Running::start(&["--to", &url, "--pin", server.fingerprint(), "--token-file", &token], rounds)
    }
}

#[test]
fn a_server_that_is_killed_costs_one_record() {
    let lasting = Lasting::new();
    let server = lasting.start();
    let running = lasting.bench(&server, "8");
    wait(|| running.lines() >= 2 && workers(server.pid()) == 1);
    server.stop(Signal::SIGKILL);
    wait(|| running.lines() >= 3);
    let server = lasting.start();
    let (output, records) = running.end();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(records.len(), 8, "{stderr}");
    let failed: Vec<_> = records.iter().filter(|record| record["outcome"] == "error").collect();
    assert_eq!(failed.len(), 1, "{stderr}");
    let error = &failed[0]["error"];
    assert_eq!(
        (error["kind"].as_str(), error["end"].as_str()),
        (Some("worker"), Some("receiver")),
        "{error}"
    );
    assert!(error["message"].as_str().unwrap().contains("the receiver is lost"), "{error}");
    assert!(!failed[0]["peer_host"].is_null());
    assert_eq!(workers(server.pid()), 0);
}

#[test]
fn a_server_that_is_stopped_ends_its_run_and_leaves_nothing() {
    let lasting = Lasting::new();
    let server = lasting.start();
    let running = lasting.bench(&server, "1000");
    wait(|| running.lines() >= 1 && workers(server.pid()) == 1);
    let began = Stamp::now();
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "a run of a fifth of a second may end, no more");
    kill(Pid::from_raw(running.process.id() as i32), Signal::SIGINT).unwrap();
    let (output, records) = running.end();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(records.iter().all(|record| record["outcome"] == "ok"), "the run under way ended well");
}
