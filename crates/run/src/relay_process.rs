//! The process of a relay, which emulates a network between the two ends of a run.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use network::{RelayEvent, RelayFault, RelayJob, RelayOrder, Site, relay::ARGUMENT};
use record::{Fault, FaultKind, NetworkRecord, NetworkSpec};
use tokio::{process::Command, time::timeout};
use uuid::Uuid;

use crate::{
    child_process::{ChildError, ChildProcess},
    messages::Role,
};

/// The time limit for an answer of the relay, besides the delays of its network.
const ANSWER: Duration = Duration::from_secs(10);

/// The round trips of the network that the first event may take. The relay sends pings first, each with a time limit.
const ROUND_TRIPS: u32 = 12;

/// A running relay. Dropping it kills the process, and removes the network with it.
pub struct RelayProcess {
    child: ChildProcess,
    client: Option<Site>,
    server: Option<Site>,
}

/// The failure of a relay.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The relay has reported that it cannot do its job.
    #[error("{0}")]
    Refused(#[from] RelayFault),
    /// The process cannot be started, has died or stays silent.
    #[error("the relay of the network {0}")]
    Process(String),
}

impl RelayError {
    /// Returns whether every run over the network would fail on this machine with the rights of this user.
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
        Self::start(&program, network, None).await
    }

    /// Starts `program` as a relay, and waits until its network exists and pings have passed it. The ends get addresses
    /// of the same family as `address`, the one that the server was told to listen on.
    ///
    /// # Errors
    /// Fails if the process or its network cannot be made.
    pub(crate) async fn start(
        program: &Path,
        network: NetworkSpec,
        address: Option<IpAddr>,
    ) -> Result<Self, RelayError> {
        let described = |status: ExitStatus| status.to_string();
        let child = ChildProcess::start(Command::new(program).arg(ARGUMENT), Stdio::piped(), described)?;
        let mut relay = Self { child, client: None, server: None };
        let seed = Uuid::new_v4().as_u64_pair().0;
        relay.child.order(&RelayJob { network, seed, address }).await?;
        let patience = ANSWER + ROUND_TRIPS * (network.rtt + 2 * network.jitter);
        match relay.event(patience).await? {
            RelayEvent::Ready { client, server } => (relay.client, relay.server) = (client, server),
            other => return Err(unexpected(other)),
        }
        Ok(relay)
    }

    /// Returns the namespace and address of an end; `None` if the end may run anywhere.
    pub(crate) fn site(&self, role: &Role) -> Option<&Site> {
        match role {
            Role::Server => self.server.as_ref(),
            Role::Client(_) => self.client.as_ref(),
        }
    }

    /// Returns the address at which a client reaches the server that listens on `server`.
    ///
    /// # Errors
    /// Fails if the relay is gone or cannot listen.
    pub async fn address_of(&mut self, server: SocketAddr, is_udp: bool) -> Result<SocketAddr, RelayError> {
        if self.server.is_some() {
            return Ok(server);
        }
        self.child.order(&RelayOrder::Connect { server, is_udp }).await?;
        match self.event(ANSWER).await? {
            RelayEvent::Listening(address) => Ok(address),
            other => Err(unexpected(other)),
        }
    }

    /// Waits for a relay that should keep running to fail. Cancel-safe.
    pub async fn failure(&mut self) -> RelayError {
        match self.event(Duration::MAX).await {
            Ok(event) => unexpected(event),
            Err(error) => error,
        }
    }

    /// Ends the relay, and returns its measurements of the network.
    ///
    /// # Errors
    /// Fails if the relay is gone or cannot report.
    pub async fn finish(mut self) -> Result<NetworkRecord, RelayError> {
        self.child.order(&RelayOrder::Finish).await?;
        let report = match self.event(ANSWER).await? {
            RelayEvent::Done(report) => *report,
            other => return Err(unexpected(other)),
        };
        self.child.stop().await;
        Ok(report)
    }

    async fn event(&mut self, patience: Duration) -> Result<RelayEvent, RelayError> {
        let silent = |_| RelayError::Process(format!("was silent for {} s", patience.as_secs()));
        Ok(timeout(patience, self.child.event()).await.map_err(silent)??)
    }
}

impl From<ChildError> for RelayError {
    fn from(error: ChildError) -> Self {
        Self::Process(error.to_string())
    }
}

fn failed(what: &str, error: &io::Error) -> RelayError {
    RelayError::Process(format!("{what}: {error}"))
}

/// Returns the error of a relay that has sent an event out of turn. If the event is a failure, the error states that
/// failure.
fn unexpected(event: RelayEvent) -> RelayError {
    match event {
        RelayEvent::Failed(fault) => fault.into(),
        _ => RelayError::Process("reported out of turn".into()),
    }
}
