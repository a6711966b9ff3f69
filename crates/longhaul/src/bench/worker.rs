//! A worker process as the orchestrator sees it.

use std::{path::Path, process::Stdio, time::Duration};

use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    record::{End, Fault, FaultKind},
    worker::{Event, Job, Order},
};

/// How much later than its own watch a silent worker is given up.
const GRACE: Duration = Duration::from_secs(5);

/// How long a worker that has reported may take to leave by itself.
const FAREWELL: Duration = Duration::from_millis(500);

/// How much of a line that is no event is quoted, in characters.
const QUOTED: usize = 80;

/// A running worker; dropping it kills the process.
pub(super) struct Worker {
    end: End,
    child: Child,
    orders: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    /// Ends when nobody has the process's standard error open any more.
    last_words: Option<JoinHandle<String>>,
    silence: Duration,
}

impl Worker {
    /// Starts `program` as a worker and gives it its job.
    pub(super) async fn start(program: &Path, job: &Job) -> Result<Self, Fault> {
        let end = job.end();
        let failed = |error| failed(end, format!("cannot be started: {error}"));
        let mut child = Command::new(program)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the orchestrator, which ends its workers itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(orders), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(self::failed(end, "has no pipes"));
        };
        let mut worker = Self {
            end,
            child,
            orders,
            events: BufReader::new(stdout).lines(),
            last_words: Some(listen_for_last_words(stderr)),
            silence: Duration::from_secs_f64(job.timeout_s) + GRACE,
        };
        worker.tell(job).await?;
        Ok(worker)
    }

    /// Orders the worker to do something.
    pub(super) async fn order(&mut self, order: Order) -> Result<(), Fault> {
        self.tell(&order).await
    }

    async fn tell(&mut self, what: &impl Serialize) -> Result<(), Fault> {
        let line = serde_json::to_string(what).map_err(|error| failed(self.end, error))? + "\n";
        match self.orders.write_all(line.as_bytes()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.death().await),
        }
    }

    /// What the worker tells next. May be dropped and called again without losing anything.
    pub(super) async fn event(&mut self) -> Result<Event, Fault> {
        let silent = || {
            let message = format!("said nothing for {} s", self.silence.as_secs_f64());
            Fault { kind: FaultKind::Timeout, ..failed(self.end, message) }
        };
        match timeout(self.silence, self.events.next_line()).await.map_err(|_| silent())? {
            Ok(Some(line)) => serde_json::from_str(&line).map_err(|_| {
                let quoted: String = line.chars().take(QUOTED).collect();
                failed(self.end, format!("said what is no event: '{quoted}'"))
            }),
            Ok(None) | Err(_) => Err(self.death().await),
        }
    }

    /// Why the process is no longer there.
    async fn death(&mut self) -> Fault {
        let status = match timeout(GRACE, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            _ => "it closed its output".into(),
        };
        let words = match self.last_words.take() {
            Some(words) => timeout(FAREWELL, words).await.ok().and_then(Result::ok).unwrap_or_default(),
            None => String::new(),
        };
        let words = if words.is_empty() { words } else { format!(": {words}") };
        failed(self.end, format!("died ({status}){words}"))
    }

    pub(super) fn end(&self) -> End {
        self.end
    }

    /// Sees to it that the process is gone, so that it disturbs nothing that runs after it.
    pub(super) async fn stop(mut self) {
        drop(self.orders);
        if timeout(FAREWELL, self.child.wait()).await.is_err() {
            // The process cannot refuse; what cannot be killed is not ours to wait for.
            let _ = self.child.kill().await;
        }
    }
}

/// Listens for the last line that a worker writes to its standard error.
fn listen_for_last_words(stderr: ChildStderr) -> JoinHandle<String> {
    tokio::spawn(async move {
        let (mut lines, mut last) = (BufReader::new(stderr).lines(), String::new());
        while let Ok(Some(line)) = lines.next_line().await {
            if !line.trim().is_empty() {
                last = line;
            }
        }
        last
    })
}

fn failed(end: End, what: impl std::fmt::Display) -> Fault {
    Fault { kind: FaultKind::Worker, message: format!("the {end}'s process {what}"), end: Some(end) }
}
