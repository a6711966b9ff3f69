//! The messages between orchestrator and worker, one line of JSON each.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use metrics::Mark;
use process::CallSite;
use record::{BodyRates, Case, End, EndRecord, Fault, LinkRecord};
use serde::{Deserialize, Serialize};

use crate::{Heartbeat, Settings};

/// One end's part of a case.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The case.
    pub(crate) case: Case,
    /// The role of this end.
    pub(crate) role: Role,
    /// The path of every request of the run, which no stranger can guess.
    pub(crate) path: String,
    /// The core to stay on.
    pub(crate) core: Option<usize>,
    /// The folder of the cgroup to move to.
    pub(crate) cgroup: Option<PathBuf>,
    /// True if the call sites of what stays allocated are asked for.
    pub(crate) traces: bool,
    /// Seconds without progress after which the transfer is aborted.
    timeout_s: f64,
    /// The address that the server listens on; none for a loopback address.
    address: Option<IpAddr>,
    /// The file to which the client appends the secrets of its connections (SSLKEYLOGFILE).
    pub(crate) key_log: Option<PathBuf>,
    /// The level at which the worker logs to standard error (LONGHAUL_LOG).
    pub(crate) log: Option<String>,
}

impl Job {
    pub(crate) fn new(case: Case, role: Role, path: &str, settings: Settings) -> Self {
        Self {
            case,
            role,
            path: path.to_owned(),
            core: None,
            cgroup: None,
            traces: false,
            timeout_s: settings.timeout.as_secs_f64(),
            address: settings.address,
            key_log: std::env::var_os("SSLKEYLOGFILE").map(PathBuf::from),
            log: std::env::var("LONGHAUL_LOG").ok(),
        }
    }

    /// The end of the body that this worker runs.
    pub(crate) fn end(&self) -> End {
        match self.role {
            Role::Client(_) => self.case.direction.client(),
            Role::Server => self.case.direction.server(),
        }
    }

    /// The settings of the measurement.
    pub(crate) fn settings(&self) -> Settings {
        let timeout = Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::MAX);
        Settings { timeout, address: self.address }
    }
}

/// The role of a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// The worker listens.
    Server,
    /// The worker dials this server.
    Client(ServerAddress),
}

/// The address of a server, and the certificate that proves it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServerAddress {
    pub(crate) addr: SocketAddr,
    /// PEM; `None` in cleartext.
    pub(crate) certificate: Option<String>,
}

/// An order of the orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// To both ends: begin the transfer. Both are ready.
    Go,
    /// To the server: the client is done, report.
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
    /// The end makes progress, a few times per second.
    Progress(Heartbeat),
    /// The end is done; no event follows.
    Done(Box<EndReport>),
}

/// The report of one end on its part.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct EndReport {
    /// The failure of this end.
    pub(crate) fault: Option<Fault>,
    pub(crate) end: Option<EndRecord>,
    pub(crate) link: Option<LinkRecord>,
    /// The digests of the bodies sent, where the sender computes them (of files only).
    pub(crate) sent: BTreeSet<String>,
    /// On the client: the digests of the bodies received, computed by itself or confirmed by the server.
    pub(crate) received: BTreeSet<String>,
    /// On the client: the rates of concurrent bodies.
    #[serde(default)]
    pub(crate) bodies: Option<BodyRates>,
    /// The times at which the body reached the offsets that both ends stamp, if they keep them.
    #[serde(default)]
    pub(crate) marks: Vec<Mark>,
    /// The call sites of what stays allocated, if they were asked for.
    #[serde(default)]
    pub(crate) call_sites: Vec<CallSite>,
    pub(crate) elapsed_s: Option<f64>,
    pub(crate) handshake_s: Option<f64>,
    /// The start of the transfer, as the time of CLOCK_MONOTONIC: the same clock in both processes.
    pub(crate) began: Option<Duration>,
    /// The first body byte at this end, on the same clock.
    pub(crate) first_byte: Option<Duration>,
}

impl EndReport {
    /// A report of a failure only.
    pub(crate) fn failed(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }
}
