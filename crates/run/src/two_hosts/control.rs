//! The side of the client's host in a control session with the host of the server's ends.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use record::{Case, Conditions, Fault, FaultKind, Host, IdlePolicy, quoted};
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep, timeout, timeout_at},
};
use transport::{Body, Connection};
use uuid::Uuid;

use super::{
    lines::{LineWriter, Lines, LinesError},
    peer_worker::PeerWorker,
    wire::{ALIVE, Answer, CONTROL_VERSION, Demand, Ended, RunDemand, SILENCE},
};
use crate::{
    Affinity, HostFacts, Observer, Settings,
    messages::{Event, ServerAddress},
    worker_process::unexpected,
};

/// The longest answer of the server's host, in bytes. A report with distributions and timeline takes about 100 KiB.
const LONGEST_ANSWER: usize = 8 << 20;

/// The time for which a lost host is dialled again before its run fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two attempts to reach a host.
const PAUSE: Duration = Duration::from_secs(1);

/// The time to wait for the end of a session that may have ended between two runs.
const ANSWER_WAIT: Duration = Duration::from_millis(2);

/// A way to the control resource of a host.
#[async_trait(?Send)]
pub trait Control {
    /// Opens a control session: sends a request with the body `demands` to [`CONTROL_PATH`](super::CONTROL_PATH), and
    /// waits for the head of the response.
    ///
    /// # Errors
    /// Fails if the host cannot be reached or refuses the session.
    async fn open(&self, demands: Body) -> Result<Opened, ControlError>;
}

/// A control session that the host has accepted.
pub struct Opened {
    /// The connection of the session, which stays open for as long as this value lives.
    pub connection: Arc<dyn Connection>,
    /// The address that was dialled.
    pub address: SocketAddr,
    /// The body of the response.
    pub answers: Body,
}

/// The failure to open a control session.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControlError {
    /// The host does not answer.
    #[error("{}", .0.message)]
    Unreachable(Fault),
    /// The host runs another session.
    #[error("{0}")]
    Busy(String),
    /// The host refuses the session, or is not the trusted host.
    #[error("{}", .0.message)]
    Refused(Fault),
    /// The host speaks another version of the control messages.
    #[error(
        "it speaks version {} of the control messages, and this program version {CONTROL_VERSION}; use the same version of \
         longhaul on both hosts",
        quoted(.0)
    )]
    Version(String),
}

impl ControlError {
    /// Returns whether a later attempt may succeed at a host that was reached before. Failed handshakes are among these
    /// errors: a host that dies breaks off the handshakes in progress.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Busy(_) => true,
            Self::Refused(fault) => fault.kind == FaultKind::Handshake,
            Self::Version(_) => false,
        }
    }
}

/// The host of the server's ends, as the session on the client's host uses it.
pub struct PeerHost {
    control: Box<dyn Control>,
    /// The idle control session; `None` before the first run, during a run, and after a loss.
    session: RefCell<Option<Session>>,
    facts: RefCell<HostFacts>,
    /// The facts of the last run, if it has ended in good order.
    ended: RefCell<Option<Ended>>,
    /// False after a lost host has not come back in time: later runs make a single attempt.
    is_awaited: Cell<bool>,
    idle: IdlePolicy,
    affinity: Affinity,
}

impl PeerHost {
    /// Reaches a host for the first time, and reads its facts.
    ///
    /// # Errors
    /// Fails if the host cannot be reached, or refuses the session.
    pub async fn reach(control: Box<dyn Control>) -> Result<Self, ControlError> {
        let session = Session::open(control.as_ref()).await?;
        let facts = session.facts.clone();
        session.close().await;
        Ok(Self {
            control,
            session: RefCell::new(None),
            facts: RefCell::new(facts),
            ended: RefCell::new(None),
            is_awaited: Cell::new(true),
            idle: IdlePolicy::Poll,
            affinity: Affinity::Auto,
        })
    }

    /// Sets the idle policy and the binding of the server's ends on the host. If `affinity` names cores for both ends,
    /// the host binds its own end only.
    #[must_use]
    pub fn with_cores(self, idle: IdlePolicy, affinity: Affinity) -> Self {
        Self { idle, affinity, ..self }
    }

    /// Returns the facts of the host, as stated when a session was last opened.
    pub fn facts(&self) -> HostFacts {
        self.facts.borrow().clone()
    }

    /// Starts the server's end of a run. Returns its worker and its address.
    pub(crate) async fn start(
        &self,
        case: &Case,
        path: &str,
        settings: Settings,
        observer: &mut dyn Observer,
    ) -> Result<(PeerWorker<'_>, ServerAddress), Fault> {
        self.ended.take();
        let end = case.direction.server();
        let session = self.session(observer).await.map_err(|fault| fault.at(end))?;
        let address = session.address;
        let demand = RunDemand {
            case: serde_json::to_value(case).map_err(|error| Fault::new(FaultKind::Worker, error))?,
            path: path.to_owned(),
            timeout_s: settings.timeout.as_secs_f64(),
            observes_framing: settings.observes_framing,
            affinity: self.affinity.clone(),
            idle: self.idle,
        };
        let mut worker = PeerWorker::new(self, session, end);
        worker.demand(&Demand::Run(Box::new(demand))).await?;
        match worker.next().await? {
            Event::Listening(ServerAddress { addr, certificate }) => {
                // The host may listen on all its addresses, so the address that was dialled replaces the listening one.
                // The scope of an IPv6 address stays.
                let mut reached = address;
                reached.set_port(addr.port());
                Ok((worker, ServerAddress { addr: reached, certificate }))
            }
            other => Err(unexpected(&worker, other)),
        }
    }

    /// Returns the idle session, or opens one. A lost host has [`PATIENCE`] to come back. After a run has waited in
    /// vain, each later run makes a single attempt, until one succeeds.
    async fn session(&self, observer: &mut dyn Observer) -> Result<Session, Fault> {
        let kept = self.session.take();
        if let Some(mut session) = kept
            && session.is_usable().await
        {
            return Ok(session);
        }
        let mut until = Instant::now();
        if self.is_awaited.get() {
            until += PATIENCE;
        }
        loop {
            let error = match Session::open(self.control.as_ref()).await {
                Ok(session) => {
                    self.facts.replace(session.facts.clone());
                    self.is_awaited.set(true);
                    return Ok(session);
                }
                Err(error) => error,
            };
            if !error.may_pass() || Instant::now() >= until {
                self.is_awaited.set(false);
                return Err(self.fault(error));
            }
            observer.waiting_for_host(self.facts.borrow().name(), &error.to_string());
            sleep(PAUSE).await;
        }
    }

    fn fault(&self, error: ControlError) -> Fault {
        let message = format!("{} measures nothing: {error}", self.facts.borrow().name());
        let kind = match error {
            ControlError::Unreachable(fault) | ControlError::Refused(fault) => fault.kind,
            ControlError::Busy(_) | ControlError::Version(_) => FaultKind::Connect,
        };
        Fault::new(kind, message)
    }

    /// Keeps the session and the facts of the last run for the next one.
    pub(super) fn keep(&self, session: Session, ended: Ended) {
        self.session.replace(Some(session));
        self.ended.replace(Some(ended));
    }

    /// Returns the machine of the last run, and the conditions there if the run has ended in good order.
    pub(crate) fn last_run(&self) -> (Host, Option<Conditions>) {
        match self.ended.take() {
            Some(Ended { host, conditions }) => (host, Some(conditions)),
            None => (self.facts.borrow().host.clone(), None),
        }
    }
}

/// An open control session.
pub(super) struct Session {
    address: SocketAddr,
    facts: HostFacts,
    demands: LineWriter,
    answers: Lines,
    /// The time of the last line of the host. Waits for answers are cancelled several times a second during a run, so the
    /// time without a line spans all of them.
    heard: Instant,
    /// The task that sends signs of life. It ends with the session.
    alive: JoinSet<()>,
    _connection: Arc<dyn Connection>,
}

impl Session {
    /// Opens a session, and reads the facts of the host.
    async fn open(control: &dyn Control) -> Result<Self, ControlError> {
        let (demands, body) = LineWriter::new();
        let Opened { connection, address, answers } = control.open(body).await?;
        let mut alive = JoinSet::new();
        alive.spawn(stay_alive(demands.clone()));
        let mut session = Self {
            address,
            facts: HostFacts::default(),
            demands,
            answers: Lines::of(answers, LONGEST_ANSWER),
            heard: Instant::now(),
            alive,
            _connection: connection,
        };
        match session.answer().await.map_err(|error| ControlError::Unreachable(error.into()))? {
            Answer::Host(facts) => session.facts = *facts,
            _ => {
                let fault = Fault::new(FaultKind::Protocol, "the host does not state its facts first");
                return Err(ControlError::Refused(fault));
            }
        }
        Ok(session)
    }

    /// Sends a demand to the host.
    pub(super) async fn demand(&self, demand: &Demand) -> Result<(), SessionLost> {
        let written = timeout(SILENCE, self.demands.write(demand)).await;
        written.map_err(|_| SessionLost::Silent)?.map_err(|_| SessionLost::Ended)
    }

    /// Waits for the next answer that is more than a sign of life. Its texts are printable. Cancel-safe.
    pub(super) async fn answer(&mut self) -> Result<Answer, SessionLost> {
        loop {
            let line = timeout_at(self.heard + SILENCE, self.answers.next()).await;
            let line = line.map_err(|_| SessionLost::Silent)??;
            self.heard = Instant::now();
            match serde_json::from_slice(&line).map_err(SessionLost::NoAnswer)? {
                Answer::Alive => {}
                answer => return Ok(Answer::printable(answer)),
            }
        }
    }

    /// Returns whether the session can carry another run: it is still open, and no answer of an earlier run is pending.
    async fn is_usable(&mut self) -> bool {
        // Nobody has read lines since the last run.
        self.heard = Instant::now();
        timeout(ANSWER_WAIT, self.answer()).await.is_err()
    }

    /// Ends the session in good order. The host accepts another session once this returns.
    async fn close(self) {
        let Self { demands, mut answers, mut alive, _connection, .. } = self;
        // The body of the request ends once both writers are dropped.
        alive.shutdown().await;
        drop(demands);
        let rest = async { while answers.next().await.is_ok() {} };
        // If the host does not end the response, its own time limit frees its place.
        let _ = timeout(SILENCE, rest).await;
    }
}

/// Sends signs of life until the request is no longer read.
async fn stay_alive(demands: LineWriter) {
    let mut ticks = interval(ALIVE);
    loop {
        ticks.tick().await;
        if demands.write(&Demand::Alive).await.is_err() {
            return;
        }
    }
}

/// The reason for the loss of a control session.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionLost {
    /// The host has sent no line for [`SILENCE`].
    #[error("the host was silent for {} s", SILENCE.as_secs())]
    Silent,
    /// The host has ended the session.
    #[error("the host has ended the session")]
    Ended,
    /// The connection broke.
    #[error("the connection to the host broke: {0}")]
    Broken(LinesError),
    /// A line of the host is not an answer.
    #[error("the host sent a line that is not an answer: {0}")]
    NoAnswer(serde_json::Error),
}

impl From<LinesError> for SessionLost {
    fn from(error: LinesError) -> Self {
        match error {
            LinesError::Ended => Self::Ended,
            error => Self::Broken(error),
        }
    }
}

impl From<SessionLost> for Fault {
    fn from(lost: SessionLost) -> Self {
        Self::new(FaultKind::Worker, lost)
    }
}

/// Returns a path of requests that no other client can guess.
pub(crate) fn secret_path() -> String {
    format!("/{}", Uuid::new_v4().simple())
}
