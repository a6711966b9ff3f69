//! The process of a relay, as its session sees it: an emulated network between the two ends of a run.

use std::{io, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use network::{RelayEvent, RelayFault, RelayJob, RelayOrder, Site, relay::ARGUMENT};
use record::{Fault, FaultKind, NetworkRecord, NetworkSpec};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};
use uuid::Uuid;

use crate::{messages::Role, worker_process::last_line};

/// The time limit for an answer of a relay that does not depend on the network.
const ANSWER: Duration = Duration::from_secs(10);

/// The round trips of the network that the first event may take: pings, of which each has a time limit.
const ROUND_TRIPS: u32 = 12;

/// The time limit for the end of a relay after its report.
const EXIT_GRACE: Duration = Duration::from_millis(500);

/// A running relay. Dropping it kills the process, and with it the network.
pub struct RelayProcess {
    child: Child,
    orders: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    last_line: Option<JoinHandle<String>>,
    client: Option<Site>,
    server: Option<Site>,
}

/// The failure of a relay.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The relay itself says why it cannot do its job.
    #[error("{0}")]
    Refused(#[from] RelayFault),
    /// The process cannot be started, has died or stays silent.
    #[error("the relay of the network {0}")]
    Process(String),
}

impl RelayError {
    /// Returns whether no run over the network can succeed on this machine, with these rights.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Refused(fault) if fault.is_unsupported)
    }
}

impl From<RelayError> for Fault {
    fn from(error: RelayError) -> Self {
        Self::new(FaultKind::Worker, error)
    }
}

impl RelayProcess {
    /// Starts this program again as a relay, and waits until its network exists.
    ///
    /// # Errors
    /// Fails if the process or its network cannot be made.
    pub async fn of_this_program(network: NetworkSpec) -> Result<Self, RelayError> {
        let program = std::env::current_exe().map_err(|error| failed("cannot be found", &error))?;
        Self::start(&program, network).await
    }

    /// Starts `program` as a relay, and waits until its network exists and pings have passed it.
    ///
    /// # Errors
    /// Fails if the process or its network cannot be made.
    pub(crate) async fn start(program: &Path, network: NetworkSpec) -> Result<Self, RelayError> {
        let mut child = Command::new(program)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C reaches only the session, which ends its processes itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("cannot be started", &error))?;
        let (Some(orders), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(RelayError::Process("has no pipes".into()));
        };
        let last_line = child.stderr.take().map(last_line);
        let events = BufReader::new(stdout).lines();
        let mut relay = Self { child, orders, events, last_line, client: None, server: None };
        let seed = Uuid::new_v4().as_u64_pair().0;
        relay.write(&RelayJob { network, seed }).await?;
        let patience = ANSWER + ROUND_TRIPS * (network.rtt + 2 * network.jitter);
        match relay.event(patience).await? {
            RelayEvent::Ready { client, server } => (relay.client, relay.server) = (client, server),
            other => return Err(unexpected(other)),
        }
        Ok(relay)
    }

    /// Returns the place in which an end must run; `None` if it may run anywhere.
    pub(crate) fn site(&self, role: &Role) -> Option<&Site> {
        match role {
            Role::Server => self.server.as_ref(),
            Role::Client(_) => self.client.as_ref(),
        }
    }

    /// Returns the address by which a client reaches a server that listens.
    ///
    /// # Errors
    /// Fails if the relay is gone or cannot listen.
    pub async fn address_of(&mut self, server: SocketAddr, is_udp: bool) -> Result<SocketAddr, RelayError> {
        if self.server.is_some() {
            return Ok(server);
        }
        self.write(&RelayOrder::Connect { server, is_udp }).await?;
        match self.event(ANSWER).await? {
            RelayEvent::Listening(address) => Ok(address),
            other => Err(unexpected(other)),
        }
    }

    /// Waits for the failure of a relay that should go on. Cancel-safe.
    pub async fn failure(&mut self) -> RelayError {
        match self.event(Duration::MAX).await {
            Ok(event) => unexpected(event),
            Err(error) => error,
        }
    }

    /// Ends the relay. Returns its measurements.
    ///
    /// # Errors
    /// Fails if the relay is gone or cannot report.
    pub async fn finish(mut self) -> Result<NetworkRecord, RelayError> {
        self.write(&RelayOrder::Finish).await?;
        let report = match self.event(ANSWER).await? {
            RelayEvent::Done(report) => *report,
            other => return Err(unexpected(other)),
        };
        // A relay that stays is killed when it is dropped.
        let _ = timeout(EXIT_GRACE, self.child.wait()).await;
        Ok(report)
    }

    async fn write(&mut self, message: &impl Serialize) -> Result<(), RelayError> {
        let line =
            serde_json::to_string(message).map_err(|error| RelayError::Process(error.to_string()))? + "\n";
        match self.orders.write_all(line.as_bytes()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.death().await),
        }
    }

    async fn event(&mut self, patience: Duration) -> Result<RelayEvent, RelayError> {
        let Ok(line) = timeout(patience, self.events.next_line()).await else {
            return Err(RelayError::Process(format!("was silent for {} s", patience.as_secs())));
        };
        match line {
            Ok(Some(line)) => serde_json::from_str(&line)
                .map_err(|error| RelayError::Process(format!("wrote a line that is not an event: {error}"))),
            Ok(None) | Err(_) => Err(self.death().await),
        }
    }

    /// Returns the error that states how the process ended.
    async fn death(&mut self) -> RelayError {
        let status = match timeout(EXIT_GRACE, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            _ => "it closed its output".into(),
        };
        let line = match self.last_line.take() {
            Some(line) => timeout(EXIT_GRACE, line).await.ok().and_then(Result::ok).unwrap_or_default(),
            None => String::new(),
        };
        let reason = if line.is_empty() { line } else { format!(": {line}") };
        RelayError::Process(format!("died ({status}){reason}"))
    }
}

fn failed(what: &str, error: &io::Error) -> RelayError {
    RelayError::Process(format!("{what}: {error}"))
}

/// Returns the error of a relay that has sent an event which none of its orders asked for.
fn unexpected(event: RelayEvent) -> RelayError {
    match event {
        RelayEvent::Failed(fault) => fault.into(),
        _ => RelayError::Process("reported out of turn".into()),
    }
}
