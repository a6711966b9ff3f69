//! Two sets of records compared, figure by figure.
//!
//! Cases are joined by their keys. For each [`Metric`] the ratio of candidate to base is estimated with its interval, in
//! pairs where the runs were made in turns. A test of all cases together decides which figures have changed, and the
//! interval and the threshold what that [`Change`] is worth.

mod change;
mod figures;
mod join;
mod judge;
mod metric;
mod side;
mod thresholds;

use record::{FaultKind, Record};
use serde::Serialize;

use crate::Verdict;

pub use change::{Change, MetricChange};
use figures::{Conditions, Figures};
pub use join::Circumstance;
use join::{Pair, circumstances, join, only_in};
use judge::{FALSE_DISCOVERIES, judge};
pub use metric::{METRICS, Metric, MetricFamily};
use side::{Run, Side};
pub use thresholds::{Thresholds, ThresholdsError};

/// Two sets of records on their way to a [`Comparison`]. Of each record, only its figures are kept.
#[derive(Debug, Default)]
pub struct Comparing {
    base: Side,
    candidate: Side,
}

/// Whether speeds of different machines, kernels, allocators or core distances are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Machines {
    /// They are not comparable.
    #[default]
    One,
    /// They are compared as though they were of one machine.
    Any,
}

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
    /// The machines of the base and of the candidate, if the records are of several.
    pub machines: Option<[String; 2]>,
    /// Machine, kernel or allocator, where the records are of several. Unless any machines are compared, no conclusion
    /// is drawn about speed.
    pub differences: Vec<Circumstance>,
    /// The expected share of false ones among the changes that are called better or worse, for goodputs and for all
    /// other figures.
    pub alpha: f64,
    /// The confidence of each interval.
    pub confidence: f64,
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
    /// Whether the runs were made in turns. If not, the drift of the machine is part of the changes.
    pub in_turns: bool,
    /// The numbers of runs in the base and in the candidate that count for no speed, because their cores were far apart.
    pub left_out: (usize, usize),
    /// Whether the cores were far apart in all runs of one side alone.
    pub distances_differ: bool,
    /// The numbers of failed runs in the base and in the candidate.
    pub failed: (usize, usize),
    /// The kinds of failures that the base does not have.
    pub new_failures: Vec<FaultKind>,
    /// The changes of the case's figures.
    pub changes: Vec<MetricChange>,
}

/// The fewest pairs of runs in turns for an interval of 95 %, and the fewest runs on each side if they were not in turns
/// (see [`stats::paired_shift`] and [`stats::unpaired_shift`]).
const FEWEST_RUNS: [usize; 2] = [6, 4];

impl Comparing {
    /// Adds a record to the base.
    pub fn add_base(&mut self, record: &Record) {
        self.base.add(record);
    }

    /// Adds a record to the candidate.
    pub fn add_candidate(&mut self, record: &Record) {
        self.candidate.add(record);
    }

    /// Compares the candidate with the base.
    pub fn finish(mut self, thresholds: &Thresholds, machines: Machines) -> Comparison {
        self.base.make_comparable();
        self.candidate.make_comparable();
        let Self { base, candidate } = &self;
        let differences = base.machines.differences(&candidate.machines);
        let conditions = match machines {
            Machines::Any => Conditions::Ignored,
            Machines::One if differences.is_empty() => Conditions::Alike,
            Machines::One => Conditions::Different,
        };
        let pairs = join(base, candidate);
        let (mut cases, mut numbers, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for pair in &pairs {
            let figures = Figures::of(pair, conditions);
            cases.push(ComparedCase::of(pair, &figures));
            numbers.push(figures.all.len());
            all.extend(figures.all);
        }
        let mut changes = judge(&all, thresholds).into_iter();
        for (case, number) in cases.iter_mut().zip(numbers) {
            case.changes.extend(changes.by_ref().take(number));
        }
        let is_paired = !cases.is_empty() && cases.iter().all(|case| case.in_turns);
        Comparison {
            cases,
            missing: only_in(base, candidate),
            new: only_in(candidate, base),
            circumstances: circumstances(base, candidate),
            machines: base.machines.names_unless_one(&candidate.machines),
            differences,
            alpha: FALSE_DISCOVERIES,
            confidence: figures::CONFIDENCE,
            fewest_runs: Some(FEWEST_RUNS[usize::from(!is_paired)]),
        }
    }
}

impl Comparison {
    /// Compares a candidate with a base of one machine.
    pub fn of(base: &[Record], candidate: &[Record], thresholds: &Thresholds) -> Self {
        let mut comparing = Comparing::default();
        base.iter().for_each(|record| comparing.add_base(record));
        candidate.iter().for_each(|record| comparing.add_candidate(record));
        comparing.finish(thresholds, Machines::One)
    }

    /// The changes of all figures.
    pub fn changes(&self) -> impl Iterator<Item = &MetricChange> {
        self.cases.iter().flat_map(|case| &case.changes)
    }

    /// The changes of all goodputs.
    pub fn goodputs(&self) -> impl Iterator<Item = &MetricChange> {
        self.changes().filter(|change| change.metric.family == MetricFamily::Goodput)
    }

    /// The verdict for a gate: a candidate that is worse, or that fails where the base did not. It is inconclusive if
    /// there is no goodput, or if one could have become worse by its threshold without being noticed.
    pub fn verdict(&self) -> Verdict {
        let worst = self.cases.iter().filter_map(ComparedCase::verdict).min();
        let is_conclusive =
            self.goodputs().next().is_some() && self.goodputs().all(|goodput| goodput.is_conclusive);
        worst.unwrap_or(if is_conclusive { Verdict::Good } else { Verdict::Inconclusive })
    }
}

impl ComparedCase {
    fn of(pair: &Pair<'_>, figures: &Figures) -> Self {
        let failed = |runs: &[Run]| runs.iter().filter(|run| !run.is_ok).count();
        let kinds = |runs: &[Run]| -> Vec<FaultKind> { runs.iter().filter_map(|run| run.failure).collect() };
        let known = kinds(pair.base);
        let mut new_failures = kinds(pair.candidate);
        new_failures.retain(|kind| !known.contains(kind));
        new_failures.sort_unstable();
        new_failures.dedup();
        Self {
            name: pair.name.clone(),
            runs: (pair.base.len(), pair.candidate.len()),
            in_turns: figures.in_turns,
            left_out: figures.left_out,
            distances_differ: figures.distances_differ,
            failed: (failed(pair.base), failed(pair.candidate)),
            new_failures,
            changes: Vec::new(),
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
    use crate::tests::{run, runs, with, with_peak};

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

    /// Moves a record to the given second of a day.
    fn at(record: Record, second: usize) -> Record {
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        with(record, |record| record.started_at = format!("2026-11-23T{hours:02}:{minutes:02}:{seconds:02}Z"))
    }

    /// Two sets of rounds of cases, made in turns: the base first in even rounds. `goodput` takes side, case and round.
    fn turns(
        cases: usize,
        rounds: usize,
        mut goodput: impl FnMut(usize, usize, usize) -> f64,
    ) -> (Vec<Record>, Vec<Record>) {
        let mut sides = [Vec::new(), Vec::new()];
        for (round, case) in (0..rounds).flat_map(|round| (0..cases).map(move |case| (round, case))) {
            for (side, records) in sides.iter_mut().enumerate() {
                let place = (side + round) % 2;
                let mut record = at(run("h2"), (2 * round + place) * cases + case);
                record.case.body = record::ByteSize(1 + case as u64);
                record.goodput_bytes_per_s = Some(goodput(side, case, round));
                records.push(record);
            }
        }
        let [base, candidate] = sides;
        (base, candidate)
    }

    fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
        (0..12).map(|_| f64::from(random.next_u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0
    }

    fn worse(comparison: &Comparison) -> usize {
        comparison.goodputs().filter(|goodput| goodput.change == Change::Worse).count()
    }

    #[test]
    fn halved_goodput_is_found_at_seven_rounds_in_all_of_49_cases_and_in_one() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for halved in [49, 1] {
            let (base, candidate) = turns(49, 7, |side, case, _| {
                let factor = if side == 1 && case < halved { 0.5 } else { 1.0 };
                3e9 * factor * (0.04 * normal(&mut random)).exp()
            });
            let in_turns = Comparison::of(&base, &candidate, &Thresholds::default());
            assert!(in_turns.cases.iter().all(|case| case.in_turns));
            assert_eq!(worse(&in_turns), halved, "in turns");
            assert_eq!(in_turns.verdict(), Verdict::Slower);
            // The same figures, made one set after the other.
            let later = candidate.into_iter().enumerate().map(|(second, record)| at(record, 7200 + second));
            let apart = Comparison::of(&base, &later.collect::<Vec<_>>(), &Thresholds::default());
            assert!(apart.cases.iter().all(|case| !case.in_turns));
            assert_eq!(worse(&apart), halved, "not in turns");
        }
    }

    #[test]
    fn pairs_find_on_a_drifting_machine_what_two_sets_do_not() {
        // The level drifts from round to round with a deviation of 5 %, each run scatters by 2 %, and the candidate is
        // 5 % slower.
        let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
        let (mut paired, mut unpaired) = (0, 0);
        for _ in 0..200 {
            let mut level = [0.0_f64; 9];
            let mut last = 0.05 * normal(&mut random);
            for level in &mut level {
                last = 0.8 * last + 0.6 * 0.05 * normal(&mut random);
                *level = last;
            }
            let (base, candidate) = turns(1, 9, |side, _, round| {
                let factor = if side == 1 { 0.95 } else { 1.0 };
                3e9 * factor * (level[round] + 0.02 * normal(&mut random)).exp()
            });
            let found =
                |candidate: &[Record]| worse(&Comparison::of(&base, candidate, &Thresholds::default()));
            paired += found(&candidate);
            let later: Vec<Record> = candidate
                .iter()
                .enumerate()
                .map(|(second, record)| at(record.clone(), 7200 + second))
                .collect();
            unpaired += found(&later);
        }
        assert!(paired >= 185 && unpaired < 160, "{paired} and {unpaired} of 200");
    }

    #[test]
    fn the_smallest_change_that_is_stated_is_found_in_80_of_100() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut compared = |cases: usize, slowdown: f64| {
            let (base, candidate) = turns(cases, 7, |side, case, _| {
                let factor = if side == 1 && case == 0 { 1.0 - slowdown } else { 1.0 };
                3e9 * factor * (0.03 * normal(&mut random)).exp()
            });
            Comparison::of(&base, &candidate, &"0%".parse().unwrap())
        };
        for cases in [1, 24] {
            let stated: Vec<f64> =
                (0..60).filter_map(|_| compared(cases, 0.0).goodputs().next()?.smallest_change).collect();
            let typical = stated.iter().sum::<f64>() / stated.len() as f64;
            let found =
                |comparison: &Comparison| comparison.goodputs().next().unwrap().change == Change::Worse;
            let found = (0..200).filter(|_| found(&compared(cases, typical))).count();
            assert!((135..=190).contains(&found), "{cases} cases: {typical} is found in {found} of 200");
        }
    }

    #[test]
    fn a_gate_that_could_not_have_seen_the_threshold_is_inconclusive() {
        let scatter = |deviation: f64| {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(4);
            let (base, candidate) = turns(1, 7, |_, _, _| 3e9 * (deviation * normal(&mut random)).exp());
            Comparison::of(&base, &candidate, &Thresholds::default()).verdict()
        };
        assert_eq!([0.005, 0.2].map(scatter), [Verdict::Good, Verdict::Inconclusive]);
    }

    #[test]
    fn another_kernel_or_allocator_is_not_judged_by_speed_unless_any_are_compared() {
        let (base, candidate) = turns(1, 7, |side, _, _| if side == 1 { 2e9 } else { 3e9 });
        let edits: [fn(&mut Record); 2] = [
            |record| record.host.kernel = Some("7.1".into()),
            |record| record.build.allocator = "system".into(),
        ];
        for edit in edits {
            let mut comparing = Comparing::default();
            let mut other = Comparing::default();
            let mut base = base.clone();
            for record in &mut base {
                record.host.kernel = Some("6.18".into());
                record.build.allocator = "jemalloc".into();
                comparing.add_base(record);
                other.add_base(record);
            }
            for (record, known) in candidate.iter().zip(&base) {
                let mut record = record.clone();
                (record.host, record.build) = (known.host.clone(), known.build.clone());
                edit(&mut record);
                comparing.add_candidate(&record);
                other.add_candidate(&record);
            }
            let comparison = comparing.finish(&Thresholds::default(), Machines::One);
            assert_eq!((comparison.verdict(), comparison.differences.len()), (Verdict::Inconclusive, 1));
            let comparison = other.finish(&Thresholds::default(), Machines::Any);
            assert_eq!(comparison.verdict(), Verdict::Slower);
        }
    }

    #[test]
    fn runs_on_distant_cores_do_not_make_the_other_side_faster() {
        // Distant cores make 40 %: one run of the base, six of the candidate.
        let far = |side: usize, round: usize| if side == 0 { round == 0 } else { round < 6 };
        let (mut base, mut candidate) =
            turns(1, 13, |side, _, round| if far(side, round) { 1.2e9 } else { 3e9 + round as f64 });
        for (side, records) in [&mut base, &mut candidate].into_iter().enumerate() {
            for (round, record) in records.iter_mut().enumerate() {
                let ns = if far(side, round) { 320 } else { 60 };
                record.core_round_trip = Some(record::CoreRoundTrip { before_ns: ns, after_ns: ns });
            }
        }
        let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
        assert_eq!((comparison.verdict(), comparison.cases[0].left_out), (Verdict::Good, (1, 6)));
        let only_far: Vec<Record> =
            candidate.iter().filter(|record| record.core_round_trip.unwrap().is_far()).cloned().collect();
        let comparison = Comparison::of(&base, &only_far, &Thresholds::default());
        assert_eq!(comparison.verdict(), Verdict::Inconclusive);
        assert!(comparison.cases[0].distances_differ);
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
            !matches!(verdict(&half(), &half()), Verdict::Good | Verdict::Inconclusive)
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
        assert_eq!(comparison.verdict(), Verdict::Inconclusive);
        assert_eq!(comparison.machines, Some(["fast".into(), "slow".into()]));
        assert!(comparison.changes().all(|c| (c.change == Change::Incomparable) == c.metric.is_speed()));
        assert_eq!(verdict(&base, &on("slow", 0.5, 12)), Verdict::MemoryOver);
        let mixed = [on("fast", 1.0, 8), on("slow", 0.5, 8)].concat();
        assert_eq!(verdict(&mixed, &mixed), Verdict::Inconclusive, "each side has both machines");
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
