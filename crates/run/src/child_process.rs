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

/// The time limit for the exit of a process after it has closed its output.
const DEATH: Duration = Duration::from_secs(5);

/// The time limit for the exit of a process after its standard input is closed, and for the last line of its standard
/// error.
const EXIT: Duration = Duration::from_millis(500);

/// The longest quoted part of a malformed line, in characters.
const QUOTED: usize = 80;

/// A running child process. Dropping it kills the process.
pub(crate) struct ChildProcess {
    child: Child,
    orders: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    /// A task that reads the last line of standard error, and ends once no process has standard error open.
    last_line: Option<JoinHandle<String>>,
    /// Describes the exit of the process in error messages.
    describe: Describe,
}

/// A function that describes the exit of a process in words.
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
        /// The exit code or signal of the process, or a statement that it only closed its output.
        status: String,
        /// The last line of its standard error after a colon; empty if it wrote none.
        reason: String,
    },
    /// An order cannot be written as JSON.
    #[error("cannot be given an order: {0}")]
    Order(#[source] serde_json::Error),
    /// A line of output is not an event.
    #[error("wrote a line that is not an event: '{0}'")]
    Line(String),
}

impl ChildProcess {
    /// Starts a program with pipes for orders and events. `stderr` is the destination of its standard error. `describe`
    /// puts an early exit into words for [`ChildError::Died`].
    pub(crate) fn start(
        command: &mut Command,
        stderr: Stdio,
        describe: impl Fn(ExitStatus) -> String + Send + Sync + 'static,
    ) -> Result<Self, ChildError> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Ctrl-C thus reaches the session only, and the session ends its processes itself.
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

    /// Sends an order. If the process is gone, the error describes its exit.
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
                serde_json::from_slice(line.as_bytes()).map_err(not_an_event)
            }
            Ok(None) | Err(_) => Err(self.death().await),
        }
    }

    /// Waits for the exit of a process that has closed a pipe, and returns the error that describes it.
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

    /// Closes standard input and waits for the exit, so that the process disturbs no later run. Kills a process that
    /// stays.
    pub(crate) async fn stop(mut self) {
        drop(self.orders);
        if timeout(EXIT, self.child.wait()).await.is_err() {
            // An error means that the process cannot be killed.
            let _ = self.child.kill().await;
        }
    }
}
