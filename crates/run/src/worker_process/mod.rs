//! A worker process, as its orchestrator sees it.

mod environment;
mod last_line;

use std::{path::Path, process::Stdio, time::Duration};

use record::{End, Fault, FaultKind};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

pub use last_line::last_line;

use crate::{
    machine::{Enclosure, OomWatch},
    messages::{Event, Job, Order},
    worker::ARGUMENT,
};

/// The time beyond a worker's own timeout after which a silent worker is killed.
const GRACE: Duration = Duration::from_secs(5);

/// The time limit for a worker to exit after its report.
const EXIT_GRACE: Duration = Duration::from_millis(500);

/// The longest quoted part of a line that is not an event, in characters.
const QUOTED: usize = 80;

/// The dialogue with the worker of one end, on this host or on another.
pub(crate) trait EndWorker {
    /// Returns the end of the body that the worker runs.
    fn end(&self) -> End;

    /// Waits for the next event of the worker. Cancel-safe.
    async fn event(&mut self) -> Result<Event, Fault>;

    /// Sends the worker an order.
    async fn order(&mut self, order: Order) -> Result<(), Fault>;

    /// Waits until the process is gone, so that it disturbs no later run. Kills the process if it stays.
    async fn stop(self);
}

/// A running worker on this host. Dropping it kills the process.
pub(crate) struct WorkerProcess {
    end: End,
    child: Child,
    orders: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    /// A task that reads the last line of standard error, and ends once no process has standard error open.
    last_line: Option<JoinHandle<String>>,
    /// The time without any event or order after which the worker is killed.
    silence: Duration,
    /// The time of the last event or order.
    heard: Instant,
    /// The watch for kills for lack of memory since the worker was started.
    oom: OomWatch,
    /// The worker's own cgroup, if any. This is the last field, so that the cgroup is removed after the worker was
    /// killed.
    _enclosure: Option<Enclosure>,
}

impl WorkerProcess {
    /// Starts `program` as a worker and gives it its job. The worker moves itself to the cgroup that the job names,
    /// which `enclosure` removes when it is dropped.
    pub(crate) async fn start(
        program: &Path,
        job: &Job,
        enclosure: Option<Enclosure>,
    ) -> Result<Self, Fault> {
        let end = job.end();
        let oom = OomWatch::begin();
        let failed = |error| failed(end, format!("cannot be started: {error}"));
        let mut command = Command::new(program);
        environment::fix(&mut command);
        command
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A worker that logs inherits the session's standard error.
            .stderr(if job.log.is_some() { Stdio::inherit() } else { Stdio::piped() })
            // Ctrl-C reaches only the orchestrator, which ends its workers itself.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(orders), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(self::failed(end, "has no pipes"));
        };
        let mut worker = Self {
            end,
            orders,
            events: BufReader::new(stdout).lines(),
            last_line: child.stderr.take().map(last_line),
            child,
            silence: job.settings().timeout.saturating_add(GRACE),
            heard: Instant::now(),
            oom,
            _enclosure: enclosure,
        };
        worker.write(job).await?;
        Ok(worker)
    }

    async fn write(&mut self, message: &impl Serialize) -> Result<(), Fault> {
        let line = serde_json::to_string(message).map_err(|error| failed(self.end, error))? + "\n";
        match self.orders.write_all(line.as_bytes()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.death().await),
        }
    }

    /// Returns the fault that states how the process ended.
    async fn death(&mut self) -> Fault {
        let status = match timeout(GRACE, self.child.wait()).await {
            Ok(Ok(status)) => self.oom.describe(status),
            _ => "it closed its output".into(),
        };
        let line = match self.last_line.take() {
            Some(line) => timeout(EXIT_GRACE, line).await.ok().and_then(Result::ok).unwrap_or_default(),
            None => String::new(),
        };
        let reason = if line.is_empty() { line } else { format!(": {line}") };
        failed(self.end, format!("died ({status}){reason}"))
    }
}

impl EndWorker for WorkerProcess {
    fn end(&self) -> End {
        self.end
    }

    async fn event(&mut self) -> Result<Event, Fault> {
        let silent = || {
            let message = format!("was silent for {} s", self.silence.as_secs_f64());
            Fault { kind: FaultKind::Timeout, ..failed(self.end, message) }
        };
        let by = self.heard.checked_add(self.silence);
        let line = match by {
            Some(by) => timeout_at(by, self.events.next_line()).await.map_err(|_| silent())?,
            None => self.events.next_line().await,
        };
        self.heard = Instant::now();
        match line {
            Ok(Some(line)) => serde_json::from_str(&line).map_err(|_| {
                let quoted: String = line.chars().take(QUOTED).collect();
                failed(self.end, format!("wrote a line that is not an event: '{quoted}'"))
            }),
            Ok(None) | Err(_) => Err(self.death().await),
        }
    }

    async fn order(&mut self, order: Order) -> Result<(), Fault> {
        self.heard = Instant::now();
        self.write(&order).await
    }

    async fn stop(mut self) {
        drop(self.orders);
        if timeout(EXIT_GRACE, self.child.wait()).await.is_err() {
            // Do not wait for a process that cannot be killed.
            let _ = self.child.kill().await;
        }
    }
}

/// Returns the fault of a worker that has sent an event which none of its orders asked for.
pub(crate) fn unexpected(worker: &impl EndWorker, event: Event) -> Fault {
    let out_of_turn = || {
        let message = format!("the {}'s process reported out of turn", worker.end());
        Fault::new(FaultKind::Worker, message).at(worker.end())
    };
    match event {
        Event::Done(report) => report.fault.map_or_else(out_of_turn, |fault| fault.at(worker.end())),
        _ => out_of_turn(),
    }
}

fn failed(end: End, what: impl std::fmt::Display) -> Fault {
    Fault { kind: FaultKind::Worker, message: format!("the {end}'s process {what}"), end: Some(end) }
}
