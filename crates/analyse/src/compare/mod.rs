//! Two sets of records compared, figure by figure.
//!
//! Cases are joined by their keys; for each [`Metric`] the medians are compared, with the exact bootstrap interval of
//! their ratio; interval and threshold together decide the [`Change`].

mod change;
mod join;
mod metric;
mod thresholds;

use record::{FaultKind, Record};
use serde::Serialize;
use stats::fewest_values;

use crate::{Verdict, machines};

pub use change::{Change, MetricChange};
pub use join::Circumstance;
use join::Pair;
pub use metric::{METRICS, Metric};
pub use thresholds::{Thresholds, ThresholdsError};

/// The probability that any interval of a comparison misses the true change. It is divided by the number of intervals
/// (Bonferroni): otherwise a comparison of a hundred figures would report five regressions where nothing has changed.
const ALPHA: f64 = 0.05;

/// A comparison of two sets of records.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The cases that both sets have.
    pub cases: Vec<ComparedCase>,
    /// The names that only the base has.
    pub missing: Vec<String>,
    /// The names that only the candidate has.
    pub new: Vec<String>,
    /// Other differences: machines, builds, limits.
    pub circumstances: Vec<Circumstance>,
    /// The machines of the base and of the candidate, if the records are of several. No conclusion is then drawn about
    /// speed.
    pub machines: Option<[String; 2]>,
    /// The probability that any of the intervals misses the true change.
    pub alpha: f64,
    /// The fewest runs on each side for an interval.
    pub fewest_runs: Option<usize>,
}

/// One case that both sets have.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ComparedCase {
    /// The case's name.
    pub name: String,
    /// The numbers of runs in the base and in the candidate.
    pub runs: (usize, usize),
    /// The numbers of failed runs in the base and in the candidate.
    pub failed: (usize, usize),
    /// The kinds of failures that the base does not have.
    pub new_failures: Vec<FaultKind>,
    /// The changes of the case's figures.
    pub changes: Vec<MetricChange>,
}

impl Comparison {
    /// Compares a candidate with a base.
    pub fn of(base: &[Record], candidate: &[Record], thresholds: &Thresholds) -> Self {
        let joined = join::join(base, candidate);
        let figures = |records: &[&Record], metric: &Metric| -> Vec<f64> {
            records.iter().filter_map(|record| metric.of(record)).collect()
        };
        let sets = |pair: &Pair<'_>, metric: &'static Metric| {
            let (base, candidate) = (figures(&pair.base, metric), figures(&pair.candidate, metric));
            (!base.is_empty() && !candidate.is_empty()).then_some((metric, base, candidate))
        };
        let all: Vec<(&Pair<'_>, Vec<_>)> = joined
            .pairs
            .iter()
            .map(|pair| (pair, METRICS.iter().filter_map(|metric| sets(pair, metric)).collect()))
            .collect();
        let comparisons: usize = all.iter().map(|(_, sets)| sets.len()).sum();
        let alpha = ALPHA / comparisons.max(1) as f64;
        let is_one_machine = machines::is_one(base.iter().chain(candidate));
        let cases = all.into_iter().map(|(pair, sets)| {
            let change = |(metric, base, candidate): &(&'static Metric, Vec<f64>, Vec<f64>)| {
                let change = MetricChange::of(metric, base, candidate, thresholds.of(metric), alpha)?;
                Some(if is_one_machine { change } else { change.over_machines() })
            };
            ComparedCase::of(pair, sets.iter().filter_map(change).collect())
        });
        Self {
            cases: cases.collect(),
            missing: joined.missing,
            new: joined.new,
            circumstances: joined.circumstances,
            machines: (!is_one_machine).then(|| [base, candidate].map(machines::names)),
            alpha: ALPHA,
            fewest_runs: fewest_values(alpha),
        }
    }

    /// The changes of all figures.
    pub fn changes(&self) -> impl Iterator<Item = &MetricChange> {
        self.cases.iter().flat_map(|case| &case.changes)
    }

    /// The verdict for a gate: a candidate that is worse, or that fails where the base did not.
    pub fn verdict(&self) -> Verdict {
        let worst = self.cases.iter().filter_map(ComparedCase::verdict).min();
        // Without a single interval nothing was compared, and a gate must not pass.
        let nothing_compared = self
            .changes()
            .all(|change| change.ratio.interval.is_none() || change.change == Change::Incomparable);
        worst.unwrap_or(if nothing_compared { Verdict::Inconclusive } else { Verdict::Good })
    }
}

impl ComparedCase {
    fn of(pair: &Pair<'_>, changes: Vec<MetricChange>) -> Self {
        let failed = |records: &[&Record]| records.iter().filter(|record| !record.is_ok()).count();
        let kinds = |records: &[&Record]| -> Vec<FaultKind> {
            records.iter().filter_map(|record| record.error.as_ref()).map(|fault| fault.kind).collect()
        };
        let known = kinds(&pair.base);
        let mut new_failures = kinds(&pair.candidate);
        new_failures.retain(|kind| !known.contains(kind));
        new_failures.sort_unstable();
        new_failures.dedup();
        Self {
            name: pair.name.clone(),
            runs: (pair.base.len(), pair.candidate.len()),
            failed: (failed(&pair.base), failed(&pair.candidate)),
            new_failures,
            changes,
        }
    }

    /// The verdict on the case, if it is worse.
    pub fn verdict(&self) -> Option<Verdict> {
        let worse = self.changes.iter().filter(|change| change.change == Change::Worse);
        let failures = self.new_failures.iter().map(|kind| match kind {
            FaultKind::Integrity => Verdict::IntegrityFailed,
            _ => Verdict::RunFailed,
        });
        worse.map(|change| change.metric.if_worse).chain(failures).min()
    }
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use record::End;

    use super::*;
    use crate::tests::{runs, with, with_peak};

    fn verdict(base: &[Record], candidate: &[Record]) -> Verdict {
        Comparison::of(base, candidate, &Thresholds::default()).verdict()
    }

    /// Goodput with noise of 4 %, and occasionally a run slowed by another process.
    fn noisy(random: &mut Xoshiro256PlusPlus, centre: f64, rounds: usize) -> Vec<f64> {
        let mut uniform = || f64::from(random.next_u32()) / f64::from(u32::MAX);
        (0..rounds)
            .map(|_| {
                let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
                let slowed = if uniform() < 0.05 { 0.7 } else { 1.0 };
                centre * slowed * (1.0 + 0.04 * normal)
            })
            .collect()
    }

    #[test]
    fn one_run_split_in_two_is_no_regression() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let repeats = 200;
        let called = (0..repeats).filter(|_| {
            let mut half = || -> Vec<Record> {
                let protocols = ["tcp", "h1c", "h2c", "tls", "h1", "h2", "quic", "h3"]
                    .map(|protocol| runs(protocol, &noisy(&mut random, 3000.0, 7)));
                protocols.concat()
            };
            verdict(&half(), &half()) != Verdict::Good
        });
        let called = called.count();
        assert!(called * 20 <= repeats, "{called} of {repeats}");
    }

    #[test]
    fn a_slowdown_of_a_tenth_is_found_with_seven_rounds() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(8);
        let found = (0..200).filter(|_| {
            let noise = |random: &mut Xoshiro256PlusPlus, centre: f64| -> Vec<f64> {
                let mut uniform = || f64::from(random.next_u32()) / f64::from(u32::MAX);
                (0..7).map(|_| centre * (1.0 + 0.04 * (uniform() - 0.5))).collect()
            };
            let (base, candidate) = (noise(&mut random, 3000.0), noise(&mut random, 2700.0));
            verdict(&runs("h2", &base), &runs("h2", &candidate)) == Verdict::Slower
        });
        let found = found.count();
        assert!(found >= 198, "{found} of 200");
    }

    #[test]
    fn another_machine_is_not_slower_but_its_memory_is_judged() {
        let goodputs = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0];
        let on = |name: &str, speed: f64, mib: u64| -> Vec<Record> {
            let runs = runs("h2", &goodputs.map(|goodput| goodput * speed)).into_iter();
            runs.map(|record| with_peak(record, End::Sender, mib << 20))
                .map(|record| with(record, |record| record.host.name = Some(name.into())))
                .collect()
        };
        let base = on("fast", 1.0, 8);
        assert_eq!(verdict(&base, &on("fast", 0.5, 8)), Verdict::Slower);
        let comparison = Comparison::of(&base, &on("slow", 0.5, 8), &Thresholds::default());
        assert_eq!(comparison.verdict(), Verdict::Good);
        assert_eq!(comparison.machines, Some(["fast".into(), "slow".into()]));
        assert!(comparison.changes().all(|c| (c.change == Change::Incomparable) == c.metric.is_speed()));
        assert_eq!(verdict(&base, &on("slow", 0.5, 12)), Verdict::MemoryOver);
        let mixed = [on("fast", 1.0, 8), on("slow", 0.5, 8)].concat();
        assert_eq!(verdict(&mixed, &mixed), Verdict::Good, "each side has both machines");
    }

    #[test]
    fn memory_decides_before_speed_and_too_few_rounds_decide_nothing() {
        let peaked = |goodputs: &[f64], mib: u64| -> Vec<Record> {
            let runs = runs("h2", goodputs).into_iter();
            runs.map(|record| with_peak(record, End::Sender, mib << 20)).collect()
        };
        let base = peaked(&[100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0], 8);
        let slow = [50.0, 51.0, 52.0, 53.0, 54.0, 55.0, 56.0];
        assert_eq!(verdict(&base, &peaked(&slow, 8)), Verdict::Slower);
        let candidate = peaked(&slow, 12);
        assert_eq!(verdict(&base, &candidate), Verdict::MemoryOver);
        assert_eq!(verdict(&base[..2], &candidate[..2]), Verdict::Inconclusive);
    }
}
