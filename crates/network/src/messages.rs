//! The messages between a session and the process of a relay, one line of JSON each.

use std::net::{IpAddr, SocketAddr};

use record::{NetworkRecord, NetworkSpec};
use serde::{Deserialize, Serialize};

use crate::Namespace;

/// The job of a relay: the first line of its standard input.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RelayJob {
    /// The network to emulate.
    pub network: NetworkSpec,
    /// The seed of the random numbers that decide which packets are lost or overtake others, and how late packets are.
    pub seed: u64,
    /// The address that the server was told to listen on. Its family decides between the addresses of the ends in a
    /// network of packets; `None` for IPv4.
    #[serde(default)]
    pub address: Option<IpAddr>,
}

/// An order to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayOrder {
    /// Listen for the client of this server. Sent to a relay of sockets only, once.
    Connect {
        /// The address of the server.
        server: SocketAddr,
        /// True if its protocol runs over UDP.
        is_udp: bool,
    },
    /// The run is over: report.
    Finish,
}

/// An event that a relay reports on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayEvent {
    /// The network exists, and pings have passed it. In a network of packets, the ends now enter their namespaces.
    Ready {
        /// The place of the client; `None` for a relay of sockets.
        client: Option<Site>,
        /// The place of the server; `None` for a relay of sockets.
        server: Option<Site>,
    },
    /// The address at which the client reaches the server.
    Listening(SocketAddr),
    /// The measurements; no event follows.
    Done(Box<NetworkRecord>),
    /// The relay cannot do its job; no event follows.
    Failed(RelayFault),
}

/// A failure of a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RelayFault {
    /// The fault and its remedy.
    pub message: String,
    /// True if this machine or the rights of this user do not allow the network, so that no run over it can succeed.
    pub is_unsupported: bool,
}

/// The place of an end in a network of packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The namespace that the end enters before it has a socket.
    pub namespace: Namespace,
    /// The address of the end.
    pub address: IpAddr,
}
