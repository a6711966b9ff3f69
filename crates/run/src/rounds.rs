//! The decision whether a session runs another round.

use std::{collections::HashMap, time::Duration};

use metrics::Stamp;
use record::{CaseKey, Record};
use stats::{is_look, relative_half_width};

use crate::Plan;

/// The least number of failed runs that end a session in which no run has succeeded: one for each of three sizes of
/// body.
const FUTILE: u32 = 3;

/// The rounds of a running session: their times, and the goodputs that decide whether more follow.
pub(crate) struct Rounds {
    plan: Plan,
    began: Stamp,
    round_began: Stamp,
    /// The duration of the longest round so far.
    longest: Duration,
    done: u32,
    /// The number of failed runs.
    failed: u32,
    has_success: bool,
    /// True once this session has made a run; runs of earlier sessions do not count.
    has_run: bool,
    /// The goodputs of each case with each peer, a program of someone else (`None` without one).
    goodputs: HashMap<(CaseKey, Option<String>), Vec<f64>>,
}

/// The next step of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another round follows.
    Round(u32),
    /// All planned rounds are done, and the goodputs are as precise as the plan demands.
    Done,
    /// Another round might not end within the time limit of the plan.
    OutOfTime,
    /// Every run so far has failed.
    Futile,
}

impl Rounds {
    pub(crate) fn begin(plan: Plan) -> Self {
        let now = Stamp::now();
        Self {
            plan,
            began: now,
            round_began: now,
            longest: Duration::ZERO,
            done: 0,
            failed: 0,
            has_success: false,
            has_run: false,
            goodputs: HashMap::new(),
        }
    }

    /// Returns the next step of the session, and starts the clock of a round that follows.
    pub(crate) fn next(&mut self) -> Next {
        if self.done >= self.plan.rounds && self.is_precise() {
            return Next::Done;
        }
        if !self.has_success && self.failed >= FUTILE {
            return Next::Futile;
        }
        let needed = self.began.elapsed() + self.longest;
        if self.done > 0 && self.plan.longest.is_some_and(|longest| needed > longest) {
            return Next::OutOfTime;
        }
        self.begin_round();
        Next::Round(self.plan.first + self.done)
    }

    /// Restarts the clock of the current round, so that warm-up runs do not count as part of it.
    pub(crate) fn begin_round(&mut self) {
        self.round_began = Stamp::now();
    }

    /// Returns whether the time limit of the plan has passed, so that no further warm-up run may start.
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.plan.longest.is_some_and(|longest| self.began.elapsed() > longest)
    }

    /// Returns whether the time limit of the plan has passed, so that no further run may start. The first run of a session
    /// always may: without any, the time so far would be spent for nothing.
    pub(crate) fn is_over(&self) -> bool {
        self.has_run && self.is_out_of_time()
    }

    /// Adds a run of this session.
    pub(crate) fn keep(&mut self, record: &Record) {
        self.has_run = true;
        match record.is_ok() {
            true => self.has_success = true,
            false => self.failed = self.failed.saturating_add(1),
        }
        let goodput = record.goodput_bytes_per_s.filter(|_| record.is_ok());
        self.count(record.case.key(), record.peer.clone(), goodput);
    }

    /// Counts the goodput of a case with a peer. A failed run has none.
    pub(crate) fn count(&mut self, case: CaseKey, peer: Option<String>, goodput: Option<f64>) {
        self.has_success |= goodput.is_some();
        if let Some(goodput) = goodput.filter(|_| self.plan.precision.is_some()) {
            self.goodputs.entry((case, peer)).or_default().push(goodput);
        }
    }

    /// Ends the current round, and notes its duration.
    pub(crate) fn end_round(&mut self) {
        self.longest = self.longest.max(self.round_began.elapsed());
        self.done += 1;
    }

    /// Returns whether the confidence interval of every goodput is narrow enough. Always true for a plan without a
    /// precision. A case without any goodput does not count, since more rounds would not help.
    fn is_precise(&self) -> bool {
        let Some(wanted) = self.plan.precision else { return true };
        let is_narrow =
            |goodputs: &Vec<f64>| relative_half_width(goodputs).is_some_and(|half| half <= wanted);
        is_look(self.done) && self.goodputs.values().all(is_narrow)
    }
}

#[cfg(test)]
mod tests {
    use record::Case;

    use super::*;

    fn record(goodput: f64) -> Record {
        let mut record = Record::new("run", Case::new("tcp"));
        record.goodput_bytes_per_s = Some(goodput);
        record
    }

    /// Returns the number of rounds that a plan takes with these goodputs in turn, and the last step.
    fn rounds(plan: Plan, goodputs: &[f64]) -> (u32, Next) {
        let mut rounds = Rounds::begin(plan);
        for goodput in goodputs.iter().cycle() {
            let next = rounds.next();
            let Next::Round(round) = next else { return (rounds.done, next) };
            assert!(round < 500, "no end");
            rounds.keep(&record(*goodput));
            rounds.end_round();
        }
        unreachable!("the cycle has no end")
    }

    #[test]
    fn a_plan_without_a_precision_has_its_number_of_rounds() {
        assert_eq!(rounds(Plan::of(4), &[1.0, 2.0]), (4, Next::Done));
        assert_eq!(rounds(Plan::of(0), &[1.0]), (0, Next::Done));
    }

    #[test]
    fn a_plan_that_continues_has_later_rounds() {
        let mut continued = Rounds::begin(Plan::of(1).from_round(3));
        assert_eq!(continued.next(), Next::Round(3));
        continued.end_round();
        assert_eq!(continued.next(), Next::Done);
    }

    #[test]
    fn rounds_are_added_until_the_interval_is_narrow() {
        let calm = rounds(Plan::of(6).until_precise(0.02), &[100.0, 100.5, 99.5]);
        let noisy = rounds(Plan::of(6).until_precise(0.02), &[100.0, 104.0, 96.0, 102.0, 98.0, 101.0, 99.0]);
        assert!(calm.0 < noisy.0 && calm.1 == Next::Done && noisy.1 == Next::Done, "{calm:?} {noisy:?}");
        assert!(rounds(Plan::of(50).until_precise(0.02), &[100.0]).0 >= 50);
    }

    #[test]
    fn a_used_up_time_ends_a_session_that_is_not_precise() {
        let plan = Plan::of(6).until_precise(0.02).within(Duration::ZERO);
        assert_eq!(rounds(plan, &[100.0, 200.0]), (1, Next::OutOfTime));
        assert_eq!(rounds(Plan::of(6).within(Duration::ZERO), &[100.0]), (1, Next::OutOfTime));
    }

    #[test]
    fn a_used_up_time_ends_the_warm_up_but_not_before_the_first_run() {
        let mut rounds = Rounds::begin(Plan::of(6).within(Duration::ZERO));
        assert_eq!(rounds.next(), Next::Round(0));
        rounds.count(Case::new("tcp").key(), None, Some(1.0));
        assert!(rounds.is_out_of_time() && !rounds.is_over(), "a run of an earlier session");
        rounds.keep(&failed());
        assert!(rounds.is_over());
        let unlimited = Rounds::begin(Plan::of(6));
        assert!(!unlimited.is_out_of_time() && !unlimited.is_over());
    }

    #[test]
    fn cases_without_a_goodput_are_not_waited_for() {
        let mut rounds = Rounds::begin(Plan::of(1).until_precise(0.02));
        while let Next::Round(round) = rounds.next() {
            assert!(round < 100, "no end");
            rounds.keep(&failed());
            rounds.end_round();
        }
    }

    /// Returns the record of a failed run.
    fn failed() -> Record {
        let mut failed = record(1.0);
        failed.outcome = record::Outcome::Error;
        failed
    }

    /// Returns the number of rounds of a session of two cases, whose runs succeed as `succeeds` says for each run in
    /// turn, and the last step.
    fn rounds_of_two(succeeds: impl Fn(u32) -> bool) -> (u32, Next) {
        let mut rounds = Rounds::begin(Plan::of(9));
        loop {
            let next = rounds.next();
            let Next::Round(round) = next else { return (rounds.done, next) };
            for run in [2 * round, 2 * round + 1] {
                rounds.keep(&if succeeds(run) { record(1.0) } else { failed() });
            }
            rounds.end_round();
        }
    }

    #[test]
    fn a_session_without_any_success_ends_after_the_round_of_its_third_failure() {
        assert_eq!(rounds_of_two(|_| false), (2, Next::Futile));
        assert_eq!(rounds_of_two(|run| run == 0), (9, Next::Done), "an early success");
        assert_eq!(rounds_of_two(|run| run == 3), (9, Next::Done), "a late success");
        let mut continued = Rounds::begin(Plan::of(9));
        continued.count(Case::new("tcp").key(), None, Some(1.0));
        (0..3).for_each(|_| continued.keep(&failed()));
        assert_eq!(continued.next(), Next::Round(0), "a success of an earlier invocation");
    }
}
