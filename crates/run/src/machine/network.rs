//! The diagnoses of sockets and of the loopback interface.

use record::{ByteSize, Limits, mib};
use transport::capabilities::{self, Controller};

use super::{Affects, Diagnosis, read};

/// The MTU of loopback on Linux, in bytes.
const LOOPBACK_MTU: u64 = 65_536;

/// The factor by which a reported buffer exceeds the granted one: Linux doubles buffers for its own bookkeeping
/// (socket(7)).
const REPORTED: u64 = if cfg!(target_os = "linux") { 2 } else { 1 };

/// The most datagrams that quinn joins for one send (MAX_TRANSMIT_SEGMENTS, quinn's connection.rs).
const SEGMENTS: usize = 10;

/// Diagnoses sockets with buffers of `buffer` bytes in each direction, and the congestion controller of TCP sockets
/// with `limits`.
pub(super) fn diagnoses(buffer: u64, limits: Option<&Limits>) -> Vec<Diagnosis> {
    let mtu = read("/sys/class/net/lo/mtu").and_then(|mtu| mtu.parse().ok());
    let buffers = capabilities::socket_buffers(buffer).ok();
    let offload = capabilities::udp_offload().ok();
    let offload = offload.map(|offload| [gso(offload.send_segments), gro(offload.receive_segments)]);
    buffers
        .map(|granted| self::buffers(buffer, granted.send_bytes, granted.receive_bytes))
        .into_iter()
        .chain(offload.into_iter().flatten())
        .chain(mtu.map(loopback))
        .chain(limits.and_then(|limits| capabilities::controller(limits).ok().flatten()).map(controller))
        .chain(default_controller())
        .chain(tcp_no_metrics_save().map(metrics_cache))
        .collect()
}

/// Diagnoses the kernel's default congestion controller, which TCP sockets have that request none. Other programs
/// usually request none.
pub(super) fn default_controller() -> Option<Diagnosis> {
    let available = read("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap_or_default();
    read("/proc/sys/net/ipv4/tcp_congestion_control").map(|name| of_others(&name, &available))
}

/// The congestion controller that paces its packets on every interface, including loopback. The cost was measured in
/// results/2026-11-28-commands.
const PACING: &str = "bbr";

fn of_others(default: &str, available: &str) -> Diagnosis {
    let name = "TCP of other programs";
    if default != PACING {
        return Diagnosis::good(name, default);
    }
    let cost = "other programs, `send`, `fetch` and `serve` pace their packets on loopback: there, `send` over h2c had 0.55 of \
                curl's goodput with bbr, and 1.25 with reno";
    let others = ["cubic", "reno"].into_iter().find(|other| available.split(' ').any(|name| name == *other));
    let remedy = format!("sudo sysctl -w net.ipv4.tcp_congestion_control={}", others.unwrap_or("cubic"));
    let said = "TCP of other programs paces its packets by bbr, the kernel's default, on loopback too";
    let expect = "their figures to depend on the sizes of their writes, and on the run";
    Diagnosis::bad(name, default, cost, remedy).warning(Affects::OtherPrograms, said, expect)
}

fn controller(Controller { asked, in_effect, .. }: Controller) -> Diagnosis {
    let name = "TCP congestion controller";
    let Some(asked) = asked.filter(|asked| *asked != in_effect) else {
        return Diagnosis::good(name, in_effect);
    };
    let cost = format!("this user may not use {asked}, and TCP runs with the kernel's own choice");
    let remedy = format!(
        "sudo modprobe tcp_{asked}; sudo sysctl -w net.ipv4.tcp_allowed_congestion_control='{in_effect} {asked}'"
    );
    let said =
        format!("TCP runs with the congestion controller {in_effect}, because {asked} may not be used");
    let expect = format!("figures of {in_effect}");
    Diagnosis::bad(name, in_effect, cost, remedy).warning(Affects::All, said, expect)
}

/// Returns whether TCP sockets with these limits get another congestion controller than the limits name.
pub(super) fn lacks_controller(limits: &Limits) -> bool {
    let controller = capabilities::controller(limits).ok().flatten();
    controller.is_some_and(|found| found.asked.is_some_and(|asked| asked != found.in_effect))
}

/// Returns whether the kernel forgets the metrics of a TCP connection, such as round-trip times, when it ends. `None`
/// if the kernel has no such setting.
fn tcp_no_metrics_save() -> Option<bool> {
    read("/proc/sys/net/ipv4/tcp_no_metrics_save").map(|value| value != "0")
}

fn metrics_cache(is_off: bool) -> Diagnosis {
    let name = "TCP metrics cache";
    if is_off {
        return Diagnosis::good(name, "off");
    }
    let cost = "a connection starts with the round-trip time of earlier ones: no matter on loopback, but on a network";
    let remedy = "sudo sysctl -w net.ipv4.tcp_no_metrics_save=1; sudo ip tcp_metrics flush";
    Diagnosis::bad(name, "on", cost, remedy)
}

fn buffers(asked: u64, send: u64, receive: u64) -> Diagnosis {
    let (send, receive) = (send / REPORTED, receive / REPORTED);
    let (send_mib, receive_mib) = (mib(send), mib(receive));
    let seen =
        format!("{send_mib:.1} MiB to send, {receive_mib:.1} to receive, {} requested", ByteSize(asked));
    if send.min(receive) >= asked {
        return Diagnosis::good("socket buffers", seen);
    }
    let cost = "a sender and a receiver wait for each other more often, and QUIC drops packets";
    let remedy = format!("sudo sysctl -w net.core.wmem_max={asked} net.core.rmem_max={asked}");
    let granted = mib(send.min(receive));
    let said =
        format!("the kernel grants socket buffers of {granted:.1} MiB in place of {}", ByteSize(asked));
    let expect = "ends that wait for each other more often, and lost packets of QUIC";
    Diagnosis::bad("socket buffers", seen, cost, remedy).warning(Affects::All, said, expect)
}

fn gso(segments: usize) -> Diagnosis {
    let seen =
        if segments > 1 { format!("{segments} datagrams per send") } else { "one datagram per send".into() };
    if segments >= SEGMENTS {
        return Diagnosis::good("UDP GSO", seen);
    }
    let cost = "QUIC is about ten times slower: 0.10 instead of 1.1 GiB/s in a bare loop at an MTU of 1452";
    Diagnosis::bad("UDP GSO", seen, cost, "a kernel from 4.18 on, outside gVisor").warning(
        Affects::OverUdp,
        "this kernel does not send several datagrams at once (UDP GSO)",
        "QUIC to be about ten times slower",
    )
}

fn gro(segments: usize) -> Diagnosis {
    let seen = if segments > 1 {
        format!("up to {segments} datagrams per receive")
    } else {
        "one datagram per receive".into()
    };
    if segments > 1 {
        return Diagnosis::good("UDP GRO", seen);
    }
    let cost = "a QUIC receiver makes a system call for every few packets";
    Diagnosis::bad("UDP GRO", seen, cost, "a kernel from 5.0 on, outside gVisor").warning(
        Affects::OverUdp,
        "this kernel does not receive several datagrams at once (UDP GRO)",
        "slower QUIC, with a system call for every few packets",
    )
}

fn loopback(mtu: u64) -> Diagnosis {
    if mtu >= LOOPBACK_MTU {
        return Diagnosis::good("loopback MTU", mtu.to_string());
    }
    let cost = "more and smaller segments than other machines' loopback, and --quic-mtu may not fit";
    let remedy = format!("sudo ip link set dev lo mtu {LOOPBACK_MTU}");
    let said = format!("the MTU of loopback is {mtu} in place of {LOOPBACK_MTU}");
    let expect = "more and smaller segments than on other machines";
    Diagnosis::bad("loopback MTU", mtu.to_string(), cost, remedy).warning(Affects::All, said, expect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clamped_buffers_and_missing_offloads_are_problems() {
        let asked = 4 << 20;
        assert!(buffers(asked, REPORTED * asked, REPORTED * asked).problem.is_none());
        let clamped = buffers(asked, REPORTED * asked, REPORTED * (208 << 10)).problem.unwrap();
        assert!(clamped.remedy.contains("rmem_max=4194304"), "{}", clamped.remedy);
        assert!(gso(64).problem.is_none() && gso(1).problem.is_some());
        assert!(gro(64).problem.is_none() && gro(1).problem.is_some());
        let of = |limits: &Limits| capabilities::controller(limits).unwrap().unwrap();
        let mut own = Limits::default();
        own.set(&record::CONGESTION, record::LimitValue::Auto).unwrap();
        assert!(controller(of(&own)).problem.is_none() && !lacks_controller(&own));
        let mut other = of(&Limits::default());
        other.in_effect = "own".into();
        let problem = controller(other).problem.unwrap();
        assert!(problem.cost.contains("may not use cubic"), "{}", problem.cost);
        assert!(of_others("cubic", "cubic bbr").problem.is_none());
        let remedy = |available| of_others("bbr", available).problem.unwrap().remedy;
        assert!(remedy("reno cubic bbr").ends_with("=cubic") && remedy("reno bbr").ends_with("=reno"));
        assert!(metrics_cache(true).problem.is_none() && metrics_cache(false).problem.is_some());
        assert!(loopback(65_536).problem.is_none() && loopback(1500).problem.is_some());
    }
}
