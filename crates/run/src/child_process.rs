//! A child process that takes orders and reports events, each a line of JSON.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::last_line::last_line;

/// The time limit for a process to exit that has closed its output.
const DEATH: Duration = Duration::from_secs(5);

/// The time limit for a process to exit after its report.
const EXIT: Duration = Duration::from_millis(500);

/// The longest quoted part of a line that is not an event, in characters.
const QUOTED: usize = 80;

/// A running child process. Dropping it kills the process.
pub(crate) struct ChildProcess {
    child: Child,
    orders: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    /// A task that reads the last line of standard error, and ends once no process has standard error open.
    last_line: Option<JoinHandle<String>>,
    /// States how the process ended.
    describe: Describe,
}

/// A function that states how a process ended.
type Describe = Box<dyn Fn(ExitStatus) -> String + Send + Sync>;

/// The end of the dialogue with a child process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    /// The process cannot be started.
    #[error("cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The process has ended, or closed its output.
    #[error("died ({status}){reason}")]
    Died {
        /// The exit code or signal of the process, or the fact that it only closed its output.
        status: String,
        /// The last line of its standard error after a colon; empty if it wrote none.
        reason: String,
    },
    /// An order cannot be written as JSON.
    #[error("cannot be given an order: {0}")]
    Order(#[source] serde_json::Error),
    /// A line of the process is not an event.
    #[error("wrote a line that is not an event: '{0}'")]
    Line(String),
}

impl ChildProcess {
    /// Starts a program with pipes for its orders and events. `stderr` is where its standard error goes. `describe` states
    /// how the process ended, if that comes too early.
    pub(crate) fn start(
        command: &mut Command,
        stderr: Stdio,
        describe: impl Fn(ExitStatus) -> String + Send + Sync + 'static,
    ) -> Result<Self, ChildError> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Ctrl-C reaches only the session, which ends its processes itself.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(ChildError::Start)?;
        let last_line = child.stderr.take().map(last_line);
        match (child.stdin.take(), child.stdout.take()) {
            (Some(orders), Some(events)) => {
                let (events, describe) = (BufReader::new(events).lines(), Box::new(describe));
                Ok(Self { child, orders, events, last_line, describe })
            }
            _ => Err(ChildError::Start(io::Error::other("it has no pipes"))),
        }
    }

    /// Sends an order.
    pub(crate) async fn order(&mut self, order: &impl Serialize) -> Result<(), ChildError> {
        let line = serde_json::to_string(order).map_err(ChildError::Order)? + "\n";
        match self.orders.write_all(line.as_bytes()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.death().await),
        }
    }

    /// Waits for the next event. Cancel-safe.
    pub(crate) async fn event<T: DeserializeOwned>(&mut self) -> Result<T, ChildError> {
        match self.events.next_line().await {
            Ok(Some(line)) => {
                let not_an_event = |_| ChildError::Line(line.chars().take(QUOTED).collect());
                serde_json::from_str(&line).map_err(not_an_event)
            }
            Ok(None) | Err(_) => Err(self.death().await),
        }
    }

    /// Returns the error that states how the process ended.
    async fn death(&mut self) -> ChildError {
        let status = match timeout(DEATH, self.child.wait()).await {
            Ok(Ok(status)) => (self.describe)(status),
            _ => "it closed its output".into(),
        };
        let line = match self.last_line.take() {
            Some(line) => timeout(EXIT, line).await.ok().and_then(Result::ok).unwrap_or_default(),
            None => String::new(),
        };
        let reason = if line.is_empty() { line } else { format!(": {line}") };
        ChildError::Died { status, reason }
    }

    /// Waits until the process is gone, so that it disturbs no later run. Kills the process if it stays.
    pub(crate) async fn stop(mut self) {
        drop(self.orders);
        if timeout(EXIT, self.child.wait()).await.is_err() {
            // Do not wait for a process that cannot be killed.
            let _ = self.child.kill().await;
        }
    }
}
