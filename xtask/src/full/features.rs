//! The step `features`: the tests of the cargo features that no default build has.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Context, outcome::Outcome};
use crate::workspace;

/// A cargo feature, and the tests that run with it.
struct Feature {
    name: &'static str,
    /// Arguments of `cargo test`.
    tests: &'static [&'static str],
}

const FEATURES: &[Feature] = &[
    Feature {
        name: "trace of longhaul-allocator",
        tests: &["--package=longhaul-allocator", "--features=trace", "--test=trace"],
    },
    Feature {
        name: "heap-trace",
        tests: &[
            "--package=longhaul",
            "--features=heap-trace",
            "--test=end_to_end",
            "prove::proof::a_trace_",
        ],
    },
    Feature {
        name: "system-allocator",
        tests: &["--package=longhaul", "--features=system-allocator", "--test=end_to_end", "bench::heap::"],
    },
];

pub(super) fn run(_: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row(["feature", "tests", "passed"]);
    for Feature { name, tests } in FEATURES {
        // The line tables of debug builds have short names of functions, by which a trace cannot tell those of a program.
        let output = Command::new("cargo")
            .args(["test", "--release", "--locked"])
            .args(*tests)
            .current_dir(workspace::root())
            .output()
            .context("cannot start cargo")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let passed = passed(&text);
        outcome.row([
            (*name).to_owned(),
            format!("`cargo test --release {}`", tests.join(" ")),
            passed.to_string(),
        ]);
        let measured = if output.status.success() {
            format!("{passed} passed")
        } else {
            String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("no reason").to_owned()
        };
        outcome.check(
            *name,
            "at least one test, and all pass",
            measured,
            output.status.success() && passed > 0,
        );
    }
    Ok(outcome)
}

/// Returns the number of tests that passed, from what libtest prints: `test result: ok. 2 passed; 0 failed; …`.
fn passed(output: &str) -> usize {
    let results = output.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    results.filter_map(|result| result.split(' ').next()?.parse::<usize>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_summed_over_all_programs() {
        let output = "running 1 test\ntest result: ok. 1 passed; 0 failed; 3 filtered out\n\n\
                      test result: ok. 2 passed; 0 failed; 0 filtered out\ntest result: FAILED. 4 passed; 1 failed\n";
        assert_eq!(passed(output), 3);
        assert_eq!(passed("error: could not compile\n"), 0);
    }
}
