//! The verdicts of proofs on 2,000 synthetic series for each shape of memory and noise.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Context, outcome::Outcome};
use crate::workspace;

/// The test that simulates the series, and prints a line for each shape and noise.
const TEST: &str = "less_than_one_verdict_in_a_hundred_is_wrong_among_2000";

const HEAD: [&str; 8] =
    ["shape", "noise", "CONSTANT", "GROWING SLOWLY", "GROWING", "INCONCLUSIVE", "wrong", "series"];

pub(super) fn run(_: &Context<'_>) -> Result<Outcome> {
    let output = Command::new("cargo")
        .args(["test", "--quiet", "--locked", "--package", "longhaul-analyse", "--lib"])
        .args(["--", "--ignored", "--nocapture", TEST])
        .current_dir(workspace::root())
        .output()
        .context("cannot start cargo")?;
    Ok(outcome(&String::from_utf8_lossy(&output.stderr), output.status.success()))
}

/// Returns the outcome of the test, which printed `text`.
fn outcome(text: &str, has_passed: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let tallies: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("tally\t")?.split('\t').collect()))
        .filter(|cells: &Vec<&str>| cells.len() == HEAD.len())
        .collect();
    outcome.row(HEAD);
    tallies.iter().for_each(|cells| outcome.row(cells));
    let share = |cells: &Vec<&str>| {
        let number = |cell: &str| cell.parse().unwrap_or(f64::NAN);
        100.0 * number(cells[6]) / number(cells[7])
    };
    let most = tallies.iter().map(share).fold(0.0, f64::max);
    let measured = format!("{most:.2} % at most");
    outcome.check("wrong verdicts on each shape and noise", "at most 1 %", measured, most <= 1.0);
    let measured = format!("{} series", tallies.len());
    outcome.check("the simulation itself", "passes", measured, has_passed && !tallies.is_empty());
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_deceives_more_than_one_proof_in_a_hundred_fails() {
        let holds = |text: &str, has_passed| {
            let outcome = outcome(text, has_passed);
            outcome.checks.iter().map(|check| check.holds()).collect::<Vec<_>>()
        };
        let good = "running 1 test\ntally\tflat\tQuiet\t1990\t0\t0\t10\t20\t2000\n";
        assert_eq!(holds(good, true), [true, true]);
        assert_eq!(
            holds(&format!("{good}tally\tleak\tSlow\t1990\t0\t0\t10\t21\t2000\n"), false),
            [false, false]
        );
        assert_eq!(holds("error: cannot build\n", false), [true, false]);
    }
}
