//! The step `times`: the duration of the commands that a newcomer runs first, compared with limits for a machine with
//! two cores.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use metrics::Stamp;

use super::{Context, outcome::Outcome};
use crate::workspace;

/// Commands of the program without flags, each with its limit in seconds.
const COMMANDS: [(&str, u64); 2] = [("bench", 150), ("prove", 480)];

/// The quick benches of all transfers: in a clean tree, and once built, each with its limit in seconds.
const BENCHES: [(&str, u64); 2] =
    [("cargo bench -- --quick from clean", 480), ("cargo bench -- --quick", 120)];

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row(["command", "seconds", "limit"]);
    let folder = tempfile::tempdir().context("no temporary folder")?;
    for (name, limit) in COMMANDS {
        let mut command = Command::new(context.program);
        time(command.arg(name).current_dir(&folder), &format!("longhaul {name}"), limit, &mut outcome)?;
    }
    let target = workspace::root().join("target/times");
    let _ = fs::remove_dir_all(&target);
    for (name, limit) in BENCHES {
        let mut command = Command::new("cargo");
        command.args(["bench", "--locked", "--target-dir"]).arg(&target).args(["--", "--quick"]);
        time(command.current_dir(workspace::root()), name, limit, &mut outcome)?;
    }
    fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))?;
    Ok(outcome)
}

/// Runs a command. Checks that it succeeds within its limit.
fn time(command: &mut Command, name: &str, limit: u64, outcome: &mut Outcome) -> Result<()> {
    let began = Stamp::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {name}"))?;
    let taken = began.elapsed();
    outcome.row([name.to_owned(), taken.as_secs().to_string(), limit.to_string()]);
    outcome.check(name, "exit status: 0", status.to_string(), status.success());
    let measured = format!("{} s", taken.as_secs());
    outcome.check(name, format!("at most {limit} s"), measured, taken <= Duration::from_secs(limit));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_or_is_late_fails_the_step() {
        let failures = |program: &str, limit| {
            let mut outcome = Outcome::default();
            time(&mut Command::new(program), program, limit, &mut outcome).unwrap();
            outcome.checks.iter().filter(|check| !check.holds()).count()
        };
        assert_eq!([failures("true", 60), failures("false", 60), failures("true", 0)], [0, 1, 1]);
    }
}
