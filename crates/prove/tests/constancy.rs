//! Proofs of closures and of programs, with known answers.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    cell::Cell,
    hint::black_box,
    io::{BufRead as _, BufReader, Write as _},
    panic,
    process::{Command, Stdio},
    time::Duration,
};

use longhaul_prove::{Constancy, Proof, ProveError, assert_constant_memory};

const MIB: u64 = 1 << 20;
const SIZES: [u64; 3] = [8 * MIB, 32 * MIB, 64 * MIB];

/// Fills one block after the other, for so many bytes in total, and keeps all or none of them.
fn fill(bytes: u64, keeps: bool) {
    let mut kept = Vec::new();
    for index in 0..bytes / MIB {
        let block = vec![index as u8 | 1; MIB as usize];
        std::thread::sleep(Duration::from_micros(300));
        if keeps {
            kept.push(block);
        } else {
            black_box(block);
        }
    }
    black_box(kept);
}

/// Says that the current test does not run, and why. libtest shows nothing that a passing test prints by `eprintln!`,
/// so this writes to stderr itself.
fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("?");
    std::io::stderr().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes()).unwrap();
}

#[test]
fn a_closure_that_keeps_nothing_passes() {
    let keeps = false;
    assert_constant_memory!([64 * MIB, 256 * MIB, 1024 * MIB], |bytes| fill(bytes, keeps));
}

#[test]
fn a_closure_that_keeps_everything_fails_with_figures() {
    let failed = panic::catch_unwind(|| assert_constant_memory!(SIZES, |bytes| fill(bytes, true)));
    let message = failed.unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("GROWING") && message.contains("MiB per GiB over sizes"), "{message}");
}

/// Returns the message of a proof that fails.
fn message(prove: impl FnOnce() + panic::UnwindSafe) -> String {
    let failed = panic::catch_unwind(prove).unwrap_err();
    failed.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn each_pass_of_a_loop_is_a_proof_of_its_own_closure() {
    let mut messages = Vec::new();
    for keeps in [false, true] {
        let prove = || assert_constant_memory!(SIZES, |bytes| fill(bytes, keeps));
        let failed = panic::catch_unwind(prove).err();
        messages.push(failed.map(|failed| failed.downcast_ref::<String>().unwrap().clone()));
    }
    let is_growing =
        |message: &Option<String>| message.as_deref().is_some_and(|it| it.starts_with("GROWING"));
    assert!(!is_growing(&messages[0]) && is_growing(&messages[1]), "{messages:?}");
}

/// Proves a closure for several tests.
fn prove_that(keeps: bool) {
    assert_constant_memory!(SIZES, |bytes| fill(bytes, keeps));
}

#[test]
fn an_assertion_in_a_shared_function_fails_in_the_test_that_grows() {
    let message = message(|| prove_that(true));
    assert!(message.starts_with("GROWING"), "{message}");
}

#[test]
fn an_assertion_in_a_shared_function_does_not_grow_in_another_test() {
    let failed = panic::catch_unwind(|| prove_that(false)).err();
    let message = failed.map(|failed| failed.downcast_ref::<String>().unwrap().clone()).unwrap_or_default();
    assert!(!message.starts_with("GROWING") && !message.contains("assertion"), "{message}");
}

#[test]
fn an_assertion_at_which_no_process_arrives_is_an_error() {
    let is_started_again = std::env::var_os("LONGHAUL_PROVE").is_some();
    let prove = || {
        if !is_started_again {
            assert_constant_memory!(SIZES, |bytes| fill(bytes, false));
        }
    };
    if is_started_again {
        return prove();
    }
    let expected = "the run with an input of 8MiB ended without its closure: ";
    let message = message(prove);
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_stale_variable_does_not_skip_a_proof() {
    const GROWING: &str = "GROWING in spite of the variable";
    let name = "a_stale_variable_does_not_skip_a_proof";
    if std::env::var_os("LONGHAUL_TEST_STALE").is_some() {
        let message = message(|| assert_constant_memory!(SIZES, |bytes| fill(bytes, true)));
        assert!(message.starts_with("GROWING"), "{message}");
        std::io::stderr().write_all(GROWING.as_bytes()).unwrap();
        return;
    }
    for stale in ["1", "1 a test=5"] {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args([name, "--exact", "--nocapture"]);
        let output = test.env("LONGHAUL_PROVE", stale).env("LONGHAUL_TEST_STALE", "1").output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && printed.contains(GROWING), "{stale}: {printed}");
    }
}

#[test]
fn a_program_ends_with_the_process_that_proves_it() {
    let name = "a_program_ends_with_the_process_that_proves_it";
    let sleep = |_| {
        let mut sleep = Command::new("sleep");
        sleep.arg("605.2");
        sleep
    };
    if std::env::var_os("LONGHAUL_TEST_KILLED").is_some() {
        Proof::of_command(sleep).run().unwrap_err();
        return;
    }
    let is_running = || {
        let found = Command::new("pgrep").args(["-f", "^sleep 605.2$"]).output().unwrap();
        !found.stdout.is_empty()
    };
    let within_seconds = |expected| {
        (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            is_running() == expected
        })
    };
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args([name, "--exact", "--nocapture"]).env("LONGHAUL_TEST_KILLED", "1");
    let mut prover = test.stdout(Stdio::null()).spawn().unwrap();
    assert!(within_seconds(true), "the program does not start");
    prover.kill().unwrap();
    prover.wait().unwrap();
    assert!(within_seconds(false), "the program outlives the process that proves it");
}

#[test]
fn a_closure_that_panics_is_a_failed_run() {
    let failed = panic::catch_unwind(|| assert_constant_memory!(SIZES, |_| std::process::abort()));
    let message = failed.unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("the run with an input of 8MiB failed"), "{message}");
}

#[test]
fn a_program_that_hangs_or_cannot_be_started_is_an_error() {
    let hangs = |_| {
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        sleep
    };
    let error = Proof::of_command(hangs).timeout(Duration::from_millis(300)).run().unwrap_err();
    assert!(matches!(error, ProveError::Hangs { .. }), "{error}");
    let error = Proof::of_command(|_| Command::new("/nonexistent")).run().unwrap_err();
    assert!(matches!(error, ProveError::Watch { .. }), "{error}");
}

#[test]
fn nothing_that_a_program_leaves_behind_runs_after_it() {
    for start in ["", "env -i", "setsid"] {
        let script = format!("{start} sleep 605.1 </dev/null >/dev/null 2>&1 & exit 0");
        let leaves = |_| {
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]);
            shell
        };
        let conclusion = Proof::of_command(leaves).sizes([MIB]).rounds(3).run().unwrap();
        assert_eq!(conclusion.records.len(), 3, "{conclusion}");
        let left = Command::new("pgrep").args(["-f", "^sleep 605.1$"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&left.stdout), "", "'{start}' leaves a process");
    }
}

#[test]
fn runs_that_decide_nothing_are_followed_by_more() {
    if Command::new("python3").arg("--version").output().is_err() {
        return skip("python3 is missing");
    }
    // Every second run keeps 50 MiB more, whatever its size, and is level.
    let script = "import sys, time\nkept = b'x' * (50 << 20) * int(sys.argv[1])\nfor _ in range(int(sys.argv[2]) >> 18): time.sleep(0.005)";
    let run = Cell::new(0_u32);
    let scatters = |size: u64| {
        let mut python = Command::new("python3");
        python.args(["-c", script, &(run.replace(run.get() + 1) % 2).to_string(), &size.to_string()]);
        python
    };
    let conclusion = Proof::of_command(scatters).sizes(SIZES).rounds(2).run().unwrap();
    assert_eq!(conclusion.constancy, Constancy::Inconclusive, "{conclusion}");
    assert_eq!((conclusion.records.len(), conclusion.records.last().unwrap().round), (24, 7));
}

#[test]
fn a_process_that_lives_on_is_watched_while_it_works() {
    // The program keeps as many bytes as a line asks for.
    let script = "import sys\nkept = []\nfor line in sys.stdin:\n for _ in range(int(line) >> 20): kept.append(b'x' * (1 << 20))\n \
                  print('done', flush=True)";
    if Command::new("python3").arg("--version").output().is_err() {
        return skip("python3 is missing");
    }
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, stdout) = (python.stdin.take().unwrap(), python.stdout.take().unwrap());
    let mut lines = BufReader::new(stdout).lines();
    let work = |bytes| {
        writeln!(stdin, "{bytes}").unwrap();
        lines.next().unwrap().unwrap();
    };
    let conclusion = Proof::watching(python.id(), work).sizes(SIZES).run().unwrap();
    assert_eq!(conclusion.constancy, Constancy::Growing, "{conclusion}");
    assert!(conclusion.peak_rss_bytes() > Some(64 * MIB) && conclusion.records.len() == 9);
    python.kill().unwrap();
    python.wait().unwrap();
}
