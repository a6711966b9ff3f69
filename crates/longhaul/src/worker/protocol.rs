//! What orchestrator and worker say to each other, a line of JSON each.

use std::{collections::BTreeSet, net::SocketAddr};

use payload::{ChunkSize, Kind};
use serde::{Deserialize, Serialize};
use transport::Limits;

use crate::{
    case::{Direction, Rates, SinkKind},
    instruments::Sign,
    record::{End, EndRecord, Fault, LinkRecord},
};

/// One end's part of a case.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) role: Role,
    pub(crate) protocol: String,
    pub(crate) direction: Direction,
    pub(crate) chunk: ChunkSize,
    pub(crate) body_bytes: u64,
    pub(crate) payload: Kind,
    pub(crate) seed: u64,
    pub(crate) sink: SinkKind,
    pub(crate) connections: u32,
    pub(crate) streams: u32,
    pub(crate) rates: Rates,
    pub(crate) limits: Limits,
    /// The core to stay on.
    pub(crate) core: Option<usize>,
    /// How long nothing may move.
    pub(crate) timeout_s: f64,
}

impl Job {
    /// Which end of the body this worker is.
    pub(crate) fn end(&self) -> End {
        match (&self.role, self.direction) {
            (Role::Client(_), Direction::Up) | (Role::Server, Direction::Down) => End::Sender,
            (Role::Client(_), Direction::Down) | (Role::Server, Direction::Up) => End::Receiver,
        }
    }

    /// Bodies over all connections and streams.
    pub(crate) fn bodies(&self) -> u64 {
        u64::from(self.connections) * u64::from(self.streams)
    }
}

/// Who dials and who listens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Server,
    Client(ServerAddress),
}

/// Where the server listens, and the certificate that proves it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServerAddress {
    pub(crate) addr: SocketAddr,
    /// PEM; `None` in cleartext.
    pub(crate) certificate: Option<String>,
}

/// What the orchestrator orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// To the client: begin the transfer.
    Go,
    /// To the server: the client is done, report.
    Finish,
}

/// What a worker tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Event {
    /// The server takes connections.
    Listening(ServerAddress),
    /// All connections stand and the baseline is taken.
    Ready,
    /// A sign of life, a few times a second.
    Progress(Sign),
    /// The last event.
    Done(Box<Report>),
}

/// All that one end has to say about its part.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// What went wrong on this end.
    pub(crate) fault: Option<Fault>,
    pub(crate) end: Option<EndRecord>,
    pub(crate) link: Option<LinkRecord>,
    /// The digests of what was sent, where the sender takes them (of files only).
    pub(crate) sent: BTreeSet<String>,
    /// On the client: the digests of what was received, as it computed or was confirmed them.
    pub(crate) received: BTreeSet<String>,
    pub(crate) elapsed_s: Option<f64>,
    pub(crate) handshake_s: Option<f64>,
    pub(crate) first_byte_s: Option<f64>,
}

impl Report {
    /// A report of nothing but a failure.
    pub(crate) fn failed(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }
}
