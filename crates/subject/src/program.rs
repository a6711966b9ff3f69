//! A program under proof: started, watched, and ended together with its descendants.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};
use record::{Fault, FaultKind, printable};
use run::machine::{OomWatch, while_bound};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use uuid::Uuid;

use crate::{
    environment::Environment,
    output::Output,
    processes::{MARK, Processes, Turn},
};

/// The time in which the last line of standard error is waited for.
const LAST_LINE: Duration = Duration::from_millis(500);

/// The time in which a program ends after SIGTERM, before it is killed.
const GRACE: Duration = Duration::from_secs(1);

/// The most rounds of killing: a program may start processes while it is killed.
const ROUNDS: usize = 16;

/// The longest quoted line of standard error, in characters.
const QUOTED: usize = 300;

/// A running program. Dropping it kills the program and all its descendants.
pub(crate) struct Program {
    name: String,
    child: Child,
    processes: Processes,
    output: Output,
    oom: OomWatch,
}

impl Program {
    /// Starts a program without input. Its output is searched for the text `awaited`, and dropped except for the last
    /// line of standard error.
    pub(crate) fn start(words: &[OsString], awaited: Option<&str>) -> Result<Self, Fault> {
        Self::start_on(None, Environment::Inherited, words, awaited)
    }

    /// Starts a program as [`start`](Self::start) does, bound to a core and with an environment.
    pub(crate) fn start_on(
        core: Option<usize>,
        environment: Environment,
        words: &[OsString],
        awaited: Option<&str>,
    ) -> Result<Self, Fault> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(Fault::new(FaultKind::Program, "the command is empty"));
        };
        let name = program.to_string_lossy().into_owned();
        let failed =
            |error: io::Error| Fault::new(FaultKind::Program, format!("{name} cannot be started: {error}"));
        process::keep_orphans();
        let (oom, mark, turn) = (OomWatch::begin(), Uuid::new_v4(), Turn::begin());
        let mut command = Command::new(program);
        environment.apply(command.as_std_mut());
        command
            .args(arguments)
            .env(MARK, mark.simple().to_string())
            .stdin(Stdio::null())
            .stdout(if awaited.is_some() { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::piped());
        // Ctrl-C is for longhaul, which ends the program itself.
        command.process_group(0).kill_on_drop(true);
        let spawned = while_bound(core, || command.spawn()).map_err(|error| failed(error.into()))?;
        let mut child = spawned.map_err(failed)?;
        let id = child.id().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let processes = Processes::started(id, mark, turn).map_err(failed)?;
        let output = Output::of(&mut child, awaited);
        Ok(Self { name, child, processes, output, oom })
    }

    /// Returns the program as the command line names it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the processes of the program.
    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Returns whether the program has printed the awaited text.
    pub(crate) fn has_printed(&self) -> bool {
        self.output.has_matched()
    }

    /// Returns the exit status of the program; `None` while it runs. Descendants may outlive the program.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, Fault> {
        let failed = |error| Fault::new(FaultKind::Program, format!("{} is lost: {error}", self.name));
        self.child.try_wait().map_err(failed)
    }

    /// Returns the exit status of the program once all its descendants have ended, too.
    pub(crate) fn gone(&mut self) -> Result<Option<ExitStatus>, Fault> {
        Ok(self.ended()?.filter(|_| self.processes.are_gone()))
    }

    /// Waits until the program has ended, but leaves its exit status uncollected (WNOWAIT), so that its processor time
    /// can still be read.
    pub(crate) async fn exited(&self) -> Result<(), Fault> {
        let failed =
            |error: io::Error| Fault::new(FaultKind::Program, format!("{} is lost: {error}", self.name));
        // Without an id, the program was waited for already.
        let Some(id) = self.child.id().and_then(pid) else { return Ok(()) };
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let mut ends = signal(SignalKind::child()).map_err(failed)?;
        while waitid(Id::Pid(id), look).map_err(|error| failed(error.into()))? == WaitStatus::StillAlive {
            ends.recv().await;
        }
        Ok(())
    }

    /// Waits until the program has ended, but at most for `time`. The wait does not poll.
    pub(crate) async fn ended_within(&mut self, time: Duration) -> Result<Option<ExitStatus>, Fault> {
        timeout(time, self.exited()).await.unwrap_or(Ok(()))?;
        self.ended()
    }

    /// Makes a fault that quotes the last line of the program's standard error.
    pub(crate) async fn fault(&mut self, kind: FaultKind, what: impl std::fmt::Display) -> Fault {
        let line = timeout(LAST_LINE, self.output.last_line()).await.unwrap_or_default();
        let line: String = printable(line.trim()).chars().take(QUOTED).collect();
        let said = if line.is_empty() { line } else { format!(": {line}") };
        Fault::new(kind, format!("{} {what}{said}", self.name))
    }

    /// Describes the end of the program in words.
    pub(crate) fn describe(&self, status: ExitStatus) -> String {
        self.oom.describe(status)
    }

    /// Sends SIGTERM to the program, waits up to [`GRACE`] for its end, and kills the processes that are left.
    pub(crate) async fn stop(&mut self) {
        if let Some(leader) = self.child.id().and_then(pid) {
            let _ = killpg(leader, Signal::SIGTERM);
            let _ = timeout(GRACE, self.child.wait()).await;
        }
        self.end();
    }

    /// Kills the program and all its descendants, and waits for those that are children of this process.
    pub(crate) fn end(&mut self) {
        // `None` once the exit status was collected, because another process group may have the id then.
        let leader = self.child.id().and_then(pid);
        if let Some(leader) = leader {
            let _ = killpg(leader, Signal::SIGKILL);
        }
        let mut killed = BTreeSet::new();
        for _ in 0..ROUNDS {
            self.processes.find_descendants();
            let found = self.processes.tree().ids();
            let found: Vec<Pid> = found.into_iter().filter(|id| killed.insert(*id)).filter_map(pid).collect();
            if found.is_empty() {
                break;
            }
            for id in found {
                let _ = kill(id, Signal::SIGKILL);
            }
        }
        for id in killed.into_iter().filter_map(pid).filter(|id| Some(*id) != leader) {
            let _ = waitpid(id, Some(WaitPidFlag::WNOHANG));
        }
    }
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().map(Pid::from_raw)
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}
