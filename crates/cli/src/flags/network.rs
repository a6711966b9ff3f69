//! The flags of emulated networks.

use clap::Args;
use record::{BitRate, ByteSize, NetworkSpec, Protocol, RelayKind};

use crate::exit::Usage;

/// The most seconds that the largest default bodies of a run take together at the rate of a network.
const MODERATE_S: f64 = 8.0;

/// The size in bytes at which the largest default bodies of a run together are divided no further, however slow the
/// network is.
const LEAST: u64 = 16 << 20;

/// The size in bytes at which the largest body is divided no further: the largest default chunk.
const LEAST_BODY: u64 = 1 << 20;

/// The largest packet of an emulated network in bytes: an Ethernet frame, as the queues of the kernel count it.
const PACKET: u64 = 1514;

/// The payload of a TCP segment over Ethernet in bytes, with timestamps.
const SEGMENT: f64 = 1448.0;

#[derive(Debug, Args)]
pub(crate) struct NetworkArgs {
    /// Emulate a network between the ends, without root, such as rtt=40ms,rate=500Mbit,loss=0.5%,queue=1MiB (repeatable)
    ///
    /// Figures are rtt, jitter, rate, queue, loss and reorder; lan, wan, intercontinental, lossy-wifi and satellite
    /// name sets of figures. A relay in user space carries the bytes from socket to socket, and TCP ends at it. Loss
    /// and reordering over TCP therefore take a relay of packets (relay=packets), which needs network namespaces and
    /// /dev/net/tun.
    #[arg(long, value_name = "SPEC")]
    network: Vec<NetworkSpec>,
    /// Emulate a network by the kernel: netem between two network namespaces (repeatable; needs the right to create
    /// them)
    #[arg(long, value_name = "SPEC")]
    network_kernel: Vec<NetworkSpec>,
}

impl NetworkArgs {
    /// Returns whether there is a network.
    pub(crate) fn is_given(&self) -> bool {
        !self.network.is_empty() || !self.network_kernel.is_empty()
    }

    /// Returns the networks of a matrix over `protocols`: each that is asked for, or a single `None` without any.
    ///
    /// # Errors
    /// Fails if a protocol cannot use a network, or the queue of a network holds no packet.
    pub(crate) fn specs(&self, protocols: &[&Protocol]) -> Result<Vec<Option<NetworkSpec>>, Usage> {
        if let Some(ceiling) = protocols.iter().find(|row| row.is_ceiling() && self.is_given()) {
            let reason = "a ceiling has no congestion control; over a network it would reach its rate";
            return Err(Usage::new(format!("--protocol {}: not with --network: {reason}", ceiling.name)));
        }
        let is_over_tcp = protocols.iter().any(|protocol| !protocol.is_over_udp());
        let in_user_space = self.network.iter().map(|network| match network.relay {
            RelayKind::Sockets if network.needs_packets() && is_over_tcp => {
                NetworkSpec { relay: RelayKind::Packets, ..*network }
            }
            _ => *network,
        });
        let by_kernel =
            self.network_kernel.iter().map(|network| NetworkSpec { relay: RelayKind::Kernel, ..*network });
        let mut specs: Vec<Option<NetworkSpec>> = Vec::new();
        let is_over_udp = protocols.iter().any(|protocol| protocol.is_over_udp());
        for spec in in_user_space.chain(by_kernel) {
            check_queue(&spec, is_over_udp)?;
            if !specs.contains(&Some(spec)) {
                specs.push(Some(spec));
            }
        }
        Ok(if specs.is_empty() { vec![None] } else { specs })
    }
}

/// Refuses a queue of a rate that drops every packet of full size. The queue of a relay of sockets is a window for TCP,
/// and holds datagrams of UDP only.
///
/// # Errors
/// Fails if the queue holds no packet.
pub(crate) fn check_queue(network: &NetworkSpec, is_over_udp: bool) -> Result<(), Usage> {
    let has_packets = network.relay != RelayKind::Sockets || is_over_udp;
    match network.queue {
        Some(queue) if queue.0 < PACKET && network.rate.is_some() && has_packets => {
            let reason =
                format!("queue={queue} holds no packet, so that all are dropped; use at least {PACKET}");
            Err(Usage::new(format!("--network {network}: {reason}")))
        }
        _ => Ok(()),
    }
}

/// Divides body sizes by the same power of two, so that a network carries the largest bodies of all `connections` and
/// their `streams` in a moderate time.
pub(crate) fn of_moderate_time(
    bodies: &[ByteSize],
    network: &NetworkSpec,
    connections: u32,
    streams: u32,
) -> Vec<ByteSize> {
    let despite_losses = bytes_per_s_despite_losses(network).map(|rate| rate * f64::from(connections));
    let rates = [network.rate.map(BitRate::bytes_per_s), despite_losses];
    let Some(rate) = rates.into_iter().flatten().min_by(f64::total_cmp) else { return bodies.to_vec() };
    let together = ((rate * MODERATE_S) as u64).max(LEAST);
    let carried = (together / (u64::from(connections) * u64::from(streams)).max(1)).max(LEAST_BODY);
    let largest = bodies.iter().map(|body| body.0).max().unwrap_or_default();
    let shift = (0..u64::BITS).find(|shift| largest >> shift <= carried).unwrap_or_default();
    bodies.iter().map(|body| ByteSize(body.0 >> shift)).collect()
}

/// Returns the bytes per second that the losses of a network leave to a connection whose congestion controller heeds
/// them; `None` without losses or delay.
///
/// The mean congestion window is the larger one of Reno (Mathis et al., "The macroscopic behavior of the TCP congestion
/// avoidance algorithm", 1997) and of CUBIC (RFC 9438 section 5.2). Packets of several connections are lost alike.
fn bytes_per_s_despite_losses(network: &NetworkSpec) -> Option<f64> {
    let loss = f64::from(network.loss_per_million) / 1e6;
    // The mean jitter of a direction is at least half of the largest.
    let round_trip = network.rtt.saturating_add(network.jitter).as_secs_f64();
    let reno = (1.5 / loss).sqrt();
    let cubic = 1.054 * (round_trip / loss).powf(0.75);
    (loss > 0.0 && round_trip > 0.0).then(|| reno.max(cubic) * SEGMENT / round_trip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(network: &[&str], kernel: &[&str], protocols: &[&str]) -> Result<Vec<String>, String> {
        let parsed = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let args = NetworkArgs { network: parsed(network), network_kernel: parsed(kernel) };
        let protocols: Vec<&Protocol> =
            protocols.iter().map(|name| Protocol::by_name(name).unwrap()).collect();
        let specs = args.specs(&protocols).map_err(|error| error.to_string())?;
        Ok(specs.iter().map(|spec| spec.map_or_else(|| "none".into(), |spec| spec.to_string())).collect())
    }

    #[test]
    fn loss_takes_packets_if_a_protocol_is_over_tcp() {
        let of = |protocols| specs(&["rtt=2ms,loss=1%", "rtt=2ms"], &[], protocols).unwrap();
        assert_eq!(of(&["h3", "h2"]), ["rtt=2ms,loss=1%,relay=packets", "rtt=2ms"]);
        assert_eq!(of(&["h3", "quic"]), ["rtt=2ms,loss=1%", "rtt=2ms"]);
    }

    #[test]
    fn each_network_is_there_once_and_without_flags_there_is_none() {
        assert_eq!(specs(&[], &[], &["h2"]).unwrap(), ["none"]);
        let both = specs(&["wan", "rtt=40ms,rate=500Mbit"], &["wan"], &["h2"]).unwrap();
        assert_eq!(both, ["rtt=40ms,rate=500Mbit", "rtt=40ms,rate=500Mbit,relay=kernel"]);
        assert!(specs(&["wan"], &[], &["tcp-ceiling"]).unwrap_err().contains("has no congestion control"));
    }

    #[test]
    fn a_body_by_default_takes_seconds_at_the_rate() {
        assert_eq!(moderate("wan", 1, 1), [64, 256]);
        assert_eq!(moderate("rate=1Mbit", 1, 1), [4, 16]);
        assert_eq!(moderate("rate=100Gbit", 1, 1), [512, 2048]);
        assert_eq!(
            (moderate("rtt=1ms", 1, 1), moderate("rtt=1ms", 4, 8)),
            (vec![512, 2048], vec![512, 2048])
        );
    }

    fn moderate(network: &str, connections: u32, streams: u32) -> Vec<u64> {
        let bodies = [ByteSize(512 << 20), ByteSize(2 << 30)];
        let divided = of_moderate_time(&bodies, &network.parse().unwrap(), connections, streams);
        divided.iter().map(|body| body.0 >> 20).collect()
    }

    #[test]
    fn all_bodies_of_a_run_share_the_rate() {
        assert_eq!(moderate("wan", 1, 8), [8, 32]);
        assert_eq!(moderate("wan", 4, 2), [8, 32]);
        assert_eq!(moderate("rate=1Mbit", 480, 100), [0, 1], "the largest has a chunk");
    }

    /// Over 25 ms with a loss of 1 %, a connection with CUBIC gets 5 to 7 Mbit/s.
    #[test]
    fn losses_make_bodies_smaller() {
        assert_eq!(moderate("lossy-wifi", 1, 1), [4, 16]);
        assert_eq!(moderate("lossy-wifi", 8, 1), [1, 4]);
        assert_eq!(moderate("rtt=2ms,loss=1%", 1, 1), [16, 64]);
        assert_eq!(moderate("rtt=2ms,loss=1%", 8, 1), [16, 64]);
        let rate = bytes_per_s_despite_losses(&"lossy-wifi".parse().unwrap()).unwrap();
        assert!((5e6..7e6).contains(&(8.0 * rate)), "{rate}");
        // The measured goodput of CUBIC was 10.8 Mbit/s, of a body that ended early.
        let rate = bytes_per_s_despite_losses(&"satellite".parse().unwrap()).unwrap();
        assert!((10e6..20e6).contains(&(8.0 * rate)), "{rate}");
        assert_eq!(bytes_per_s_despite_losses(&"loss=1%".parse().unwrap()), None);
    }

    #[test]
    fn a_queue_that_holds_no_packet_is_refused_where_packets_wait_in_it() {
        let small = ["rtt=10ms,rate=50Mbit,queue=1KiB"];
        let reason = "queue=1KiB holds no packet, so that all are dropped; use at least 1514";
        for refused in [
            specs(&small, &[], &["h2", "h3"]),
            specs(&[], &small, &["h2"]),
            specs(&["rate=50Mbit,queue=1513,relay=packets"], &[], &["h2"]),
        ] {
            assert!(refused.as_ref().is_err_and(|error| error.contains("holds no packet")), "{refused:?}");
        }
        assert!(specs(&small, &[], &["h3"]).unwrap_err().ends_with(reason));
        assert_eq!(specs(&small, &[], &["h2"]).unwrap(), small, "a window of TCP");
        assert!(specs(&["rtt=10ms,queue=1KiB"], &[], &["h3"]).is_ok(), "nothing waits without a rate");
        assert!(specs(&["rate=50Mbit,queue=1514"], &[], &["h3"]).is_ok());
    }
}
