//! The queues at the ports of the bridge: netem delays, loses and reorders packets, and its inner queue tbf holds and
//! paces them.

use std::time::Duration;

use record::{BitRate, NetworkSpec};
use serde::Deserialize;

use super::{
    super::ends::MTU,
    links::{CLIENT_PORT, SERVER_PORT},
    loss::Loss,
    programs::{self, Refusal},
};
use crate::{RelayFault, link};

/// The most packets that netem holds. It holds delayed packets only; the bounded queue is tbf, which follows it.
const NETEM_PACKETS: u32 = 10_000_000;

/// A rate that makes netem keep packets in order: with a rate, netem sends no packet before the previous one. This rate
/// is too high to delay a packet.
const IN_ORDER: &str = "1tbit";

/// The delay of packets on a network with a rate and without a delay.
const LEAST_DELAY: Duration = Duration::from_micros(1);

/// The bytes that tbf may send at once after a pause, as a share of the bytes of a second. They are at least two
/// packets.
const BURST_S: f64 = 0.001;

/// The packets dropped at a port.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// The packets that netem dropped, with those that its inner queue dropped.
    netem: u64,
    /// The packets that found the queue full.
    pub(super) overflowed: u64,
}

impl Dropped {
    /// Returns the packets that netem lost.
    pub(super) fn lost(&self) -> u64 {
        self.netem.saturating_sub(self.overflowed)
    }
}

/// Attaches the queues to both ports in the namespace of this process. Returns the mechanism that loses packets.
///
/// # Errors
/// Fails if `tc` does, or if the kernel cannot delay packets that are to be delayed.
pub(super) fn attach(network: &NetworkSpec) -> Result<Loss, RelayFault> {
    let (mut loss, mut place) = (Loss::Nothing, "root");
    if let Some(figures) = netem(network) {
        match on_both_ports(&format!("root handle 1: netem limit {NETEM_PACKETS}{figures}")) {
            Ok(()) => (loss, place) = (Loss::Netem, "parent 1:1"),
            Err(refusal) if refusal.is_of_unknown_kind() && has_delay(network) => return Err(without_netem()),
            Err(refusal) if refusal.is_of_unknown_kind() => loss = Loss::by_rules(network),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    if let Some(rate) = network.rate {
        on_both_ports(&format!("{place} handle 2: {}", tbf(rate, link::queue(network))))?;
    }
    Ok(loss)
}

fn on_both_ports(queue: &str) -> Result<(), Refusal> {
    let lines = [CLIENT_PORT, SERVER_PORT].map(|port| format!("qdisc add dev {port} {queue}"));
    programs::batch("tc", &lines).map(drop)
}

/// Returns whether packets are to be delayed, for which only netem can be used.
fn has_delay(network: &NetworkSpec) -> bool {
    !network.rtt.is_zero() || !network.jitter.is_zero()
}

fn without_netem() -> RelayFault {
    let message = "this kernel has no netem, which rtt= and jitter= need; load it with 'modprobe sch_netem'";
    RelayFault { message: message.into(), is_unsupported: true }
}

/// Returns the parameters of netem; `None` if it is not needed.
fn netem(network: &NetworkSpec) -> Option<String> {
    let mut figures = String::new();
    if has_delay(network) || network.rate.is_some() {
        // netem adds its jitter to the delay or subtracts it. The jitter of a network only adds to the delay.
        let (delay, jitter) = (network.rtt / 2 + network.jitter / 2, network.jitter / 2);
        // A packet that netem delays no longer counts as waiting at its sender. Otherwise TCP would hold back further
        // packets.
        figures += &format!(" delay {}", micros(delay.max(LEAST_DELAY)));
        if !jitter.is_zero() {
            figures += &format!(" {} rate {IN_ORDER}", micros(jitter));
        }
    }
    for (name, per_million) in [("loss", network.loss_per_million), ("reorder", network.reorder_per_million)]
    {
        if per_million > 0 {
            figures += &format!(" {name} {}%", f64::from(per_million) / 10_000.0);
        }
    }
    (!figures.is_empty()).then_some(figures)
}

fn micros(time: Duration) -> String {
    format!("{}us", time.as_micros())
}

/// Returns the queue of a rate, in bytes.
fn tbf(rate: BitRate, queue: u64) -> String {
    let burst = ((rate.bytes_per_s() * BURST_S) as u64).max(2 * u64::from(MTU));
    format!("tbf rate {}bit burst {burst} limit {queue}", rate.bits_per_s())
}

/// Returns the packets dropped so far at a port in the namespace of this process.
///
/// # Errors
/// Fails if `tc` does.
pub(super) fn dropped(port: &str) -> Result<Dropped, RelayFault> {
    Ok(parse(&programs::run("tc", &["-s", "-j", "qdisc", "show", "dev", port])?))
}

fn parse(printed: &str) -> Dropped {
    #[derive(Deserialize)]
    struct Queue {
        kind: String,
        #[serde(default)]
        drops: u64,
    }
    let queues: Vec<Queue> = serde_json::from_slice(printed.as_bytes()).unwrap_or_default();
    let of = |kind| queues.iter().filter(|queue| queue.kind == kind).map(|queue| queue.drops).sum();
    Dropped { netem: of("netem"), overflowed: of("tbf") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_network_are_those_of_the_queues() {
        for (network, netem_figures) in [
            ("relay=kernel", None),
            ("rate=1Gbit", Some(" delay 1us")),
            ("loss=2%", Some(" loss 2%")),
            ("rtt=40ms", Some(" delay 20000us")),
            ("rtt=40ms,jitter=2ms", Some(" delay 21000us 1000us rate 1tbit")),
            ("rtt=1ms,loss=0.5%,reorder=2%", Some(" delay 500us loss 0.5% reorder 2%")),
        ] {
            let network = network.parse().unwrap();
            assert_eq!(netem(&network).as_deref(), netem_figures);
        }
        let rate = |text: &str| text.parse().unwrap();
        assert_eq!(tbf(rate("100Mbit"), 65_536), "tbf rate 100000000bit burst 12500 limit 65536");
        assert_eq!(tbf(rate("1Mbit"), 1), "tbf rate 1000000bit burst 3000 limit 1");
    }

    #[test]
    fn losses_are_told_from_a_full_queue() {
        let printed = r#"[{"kind":"netem","handle":"1:","drops":10,"qlen":0},{"kind":"tbf","drops":4}]"#;
        let dropped = parse(printed);
        assert_eq!((dropped.lost(), dropped.overflowed), (6, 4));
        assert_eq!(parse("[]"), Dropped::default());
    }
}
