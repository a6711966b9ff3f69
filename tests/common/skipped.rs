//! Tests that this machine cannot run. Each says so at once, and `tests/wrap_up.rs` lists all of them at the end.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "test crates that do without the other helpers include this file"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::OpenOptions,
    io::{Write as _, stderr},
    os::unix::process::parent_id,
    path::{Path, PathBuf},
    thread,
};

/// The separator between a test and its reason in the list.
pub const BETWEEN: char = '\t';

/// Returns the file of the skipped tests of this `cargo test`, whose process started that of each test target.
pub fn list() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("skipped-{}", parent_id()))
}

/// Says that the current test does not run, why, and what would be needed. libtest shows nothing that a passing test
/// prints by `eprintln!`, so this writes to stderr itself.
pub fn skip(reason: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("?");
    stderr().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes()).unwrap();
    let mut list = OpenOptions::new().append(true).create(true).open(list()).unwrap();
    list.write_all(format!("{test}{BETWEEN}{reason}\n").as_bytes()).unwrap();
}
