//! The execution of a step in a separate process, whose process group is killed at the time limit.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result};
use metrics::Stamp;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{Context, steps::Step};

/// The interval at which a step is checked.
const POLL: Duration = Duration::from_millis(100);

/// The way in which a step ended.
pub(super) enum Ending {
    /// The step has written its results.
    Done,
    /// The step failed by itself, without results.
    Failed(ExitStatus),
    /// The step was ended at its time limit.
    TimedOut(Duration),
}

/// Runs a step within its time limit.
pub(super) fn run(step: &Step, context: &Context<'_>) -> Result<Ending> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program's own file")?);
    command.args(["full", "--inside", step.name, "--out"]).arg(context.folder);
    command.arg("--longhaul").arg(context.program);
    command.args(["--soak-minutes", &context.soak_minutes.to_string()]);
    command.args(["--fuzz-seconds", &context.fuzz_seconds.to_string()]);
    within(&mut command, step.limit(context))
}

/// Runs a command in its own process group, and kills the group at the limit.
fn within(command: &mut Command, limit: Duration) -> Result<Ending> {
    let mut child = command.process_group(0).spawn().context("cannot start the step")?;
    let began = Stamp::now();
    while began.elapsed() < limit {
        if let Some(status) = child.try_wait().context("the step is lost")? {
            return Ok(if status.success() { Ending::Done } else { Ending::Failed(status) });
        }
        sleep(POLL);
    }
    end(&mut child)?;
    Ok(Ending::TimedOut(limit))
}

fn end(child: &mut Child) -> Result<()> {
    let group = i32::try_from(child.id()).context("a process without a usable number")?;
    // The group may be gone already.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    child.wait().context("the step is lost")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_is_late_is_ended_with_its_processes() {
        let mut quick = Command::new("true");
        assert!(matches!(within(&mut quick, Duration::from_secs(30)).unwrap(), Ending::Done));
        assert!(matches!(
            within(&mut Command::new("false"), Duration::from_secs(30)).unwrap(),
            Ending::Failed(_)
        ));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let mut late = Command::new("sh");
        late.arg("-c").arg(format!("sleep 100 & echo $! > {}; wait", file.display()));
        assert!(matches!(within(&mut late, Duration::from_secs(1)).unwrap(), Ending::TimedOut(_)));
        let grandchild: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let stat = || std::fs::read_to_string(format!("/proc/{grandchild}/stat"));
        let is_gone = || stat().map_or(true, |stat| stat.contains(") Z "));
        assert!(
            (0..100).any(|_| is_gone() || {
                sleep(POLL);
                false
            }),
            "the grandchild lives"
        );
    }
}
