//! A program under proof: started, watched, and ended with everything that it has started.

use std::{
    ffi::OsString,
    io,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::{
    sys::{
        prctl,
        signal::{Signal, kill, killpg},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use process::ProcessTree;
use record::{Fault, FaultKind, printable};
use run::{last_line, machine::OomWatch};
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};
use uuid::Uuid;

/// The environment variable that marks descendants of a program, also those whose parent has ended.
const MARK: &str = "LONGHAUL_SUBJECT";

/// The time in which the last line of standard error is waited for.
const LAST_LINE: Duration = Duration::from_millis(500);

/// The longest quoted line of standard error, in characters.
const QUOTED: usize = 300;

/// A running program. Dropping it kills the program and all its descendants.
pub(crate) struct Program {
    name: String,
    child: Child,
    tree: Arc<Mutex<ProcessTree>>,
    mark: String,
    /// A task that reads the last line of standard error, and ends when no process has standard error open.
    last_line: Option<JoinHandle<String>>,
    oom: OomWatch,
}

impl Program {
    /// Starts a program without input. Its standard output is discarded.
    pub(crate) fn start(words: &[OsString]) -> Result<Self, Fault> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(Fault::new(FaultKind::Program, "the command is empty"));
        };
        let name = program.to_string_lossy().into_owned();
        let failed =
            |error: io::Error| Fault::new(FaultKind::Program, format!("{name} cannot be started: {error}"));
        // Descendants whose parent ends become children of this process, which then finds them. Without it they are missed.
        let _ = prctl::set_child_subreaper(true);
        let (oom, mark) = (OomWatch::begin(), Uuid::new_v4().simple().to_string());
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // Ctrl-C is for longhaul, which ends the program itself.
        let mut child = command.process_group(0).kill_on_drop(true).spawn().map_err(failed)?;
        let id = child.id().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let tree = Arc::new(Mutex::new(ProcessTree::of(id).map_err(failed)?));
        let last_line = child.stderr.take().map(last_line);
        Ok(Self { name, child, tree, mark, last_line, oom })
    }

    /// Looks for processes that the program has started since the last call.
    pub(crate) fn find_descendants(&self) {
        let mut tree = self.tree();
        tree.find_descendants();
        tree.adopt_children_marked(MARK, &self.mark);
    }

    /// Returns the processes of the program.
    pub(crate) fn tree(&self) -> MutexGuard<'_, ProcessTree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a function that takes one more sample of the memory, for its peak.
    pub(crate) fn sampler(&self) -> impl Fn() + Send + use<> {
        let tree = self.tree.clone();
        move || {
            let mut tree = tree.lock().unwrap_or_else(PoisonError::into_inner);
            tree.find_descendants();
            tree.read();
        }
    }

    /// Returns the exit status of the program; `None` while it runs. Descendants may outlive the program.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, Fault> {
        let failed = |error| Fault::new(FaultKind::Program, format!("{} is lost: {error}", self.name));
        self.child.try_wait().map_err(failed)
    }

    /// Returns whether neither the program nor anything that it has started runs.
    pub(crate) fn is_gone(&self) -> bool {
        self.tree().ids().is_empty()
    }

    /// Makes a fault that quotes the last line of the program's standard error.
    pub(crate) async fn fault(&mut self, kind: FaultKind, what: impl std::fmt::Display) -> Fault {
        let line = match self.last_line.take() {
            Some(line) => timeout(LAST_LINE, line).await.ok().and_then(Result::ok).unwrap_or_default(),
            None => String::new(),
        };
        let line: String = printable(line.trim()).chars().take(QUOTED).collect();
        let said = if line.is_empty() { line } else { format!(": {line}") };
        Fault::new(kind, format!("{} {what}{said}", self.name))
    }

    /// Describes the end of the program in words.
    pub(crate) fn describe(&self, status: ExitStatus) -> String {
        self.oom.describe(status)
    }

    /// Kills the program and all its descendants, and waits for those that are children of this process.
    pub(crate) fn end(&mut self) {
        // None once the program was waited for: its id may be that of another group then.
        let leader = self.child.id().and_then(pid);
        if let Some(leader) = leader {
            let _ = killpg(leader, Signal::SIGKILL);
        }
        self.find_descendants();
        let ids = self.tree().ids();
        for id in ids.into_iter().filter_map(pid) {
            let _ = kill(id, Signal::SIGKILL);
            if Some(id) != leader {
                let _ = waitpid(id, Some(WaitPidFlag::WNOHANG));
            }
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
