//! The messages between a session and its worker processes, one line of JSON each.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use metrics::Mark;
use network::{Namespace, Site};
use process::CallSite;
use record::{BodyRates, Case, End, EndRecord, Fault, LinkRecord};
use serde::{Deserialize, Serialize};
use transport::FramingObserver;

use crate::{Heartbeat, Settings};

/// The job of one end in a run of a case.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The case to run.
    pub(crate) case: Case,
    /// The role of this end.
    pub(crate) role: Role,
    /// The path of every request of the run. No other client can guess it, except if the program at the other end needs
    /// a fixed path.
    pub(crate) path: String,
    /// The program at the other end.
    #[serde(default)]
    pub(crate) partner: Partner,
    /// The cores that the threads of the worker are bound to in turn; if empty, the kernel chooses.
    pub(crate) cores: Vec<usize>,
    /// The folder of the cgroup that the worker moves to; `None` stays in the session's cgroup.
    pub(crate) cgroup: Option<PathBuf>,
    /// True if the worker reports the call sites of memory that stays allocated.
    pub(crate) traces: bool,
    /// The time without progress after which the transfer is aborted, in seconds.
    timeout_s: f64,
    /// The address that the server listens on; `None` for the loopback address.
    address: Option<IpAddr>,
    /// The port that the server listens on; 0 for a free one.
    #[serde(default)]
    port: u16,
    /// The network namespace that the worker enters; `None` stays in that of the session.
    #[serde(default)]
    pub(crate) namespace: Option<Namespace>,
    /// True if the receiver counts the framing that arrives: chunks, frames, records and datagrams.
    observes_framing: bool,
    /// The file to which the client appends the TLS secrets of its connections (SSLKEYLOGFILE); `None` writes none.
    pub(crate) key_log: Option<PathBuf>,
    /// The level at which the worker logs to standard error (LONGHAUL_LOG); `None` logs nothing.
    pub(crate) log: Option<String>,
}

impl Job {
    pub(crate) fn new(case: Case, role: Role, path: &str, settings: Settings) -> Self {
        Self {
            case,
            role,
            path: path.to_owned(),
            partner: Partner::Own,
            cores: Vec::new(),
            cgroup: None,
            traces: false,
            timeout_s: settings.timeout.as_secs_f64(),
            address: settings.address,
            port: settings.port,
            namespace: None,
            observes_framing: settings.observes_framing,
            key_log: std::env::var_os("SSLKEYLOGFILE").map(PathBuf::from),
            log: std::env::var("LONGHAUL_LOG").ok().or_else(|| settings.logs.then(|| "debug".into())),
        }
    }

    /// Places the worker in an emulated network of packets; `None` leaves it in that of the session.
    pub(crate) fn at(self, site: Option<Site>) -> Self {
        match site {
            None => self,
            Some(Site { namespace, address }) => {
                Self { namespace: Some(namespace), address: Some(address), ..self }
            }
        }
    }

    /// Returns the end of the body (sender or receiver) that this worker runs.
    pub(crate) fn end(&self) -> End {
        match self.role {
            Role::Client(_) => self.case.direction.client(),
            Role::Server => self.case.direction.server(),
        }
    }

    /// Returns the settings of the measurement.
    pub(crate) fn settings(&self) -> Settings {
        let timeout = Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::MAX);
        let settings = Settings::new(timeout).on_address(self.address).on_port(self.port);
        if self.observes_framing { settings.observing_framing() } else { settings }
    }

    /// Returns a new observer of the framing if this end is a receiver that observes framing.
    pub(crate) fn framing_observer(&self) -> Option<FramingObserver> {
        (self.observes_framing && self.end() == End::Receiver).then(FramingObserver::default)
    }
}

/// The program at the other end of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Partner {
    /// Another worker.
    #[default]
    Own,
    /// A program of someone else, which sends neither a report nor a receipt.
    Foreign,
}

/// The role of a worker on a connection.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// The worker listens.
    Server,
    /// The worker dials the server at this address.
    Client(ServerAddress),
}

/// The address of a server, and the certificate that the client must accept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServerAddress {
    pub(crate) addr: SocketAddr,
    /// The certificate in PEM; `None` in cleartext.
    pub(crate) certificate: Option<String>,
}

/// An order from a session to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Begin the transfer.
    Go,
    /// Report the measurements, since the client is done. Sent to the server only.
    Finish,
}

/// An event that a worker reports.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Event {
    /// The server accepts connections.
    Listening(ServerAddress),
    /// All connections are established, the baseline is taken, and payload and meters are prepared.
    Ready,
    /// The progress of the end, sent a few times per second.
    Progress(Heartbeat),
    /// The end is done; no event follows.
    Done(Box<EndReport>),
}

/// The report of one end on its transfer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct EndReport {
    /// The failure of this end, or `None` if it succeeded.
    pub(crate) fault: Option<Fault>,
    pub(crate) end: Option<EndRecord>,
    pub(crate) link: Option<LinkRecord>,
    /// The digests of the bodies sent, if the sender computes them. The digests of generated bodies are known in
    /// advance.
    pub(crate) sent: BTreeSet<String>,
    /// The digests of the bodies received. The receiver computes them; a client that uploads has them from the
    /// receipts.
    pub(crate) received: BTreeSet<String>,
    /// The rates of concurrent bodies; set by the client only.
    #[serde(default)]
    pub(crate) bodies: Option<BodyRates>,
    /// The times at which each body reached the offsets that both ends stamp; empty if the ends stamp none.
    #[serde(default)]
    pub(crate) marks: Vec<Vec<Mark>>,
    /// The call sites of memory that stays allocated; empty unless the job requested them.
    #[serde(default)]
    pub(crate) call_sites: Vec<CallSite>,
    /// At the client, the time of the transfer. At the server, the time until the last upload had been received
    /// completely.
    pub(crate) elapsed_s: Option<f64>,
    pub(crate) handshake_s: Option<f64>,
    /// The start of the transfer by CLOCK_MONOTONIC, which all processes of a host share.
    pub(crate) began: Option<Duration>,
    /// The time of the first body byte at this end, by CLOCK_MONOTONIC.
    pub(crate) first_byte: Option<Duration>,
}

impl EndReport {
    /// Returns a report that states a failure and no measurements.
    pub(crate) fn failed(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }
}
