//! The machine during one run, and the rule by which a run counts as disturbed.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{EndRecord, Record, TransportStats};

/// The machine during one run, from before the ends were started until after they had ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Conditions {
    /// The sender's core; null if it was bound to none.
    pub sender_core: Option<CoreConditions>,
    /// The receiver's core; null if it was bound to none.
    pub receiver_core: Option<CoreConditions>,
    /// Seconds for which a quota stopped the processes of longhaul's cgroup; null without a quota.
    pub throttled_s: Option<f64>,
    /// Processes that were killed because memory ran out: of longhaul's cgroup, or of the machine where the cgroup does
    /// not count them.
    pub oom_kills: Option<u64>,
}

/// One core during a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CoreConditions {
    /// The number of the core.
    pub core: u64,
    /// Seconds that the hypervisor gave to other machines while this one wanted to run, in steps of 10 ms.
    pub steal_s: Option<f64>,
    /// The times that the core entered each idle state of its cpuidle driver; the first state polls. Empty if the
    /// kernel has no cpuidle.
    pub idle_entries: BTreeMap<String, u64>,
}

/// The largest share of a run that an end may wait for its core, or that its core may be stolen. Figures move visibly
/// above it, and an undisturbed run stays far below.
const SHARE: f64 = 0.02;

/// The shortest delay that counts, in seconds. The kernel wakes a process in some tens of microseconds, which is a
/// large share of a run of a millisecond.
const SHORTEST: f64 = 0.001;

/// The most involuntary switches of an end per second. Of 2,180 committed ends, 99.9 % had fewer.
const SWITCHES_PER_S: f64 = 200.0;

/// The fewest involuntary switches that count: the report of progress preempts an end a few times in any run.
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
    /// Judges from the measurements whether something other than the case disturbed the run, and states the outcome in
    /// [`disturbed`](Self::disturbed) and [`disturbances`](Self::disturbances). The rule is fixed: any of
    ///
    /// - an end waited for its core for over 2 % of the time, and at least 1 ms (`run_delay_s`),
    /// - the hypervisor took over 2 % of the time from a core of an end (`steal_s`),
    /// - the CPU quota of the cgroup was used up (`throttled_s`),
    /// - an end was preempted over 200 times per second, and at least 10 times (`context_switches.involuntary`),
    /// - the sender sent packets again, which loopback never loses (`transport`).
    ///
    /// Nothing is judged, and both stay empty, if the run failed or no delay could be read.
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
            (Disturbance::Retransmits, self.sender.as_ref().is_some_and(sent_again)),
        ];
        Some(rules.into_iter().filter(|(_, is_met)| *is_met).map(|(kind, _)| kind).collect())
    }

    /// Returns whether nothing is known to have disturbed the run: the condition for medians without disturbed runs.
    /// Earlier records, of which it is not known, count as undisturbed.
    pub fn is_undisturbed(&self) -> bool {
        self.disturbed != Some(true)
    }
}

/// Returns whether an end sent packets again.
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

    /// A calm run of one second.
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
    fn nothing_is_said_of_runs_of_which_nothing_is_known() {
        assert_eq!(judged(|run| run.elapsed_s = None), (None, 0));
        let earlier = |run: &mut Record| {
            run.sender.as_mut().unwrap().run_delay_s = None;
            run.receiver = None;
        };
        assert_eq!(judged(earlier), (None, 0));
        assert!(calm().is_undisturbed());
    }
}
