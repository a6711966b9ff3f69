//! The addresses of the two ends of a network of packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An end of the network: its addresses.
///
/// The addresses are reserved for benchmarks (RFC 2544 and RFC 5180), so no other network uses them. Each pair of ends
/// is alone in its namespaces, so any number of relays can use the same addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The address of IPv4.
    pub(super) v4: Ipv4Addr,
    /// The address of IPv6.
    pub(super) v6: Ipv6Addr,
}

/// The length of the prefix of the IPv4 network, which has room for two hosts.
pub(super) const V4_PREFIX: u8 = 30;

/// The length of the prefix of the IPv6 network.
pub(super) const V6_PREFIX: u8 = 64;

/// The interface of each end.
pub(super) const INTERFACE: &str = "path0";

/// The size of the largest packet in bytes, as on Ethernet.
pub(super) const MTU: u16 = 1500;

/// The end of the client.
pub(super) const CLIENT: End =
    End { v4: Ipv4Addr::new(198, 18, 0, 1), v6: Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1) };

/// The end of the server.
pub(super) const SERVER: End =
    End { v4: Ipv4Addr::new(198, 18, 0, 2), v6: Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 2) };

impl End {
    /// Returns the address of the same family as `asked`; that of IPv4 for `None`.
    pub(super) fn address(&self, asked: Option<IpAddr>) -> IpAddr {
        if asked.is_some_and(|address| address.is_ipv6()) { self.v6.into() } else { self.v4.into() }
    }

    /// Returns whether an IP packet is addressed to this end. All other packets are the kernel's own: IPv6 router
    /// solicitations and multicast listener reports.
    pub(super) fn is_addressed(&self, packet: &[u8]) -> bool {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) => packet.get(16..20) == Some(&self.v4.octets()),
            Some(6) => packet.get(24..40) == Some(&self.v6.octets()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_to_an_end_are_told_from_others() {
        let v4 = |to: [u8; 4]| [&[0x45; 16][..], &to].concat();
        let v6 = |to: Ipv6Addr| [&[0x60; 24][..], &to.octets()].concat();
        assert!(SERVER.is_addressed(&v4([198, 18, 0, 2])) && SERVER.is_addressed(&v6(SERVER.v6)));
        for other in [v4([198, 18, 0, 1]), v6("ff02::2".parse().unwrap()), vec![0x45; 19], vec![]] {
            assert!(!SERVER.is_addressed(&other), "{other:?}");
        }
    }
}
