//! The list of all tests of the program that did not run, and what each of them needs. Cargo runs the targets of a package
//! in the order of their names, and the name of this one is the last.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/skipped.rs"]
mod skipped;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use skipped::{BETWEEN, list};

fn main() {
    let Ok(text) = fs::read_to_string(list()) else { return };
    fs::remove_file(list()).unwrap();
    let mut by_reason: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (test, reason) in text.lines().filter_map(|line| line.split_once(BETWEEN)) {
        by_reason.entry(reason).or_default().insert(test);
    }
    for (reason, tests) in by_reason {
        eprintln!("\n{} skipped: {reason}", counted(tests.len()));
        tests.iter().for_each(|test| eprintln!("    {test}"));
    }
}

fn counted(tests: usize) -> String {
    if tests == 1 { "1 test was".into() } else { format!("{tests} tests were") }
}
