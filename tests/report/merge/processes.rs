//! Merges that run together, and merges that are stopped.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{files, host, many, merge, results};
use crate::common::{assert_success, longhaul, names, records, text};

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
