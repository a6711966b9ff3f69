//! Worker processes, from the side of the session that starts them.

mod environment;

use std::{path::Path, process::Stdio, time::Duration};

use record::{End, Fault, FaultKind};
use tokio::{
    process::Command,
    time::{Instant, timeout_at},
};

use crate::{
    child_process::{ChildError, ChildProcess},
    machine::{Enclosure, OomWatch},
    messages::{Event, Job, Order},
    worker::ARGUMENT,
};

/// The time after a worker's own timeout at which a silent worker counts as failed.
const GRACE: Duration = Duration::from_secs(5);

/// The dialogue with the worker of one end, on this host or on another one.
pub(crate) trait EndWorker {
    /// Returns the end that the worker runs: sender or receiver.
    fn end(&self) -> End;

    /// Waits for the next event of the worker. Cancel-safe.
    async fn event(&mut self) -> Result<Event, Fault>;

    /// Sends the worker an order.
    async fn order(&mut self, order: Order) -> Result<(), Fault>;

    /// Waits for the exit of the worker, so that it disturbs no later run. Kills a worker that stays.
    async fn stop(self);
}

/// A running worker on this host. Dropping it kills the process.
pub(crate) struct WorkerProcess {
    end: End,
    child: ChildProcess,
    /// The time without an event or an order after which the worker counts as failed.
    silence: Duration,
    /// The time at which the last event arrived or the last order was sent.
    heard: Instant,
    /// The worker's own cgroup, if any. It is the last field because a cgroup can be removed only after its process was
    /// killed.
    _enclosure: Option<Enclosure>,
}

impl WorkerProcess {
    /// Starts `program` as a worker, and sends it its job. The worker moves itself to the cgroup that the job names.
    /// Dropping `enclosure` removes that cgroup.
    pub(crate) async fn start(
        program: &Path,
        job: &Job,
        enclosure: Option<Enclosure>,
    ) -> Result<Self, Fault> {
        let (end, oom) = (job.end(), OomWatch::begin());
        let mut command = Command::new(program);
        environment::fix(&mut command);
        command.arg(ARGUMENT);
        // The log of a worker goes to the standard error of the session.
        let stderr = if job.log.is_some() { Stdio::inherit() } else { Stdio::piped() };
        let child = ChildProcess::start(&mut command, stderr, move |status| oom.describe(status));
        let mut child = child.map_err(|error| failed(end, error))?;
        child.order(job).await.map_err(|error| failed(end, error))?;
        let silence = job.settings().timeout.saturating_add(GRACE);
        Ok(Self { end, child, silence, heard: Instant::now(), _enclosure: enclosure })
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
        let event = match self.heard.checked_add(self.silence) {
            Some(by) => timeout_at(by, self.child.event()).await.map_err(|_| silent())?,
            None => self.child.event().await,
        };
        self.heard = Instant::now();
        event.map_err(|error: ChildError| failed(self.end, error))
    }

    async fn order(&mut self, order: Order) -> Result<(), Fault> {
        self.heard = Instant::now();
        self.child.order(&order).await.map_err(|error| failed(self.end, error))
    }

    async fn stop(self) {
        self.child.stop().await;
    }
}

/// Returns the fault of a worker that has sent an event out of turn. If the event is a report of a failure, returns
/// that failure.
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
