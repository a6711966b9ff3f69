//! Sockets and loopback.

use transport::machine;

use super::{Concerns, Finding, read};
use crate::size::{ByteSize, mib};

/// Loopback's own MTU on Linux.
const LOOPBACK_MTU: u64 = 65_536;

/// Linux tells twice what it grants, for its own bookkeeping (socket(7)); others tell what they grant.
const TOLD: u64 = if cfg!(target_os = "linux") { 2 } else { 1 };

/// quinn joins up to ten datagrams for one send.
const SEGMENTS: usize = 10;

/// `buffer` is what sockets will be asked to hold each way, in bytes.
pub(super) fn findings(buffer: u64) -> Vec<Finding> {
    let mtu = read("/sys/class/net/lo/mtu").and_then(|mtu| mtu.parse().ok());
    let buffers = machine::socket_buffers(buffer).ok();
    let offload = machine::udp_offload().ok();
    let offload = offload.map(|offload| [gso(offload.send_segments), gro(offload.receive_segments)]);
    buffers
        .map(|granted| self::buffers(buffer, granted))
        .into_iter()
        .chain(offload.into_iter().flatten())
        .chain(mtu.map(loopback))
        .collect()
}

fn buffers(asked: u64, (send, receive): (u64, u64)) -> Finding {
    let (send, receive) = (send / TOLD, receive / TOLD);
    let (send_mib, receive_mib) = (mib(send), mib(receive));
    let seen =
        format!("{send_mib:.1} MiB to send, {receive_mib:.1} to receive, {} asked for", ByteSize(asked));
    if send.min(receive) >= asked {
        return Finding::good("socket buffers", seen);
    }
    let cost = "a sender and a receiver wait for each other more often, and QUIC drops packets";
    let mend = format!("sudo sysctl -w net.core.wmem_max={asked} net.core.rmem_max={asked}");
    Finding::bad("socket buffers", seen, Concerns::All, cost, mend)
}

fn gso(segments: usize) -> Finding {
    let seen = if segments > 1 {
        format!("{segments} datagrams a send")
    } else {
        "a send for every datagram".into()
    };
    if segments >= SEGMENTS {
        return Finding::good("UDP GSO", seen);
    }
    let cost = "QUIC is about ten times slower: 0.10 instead of 1.1 GiB/s were seen in a bare loop at an MTU of 1452";
    Finding::bad("UDP GSO", seen, Concerns::Quic, cost, "a kernel from 4.18 on, outside gVisor")
}

fn gro(segments: usize) -> Finding {
    let seen = if segments > 1 {
        format!("up to {segments} datagrams a receive")
    } else {
        "a receive for every datagram".into()
    };
    if segments > 1 {
        return Finding::good("UDP GRO", seen);
    }
    let cost = "a QUIC receiver makes a system call for every few packets";
    Finding::bad("UDP GRO", seen, Concerns::Quic, cost, "a kernel from 5.0 on, outside gVisor")
}

fn loopback(mtu: u64) -> Finding {
    if mtu >= LOOPBACK_MTU {
        return Finding::good("loopback MTU", mtu.to_string());
    }
    let cost = "more and smaller segments than other machines' loopback, and --quic-mtu may not fit";
    let mend = format!("sudo ip link set dev lo mtu {LOOPBACK_MTU}");
    Finding::bad("loopback MTU", mtu.to_string(), Concerns::All, cost, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_clamped_or_missing_is_trouble() {
        let asked = 4 << 20;
        assert!(buffers(asked, (TOLD * asked, TOLD * asked)).trouble.is_none());
        let clamped = buffers(asked, (TOLD * asked, TOLD * (208 << 10))).trouble.unwrap();
        assert!(clamped.mend.contains("rmem_max=4194304"), "{}", clamped.mend);
        assert!(gso(64).trouble.is_none() && gso(1).trouble.is_some());
        assert!(gro(64).trouble.is_none() && gro(1).trouble.is_some());
        assert!(loopback(65_536).trouble.is_none() && loopback(1500).trouble.is_some());
    }
}
