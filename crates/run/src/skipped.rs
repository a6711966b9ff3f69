//! Tests that this machine cannot run.

use std::{
    io::{Write as _, stderr},
    thread,
};

/// Says that the current test does not run, and why. libtest shows nothing that a passing test prints by `eprintln!`,
/// so this writes to stderr itself.
pub(crate) fn skip(reason: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("?");
    stderr().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes()).unwrap();
}
