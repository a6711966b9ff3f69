//! Sessions over two hosts that continue after an interruption.

use std::{fs, process::Output};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Host, QUICK};
use crate::common::{Out, assert_success, records, run, text};

/// A session of three runs, of which the folder has the first ones.
struct Session {
    out: Out,
}

impl Session {
    /// Makes a whole session to this URL.
    fn whole(host: &Host, url: &str, flags: &[&str]) -> Self {
        let out = Out::new();
        let folder = out.text();
        let own = ["bench", "--quiet", "--rounds", "3", "-o", &folder, "--to", url];
        let trust = ["--pin", host.server.fingerprint()];
        assert_success(&run(&[&own[..], &trust, flags, &QUICK].concat()));
        Self { out }
    }

    /// Leaves this number of records, after `edit` has changed each of them.
    fn cut(&self, kept: usize, edit: impl Fn(&mut Value)) {
        let lines = self.out.records().into_iter().take(kept).map(|mut record| {
            edit(&mut record);
            format!("{record}\n")
        });
        fs::write(self.out.path().join("records.jsonl"), lines.collect::<String>()).unwrap();
    }

    fn resume(&self, flags: &[&str]) -> Output {
        run(&[&["bench", "--quiet", "--resume", &self.out.text()], flags].concat())
    }

    fn refused(&self, flags: &[&str], part: &str) {
        let before = fs::read(self.out.path().join("records.jsonl")).unwrap();
        let output = self.resume(flags);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part) && !stderr.contains("correct-horse"), "{part}: {stderr}");
        assert_eq!(fs::read(self.out.path().join("records.jsonl")).unwrap(), before);
    }
}

#[test]
fn a_session_continues_on_the_same_host_with_the_same_build_only() {
    let host = Host::new();
    let session = Session::whole(&host, &host.url(), &["--token-file", &host.token()]);
    session.cut(1, |_| ());
    // A flag may be repeated with the value that the session has.
    assert_success(&session.resume(&["--token-file", &host.token()]));
    let whole = session.out.records();
    assert_eq!(whole.len(), 3);
    assert!(whole.iter().all(|record| record["peer_host"]["name"] == whole[0]["peer_host"]["name"]));
    session.cut(1, |record| record["peer_host"]["name"] = "elsewhere".into());
    session.refused(&[], "the servers' ends of the session ran on elsewhere (");
    let name = &whole[0]["peer_host"]["name"];
    session.cut(1, |record| {
        record["peer_host"]["name"] = name.clone();
        record["peer_build"]["version"] = "0.0.1".into();
    });
    session.refused(&[], "longhaul 0.0.1 (");
}

#[test]
fn credentials_in_a_url_come_from_the_command_line_that_continues() {
    let host = Host::new();
    let url = host.url().replace("https://", "https://me:correct-horse@");
    let session = Session::whole(&host, &url, &[]);
    session.cut(1, |_| ());
    let without = session.resume(&[]);
    assert_eq!(without.status.code(), Some(1));
    assert!(text(&without.stderr).contains("this server needs a token"), "{}", text(&without.stderr));
    let other = "https://me:correct-horse@127.0.0.1:1";
    session.refused(&["--to", other], "--to https://127.0.0.1:1: the session has https://127.0.0.1:");
    assert_success(&session.resume(&["--to", &url]));
    assert_eq!(session.out.records().len(), 3);
    let all = records(&fs::read_to_string(session.out.path().join("records.jsonl")).unwrap());
    assert!(all.iter().all(|record| !record.to_string().contains("correct-horse")));
}

#[test]
fn a_complete_session_needs_no_host() {
    let host = Host::new();
    let session = Session::whole(&host, &host.url(), &["--token-file", &host.token()]);
    fs::remove_file(session.out.path().join("summary.md")).unwrap();
    let Host { folder: _folder, server } = host;
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    let output = session.resume(&[]);
    assert_success(&output);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("complete: all its 3 runs are recorded"), "{stderr}");
    assert!(session.out.path().join("summary.md").exists());
}
