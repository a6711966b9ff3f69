//! The flags of emulated networks.

use clap::Args;
use record::{ByteSize, NetworkSpec, Protocol, RelayKind};

use crate::exit::Usage;

/// The most seconds that the largest default body takes at the rate of a network.
const MODERATE_S: f64 = 8.0;

/// The size in bytes at which the largest default body is divided no further, however slow the network is.
const LEAST: u64 = 16 << 20;

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
    /// Fails if a protocol cannot use a network.
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
        for spec in in_user_space.chain(by_kernel) {
            if !specs.contains(&Some(spec)) {
                specs.push(Some(spec));
            }
        }
        Ok(if specs.is_empty() { vec![None] } else { specs })
    }
}

/// Divides body sizes by the same power of two, so that a network carries the largest in a moderate time, at its rate.
pub(crate) fn of_moderate_time(bodies: &[ByteSize], network: &NetworkSpec) -> Vec<ByteSize> {
    let Some(rate) = network.rate else { return bodies.to_vec() };
    let carried = ((rate.bytes_per_s() * MODERATE_S) as u64).max(LEAST);
    let largest = bodies.iter().map(|body| body.0).max().unwrap_or_default();
    let shift = (0..u64::BITS).find(|shift| largest >> shift <= carried).unwrap_or_default();
    bodies.iter().map(|body| ByteSize(body.0 >> shift)).collect()
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
        let of = |network: &str| {
            let bodies = [ByteSize(512 << 20), ByteSize(2 << 30)];
            of_moderate_time(&bodies, &network.parse().unwrap())
                .iter()
                .map(|body| body.0 >> 20)
                .collect::<Vec<_>>()
        };
        assert_eq!(of("wan"), [64, 256]);
        assert_eq!(of("rate=1Mbit"), [4, 16]);
        assert_eq!((of("rate=100Gbit"), of("rtt=1ms")), (vec![512, 2048], vec![512, 2048]));
    }
}
