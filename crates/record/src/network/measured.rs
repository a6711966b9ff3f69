//! The measurements of an emulated network during a run.

use serde::{Deserialize, Serialize};

use super::{NetworkSpec, RelayKind};
use crate::Direction;

/// The measurements of an emulated network in a run, beside the network that was requested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct NetworkRecord {
    /// The requested network, in the form of the `--network` flag.
    #[cfg_attr(test, schemars(with = "String"))]
    pub asked: NetworkSpec,
    /// The carrier of the bytes from end to end.
    pub relay: RelayKind,
    /// The round-trip times of the pings before the transfer, in microseconds and in their order; null for a lost ping.
    /// Through a relay of sockets, a ping passes the queues of both directions and no socket.
    pub round_trips_us: Vec<Option<f64>>,
    /// The counts from the client to the server.
    pub to_server: DirectionCount,
    /// The counts from the server to the client.
    pub to_client: DirectionCount,
    /// The resources of the relay's process; null if the kernel carried the bytes.
    pub process: Option<RelayResources>,
}

/// The counts of one direction of an emulated network.
///
/// A packet is a datagram, an IP packet with its headers, or a piece of a TCP connection that ends at the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DirectionCount {
    /// The packets that came out at the other end.
    pub packets: u64,
    /// The bytes of these packets.
    pub bytes: u64,
    /// The packets that were dropped at random (`loss`); null if the number is unknown.
    pub lost: Option<u64>,
    /// The packets that were dropped because the queue was full; null if the number is unknown.
    pub overflowed: Option<u64>,
    /// The packets that skipped the delay and could overtake others (`reorder`); null if the number is unknown.
    pub reordered: Option<u64>,
    /// The largest number of bytes that waited at once for the rate, or that the relay held of one TCP connection; null
    /// if the number is unknown.
    pub queue_peak_bytes: Option<u64>,
}

/// The resources that the process of a relay used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RelayResources {
    /// The processor time in seconds, in user mode and in the kernel.
    pub cpu_s: f64,
    /// The peak of resident memory, in bytes; null if it is unknown.
    pub peak_rss_bytes: Option<u64>,
}

impl NetworkRecord {
    /// Returns the counts of the direction in which the body travels.
    pub fn of_body(&self, direction: Direction) -> &DirectionCount {
        match direction {
            Direction::Up => &self.to_server,
            Direction::Down => &self.to_client,
        }
    }

    /// Returns the least round-trip time of the pings in microseconds; `None` if all were lost.
    pub(crate) fn least_round_trip_us(&self) -> Option<f64> {
        self.round_trips_us.iter().flatten().copied().min_by(f64::total_cmp)
    }

    /// Creates the record of a network through which no packet has passed yet.
    pub fn new(asked: NetworkSpec) -> Self {
        Self {
            asked,
            relay: asked.relay,
            round_trips_us: Vec::new(),
            to_server: DirectionCount::default(),
            to_client: DirectionCount::default(),
            process: None,
        }
    }
}
