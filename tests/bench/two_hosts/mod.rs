//! `bench --to`: the servers' ends run on another host, which measures them. Here both hosts are this machine.

mod faults;
mod namespaces;
mod refusals;
mod results;
mod resumed;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Output};

use nix::unistd::Pid;
use serde_json::Value;

use crate::common::{self, Out, run, server::Server, text};

/// The eight rows that are no ceilings, in both directions.
const ALL: [&str; 6] =
    ["--protocol", "tcp,h1c,h2c,tls,h1,h2,quic,h3", "--direction", "both", "--size", "1MiB"];

/// A run of a moment.
const QUICK: [&str; 6] = ["--protocol", "h1", "--chunk-size", "64KiB", "--size", "64KiB"];

/// A server that measures, with the files that its clients need.
struct Host {
    folder: tempfile::TempDir,
    server: Server,
}

impl Host {
    fn new() -> Self {
        Self::with(&[])
    }

    /// Starts a server with further flags.
    fn with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = token(folder.path(), "correct-horse", 0o600);
        let usual = ["--measure", "--listen-tls", "127.0.0.1:0", "--token-file", &token];
        let server = Server::start(&[&usual[..], flags].concat());
        Self { folder, server }
    }

    fn url(&self) -> String {
        format!("https://{}", self.server.tls())
    }

    fn token(&self) -> String {
        self.folder.path().join("token").display().to_string()
    }

    /// Returns the flags of a bench to this host.
    fn flags(&self) -> [String; 6] {
        let (pin, token) = (self.server.fingerprint().to_owned(), self.token());
        ["--to".into(), self.url(), "--pin".into(), pin, "--token-file".into(), token]
    }

    fn bench(&self, args: &[&str]) -> (Output, Vec<Value>) {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        common::bench(&[&flags[..], args].concat())
    }

    /// Returns the number of workers that run.
    fn workers(&self) -> usize {
        workers(self.server.pid())
    }
}

/// Writes a token with these permissions.
fn token(folder: &Path, token: &str, mode: u32) -> String {
    let path = folder.join("token");
    fs::write(&path, format!("{token}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

fn workers(parent: Pid) -> usize {
    let tasks = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    tasks.split_whitespace().count()
}

/// Runs a bench to a host that must refuse it. Returns what it says on stderr.
fn refused(args: &[&str], code: i32) -> String {
    let out = Out::new();
    let folder = out.text();
    let output = run(&[&["bench", "--quiet", "--rounds", "1", "-o", &folder][..], &QUICK, args].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(!out.path().exists(), "a refused session leaves no folder");
    stderr
}
