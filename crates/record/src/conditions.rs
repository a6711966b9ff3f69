//! The conditions on the machine during one run, and the rules by which a run counts as disturbed.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{End, EndRecord, Record, TransportStats};

/// The conditions on the machine during one run, from before the ends were started until after they had ended.
///
/// For a run on two machines, each machine states the core of its own end, and the other figures are sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Conditions {
    /// The sender's core; null if the sender was bound to no core.
    pub sender_core: Option<CoreConditions>,
    /// The receiver's core; null if the receiver was bound to no core.
    pub receiver_core: Option<CoreConditions>,
    /// Seconds for which the CPU quota stopped the processes of longhaul's cgroup; null without a quota.
    pub throttled_s: Option<f64>,
    /// The number of processes that the kernel killed because memory ran out: those of longhaul's cgroup, or of the
    /// whole machine if the cgroup does not count them. Null if neither counts them.
    pub oom_kills: Option<u64>,
}

impl Conditions {
    /// Adds the conditions on another machine, on which `end` ran.
    pub fn add_machine_of(&mut self, end: End, other: Self) {
        match end {
            End::Sender => self.sender_core = other.sender_core,
            End::Receiver => self.receiver_core = other.receiver_core,
        }
        self.throttled_s = match (self.throttled_s, other.throttled_s) {
            (Some(own), Some(other)) => Some(own + other),
            (own, other) => own.or(other),
        };
        self.oom_kills = match (self.oom_kills, other.oom_kills) {
            (Some(own), Some(other)) => Some(own.saturating_add(other)),
            (own, other) => own.or(other),
        };
    }
}

/// The conditions of one core during a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CoreConditions {
    /// The number of the core, as Linux counts cores from 0.
    pub core: u64,
    /// Seconds for which the core was ready to run but the hypervisor ran another virtual machine, in steps of 10 ms.
    /// Null if the kernel does not count them.
    pub steal_s: Option<f64>,
    /// The number of entries of the core into each idle state of its cpuidle driver; the first state polls. Empty if
    /// the kernel has no cpuidle.
    pub idle_entries: BTreeMap<String, u64>,
}

/// The largest share of a run for which an end may wait for its core, or the hypervisor may take the core. Above this
/// share, figures move visibly. An undisturbed run stays far below.
const SHARE: f64 = 0.02;

/// The shortest delay that counts as a disturbance, in seconds. The kernel takes some tens of microseconds to wake a
/// process, which is a large share of a run of a millisecond.
const SHORTEST: f64 = 0.001;

/// The most involuntary context switches per second of an undisturbed end. Of the 2,180 ends in the committed results,
/// 99.9 % had fewer.
const SWITCHES_PER_S: f64 = 200.0;

/// The fewest involuntary context switches that count as a disturbance: progress reports preempt an end a few times in
/// any run.
const FEWEST_SWITCHES: f64 = 10.0;

/// One reason for which a run counts as disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disturbance {
    RunDelay,
    Steal,
    Throttled,
    Switches,
    Retransmits,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunDelay => "an end waited for its core",
            Self::Steal => "the hypervisor took a core",
            Self::Throttled => "the CPU quota was used up",
            Self::Switches => "an end was preempted",
            Self::Retransmits => "packets were sent again",
        })
    }
}

impl Record {
    /// Judges from the measurements whether something other than the case disturbed the run. Sets
    /// [`disturbed`](Self::disturbed) and [`disturbances`](Self::disturbances).
    ///
    /// A run is disturbed if at least one of these holds:
    ///
    /// - An end waited for its core for over 2 % of the time, and at least 1 ms (`run_delay_s`).
    /// - The hypervisor took a core of an end for over 2 % of the time, and at least 1 ms (`steal_s`).
    /// - The CPU quota of the cgroup was used up (`throttled_s`).
    /// - An end was preempted over 200 times per second, and at least 10 times (`context_switches.involuntary`).
    /// - The sender retransmitted packets, which loopback never loses (`transport`). This rule does not apply to runs
    ///   on two machines (`peer_host`, or a `peer` elsewhere) and over an emulated network (`network`), which may lose
    ///   packets.
    ///
    /// A run without a duration (`elapsed_s`) or without a run delay is not judged.
    pub fn judge_disturbance(&mut self) {
        let Some(found) = self.disturbances_found() else { return };
        self.disturbed = Some(!found.is_empty());
        self.disturbances = found.iter().map(ToString::to_string).collect();
    }

    fn disturbances_found(&self) -> Option<Vec<Disturbance>> {
        let elapsed = self.elapsed_s?;
        let ends: Vec<&EndRecord> = [&self.sender, &self.receiver].into_iter().flatten().collect();
        let delays: Vec<f64> = ends.iter().filter_map(|end| end.run_delay_s).collect();
        if delays.is_empty() {
            return None;
        }
        let conditions = self.conditions.as_ref();
        let cores = conditions.into_iter().flat_map(|at| [&at.sender_core, &at.receiver_core]).flatten();
        let long = |delay: f64| delay >= SHORTEST && delay > SHARE * elapsed;
        let often = |count: u64| {
            let count = count as f64;
            count >= FEWEST_SWITCHES && count > SWITCHES_PER_S * elapsed
        };
        let is_peer_near = self.peer.as_deref().is_none_or(is_near);
        let is_loopback = self.peer_host.is_none() && self.case.network.is_none() && is_peer_near;
        let rules = [
            (Disturbance::RunDelay, delays.into_iter().any(long)),
            (Disturbance::Steal, cores.filter_map(|core| core.steal_s).any(long)),
            (Disturbance::Throttled, conditions.and_then(|at| at.throttled_s).is_some_and(|time| time > 0.0)),
            (
                Disturbance::Switches,
                ends.iter()
                    .filter_map(|end| end.context_switches)
                    .any(|switches| often(switches.involuntary)),
            ),
            (Disturbance::Retransmits, is_loopback && self.sender.as_ref().is_some_and(sent_again)),
        ];
        Some(rules.into_iter().filter(|(_, is_met)| *is_met).map(|(kind, _)| kind).collect())
    }

    /// Returns whether no disturbance of the run is known. Earlier records do not state whether they were disturbed,
    /// and count as undisturbed.
    pub fn is_undisturbed(&self) -> bool {
        self.disturbed != Some(true)
    }
}

/// Returns whether a peer is on this machine: its URL has a loopback address, or it is a program of this machine and no
/// URL.
fn is_near(peer: &str) -> bool {
    let Some((_, rest)) = peer.split_once("://") else { return true };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns whether a sender retransmitted packets.
fn sent_again(end: &EndRecord) -> bool {
    match &end.transport {
        Some(TransportStats::Tcp(tcp)) => tcp.retransmits > 0,
        Some(TransportStats::Quic(quic)) => quic.lost_packets > 0,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Case, ContextSwitches, QuicStats, TcpStats};

    /// Returns the record of an undisturbed run of one second.
    fn calm() -> Record {
        let mut record = Record::new("run", Case::new("h2"));
        record.elapsed_s = Some(1.0);
        let end = EndRecord {
            run_delay_s: Some(0.002),
            context_switches: Some(ContextSwitches { voluntary: 5000, involuntary: 50 }),
            ..EndRecord::default()
        };
        (record.sender, record.receiver) = (Some(end.clone()), Some(end));
        let core = CoreConditions { steal_s: Some(0.01), ..CoreConditions::default() };
        let conditions =
            Conditions { receiver_core: Some(core), throttled_s: Some(0.0), ..Conditions::default() };
        record.conditions = Some(conditions);
        record
    }

    fn judged(change: impl FnOnce(&mut Record)) -> (Option<bool>, usize) {
        let mut record = calm();
        change(&mut record);
        record.judge_disturbance();
        (record.disturbed, record.disturbances.len())
    }

    #[test]
    fn a_calm_run_is_not_disturbed_and_each_rule_alone_marks_one() {
        assert_eq!(judged(|_| ()), (Some(false), 0));
        let marked = (Some(true), 1);
        assert_eq!(judged(|run| run.receiver.as_mut().unwrap().run_delay_s = Some(0.021)), marked);
        let core = |run: &mut Record| {
            run.conditions.as_mut().unwrap().receiver_core.as_mut().unwrap().steal_s = Some(0.03);
        };
        assert_eq!(judged(core), marked);
        assert_eq!(judged(|run| run.conditions.as_mut().unwrap().throttled_s = Some(0.001)), marked);
        let switches = Some(ContextSwitches { voluntary: 0, involuntary: 201 });
        assert_eq!(judged(|run| run.sender.as_mut().unwrap().context_switches = switches), marked);
        let tcp = TcpStats { retransmits: 1, ..TcpStats::default() };
        assert_eq!(
            judged(|run| run.sender.as_mut().unwrap().transport = Some(TransportStats::Tcp(tcp))),
            marked
        );
        let quic = QuicStats { lost_packets: 1, ..QuicStats::default() };
        assert_eq!(
            judged(|run| run.sender.as_mut().unwrap().transport = Some(TransportStats::Quic(quic))),
            marked
        );
    }

    #[test]
    fn packets_that_are_sent_again_between_two_machines_are_no_disturbance() {
        let resend = |run: &mut Record| {
            let tcp = TcpStats { retransmits: 1, ..TcpStats::default() };
            run.sender.as_mut().unwrap().transport = Some(TransportStats::Tcp(tcp));
        };
        let over_network = |run: &mut Record| {
            resend(run);
            run.peer_host = Some(crate::Host::default().into());
        };
        assert_eq!(judged(over_network), (Some(false), 0));
        let to = |peer: &str| {
            judged(|run| {
                resend(run);
                run.peer = Some(peer.into());
            })
        };
        for far in ["https://example.org/up", "http://192.0.2.1:80/", "https://[2001:db8::1]:8443/a"] {
            assert_eq!(to(far), (Some(false), 0), "{far}");
        }
        for near in ["https://127.0.0.1:8443/up", "http://localhost/", "https://[::1]:8443/a?b", "nginx"] {
            assert_eq!(to(near), (Some(true), 1), "{near}");
        }
    }

    #[test]
    fn conditions_of_two_machines_are_the_core_of_each_end_and_sums() {
        let core = |core| Some(CoreConditions { core, ..CoreConditions::default() });
        let mut own = Conditions {
            sender_core: core(0),
            receiver_core: core(1),
            throttled_s: Some(0.5),
            oom_kills: None,
        };
        let other = Conditions {
            sender_core: core(4),
            receiver_core: core(5),
            throttled_s: Some(0.25),
            oom_kills: Some(2),
        };
        own.add_machine_of(End::Receiver, other);
        let expected = Conditions {
            sender_core: core(0),
            receiver_core: core(5),
            throttled_s: Some(0.75),
            oom_kills: Some(2),
        };
        assert_eq!(own, expected);
    }

    #[test]
    fn a_short_run_is_not_disturbed_by_a_wake_up() {
        let brief = |run: &mut Record| {
            run.elapsed_s = Some(0.002);
            let end = run.sender.as_mut().unwrap();
            end.run_delay_s = Some(0.0004);
            end.context_switches = Some(ContextSwitches { voluntary: 0, involuntary: 3 });
            (run.receiver, run.conditions) = (None, None);
        };
        assert_eq!(judged(brief), (Some(false), 0));
    }

    #[test]
    fn runs_without_measured_delays_are_not_judged() {
        assert_eq!(judged(|run| run.elapsed_s = None), (None, 0));
        let earlier = |run: &mut Record| {
            run.sender.as_mut().unwrap().run_delay_s = None;
            run.receiver = None;
        };
        assert_eq!(judged(earlier), (None, 0));
        assert!(calm().is_undisturbed());
    }
}
