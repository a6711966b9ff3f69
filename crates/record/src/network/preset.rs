//! Named emulated networks.

use std::time::Duration;

use super::{NetworkSpec, RelayKind};

/// The named networks, each with round figures of its kind of path. The networks with loss have a relay of packets, so
/// that one name is one network for every protocol.
pub const PRESETS: &[(&str, NetworkSpec)] = &[
    ("lan", network(500, 1_000)),
    ("wan", network(40_000, 500)),
    ("intercontinental", network(160_000, 200)),
    ("lossy-wifi", NetworkSpec { jitter: Duration::from_millis(5), ..lossy(10_000, network(20_000, 100)) }),
    ("satellite", lossy(100, network(600_000, 50))),
];

/// Returns `path` with the loss of `loss_per_million` packets in a million.
const fn lossy(loss_per_million: u32, path: NetworkSpec) -> NetworkSpec {
    NetworkSpec { loss_per_million, relay: RelayKind::Packets, ..path }
}

/// Returns a network with the round-trip time `rtt_us` in microseconds, and the rate `mbit_per_s` in Mbit/s.
const fn network(rtt_us: u64, mbit_per_s: u64) -> NetworkSpec {
    NetworkSpec {
        rtt: Duration::from_micros(rtt_us),
        jitter: Duration::ZERO,
        rate: Some(crate::BitRate::of_mbit(mbit_per_s)),
        queue: None,
        loss_per_million: 0,
        reorder_per_million: 0,
        relay: RelayKind::Sockets,
    }
}
