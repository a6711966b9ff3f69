//! The comparison of two sets of records, figure by figure.
//!
//! Cases are joined by their keys. For each [`Metric`], the ratio of candidate to base is estimated with its interval.
//! The estimate uses pairs of runs if both sets were made in turns. A test over all cases together decides which
//! figures have changed. Interval and threshold then determine the kind of [`Change`].

mod change;
mod figures;
mod join;
mod judge;
mod metric;
mod side;
#[cfg(test)]
mod tests;
mod thresholds;

use record::{FaultKind, Record};
use serde::Serialize;
use stats::median;

use crate::Verdict;

pub use change::{Change, MetricChange};
use figures::{Conditions, Figures};
pub use join::Circumstance;
use join::{Pair, circumstances, join, missing_goodputs, only_in};
use judge::{FALSE_DISCOVERIES, POWER, judge};
pub use metric::{METRICS, Metric, MetricFamily};
use side::{Run, Side, has_goodput};
pub use thresholds::{Thresholds, ThresholdsError};

/// The builder of a [`Comparison`], to which records are added one by one. Only the figures of each record are kept.
/// Controls are left out.
#[derive(Debug, Default)]
pub struct Comparing {
    base: Side,
    candidate: Side,
}

/// The treatment of speeds from different machines, kernels, allocators or core distances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Machines {
    /// Speeds are not compared if one of these conditions differs.
    #[default]
    One,
    /// All speeds are compared, as if they had been measured on one machine.
    Any,
}

/// A comparison of two sets of records.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The cases that both sets have.
    pub cases: Vec<ComparedCase>,
    /// The names of the cases that only the base has.
    pub missing: Vec<String>,
    /// The number of missing cases with a goodput in the base, whose slowdown nothing can show.
    pub missing_goodputs: usize,
    /// The names of the cases that only the candidate has.
    pub new: Vec<String>,
    /// The facts about machines, builds, limits and observed framing that differ between the sets.
    pub circumstances: Vec<Circumstance>,
    /// The warnings of the machine in the records of the base and of the candidate, one for each condition.
    pub warnings: [Vec<String>; 2],
    /// The names of the machines of the base and of the candidate; `None` if all records can be from one machine.
    pub machines: Option<[String; 2]>,
    /// The facts among machine, kernel and allocator that have several values. If there is one, no conclusion is drawn
    /// about speed, except with [`Machines::Any`].
    pub differences: Vec<Circumstance>,
    /// The expected share of false discoveries among the changes that are called better or worse: for goodputs, and
    /// separately for all other figures.
    pub alpha: f64,
    /// The confidence of each interval, as a probability.
    pub confidence: f64,
    /// The probability with which a comparison finds a change of the smallest size that it states.
    pub power: f64,
    /// The fewest runs on each side with which every case without an interval would have one. If all cases have one,
    /// the fewest runs with which each of them would.
    pub fewest_runs: Option<usize>,
}

/// One case that both sets have.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ComparedCase {
    /// The name of the case, with label and peer.
    pub name: String,
    /// The numbers of runs in the base and in the candidate.
    pub runs: (usize, usize),
    /// True if the runs of both sets were made in turns. Otherwise the drift of the machine is part of the changes.
    pub in_turns: bool,
    /// The numbers of runs in the base and in the candidate that no figure of speed contains, because their cores were
    /// far apart.
    pub left_out: (usize, usize),
    /// True if the cores were far apart in all runs of one side, but not in all runs of the other. Runs with an unknown
    /// distance are left out.
    pub distances_differ: bool,
    /// The numbers of successful runs in the base and in the candidate that were disturbed.
    pub disturbed: (usize, usize),
    /// The median goodputs of the base and of the candidate without disturbed runs, in bytes per second; `None` if no
    /// run was disturbed, or all were. The figures in `changes` include disturbed runs.
    pub undisturbed_goodputs: (Option<f64>, Option<f64>),
    /// The numbers of failed runs in the base and in the candidate.
    pub failed: (usize, usize),
    /// The kinds of failures in the candidate that the base does not have.
    pub new_failures: Vec<FaultKind>,
    /// True if runs of the base succeeded, and none of the candidate.
    pub is_lost: bool,
    /// True if the base has a goodput, but there is no pair of values to compare: `changes` then holds no goodput.
    pub lacks_goodput: bool,
    /// The changes of the case's figures.
    pub changes: Vec<MetricChange>,
}

impl Comparing {
    /// Adds a record to the base.
    pub fn add_base(&mut self, record: &Record) {
        self.base.add(record);
    }

    /// Adds a record to the candidate.
    pub fn add_candidate(&mut self, record: &Record) {
        self.candidate.add(record);
    }

    /// Compares the candidate with the base. `thresholds` holds the smallest changes that count, and `machines` the
    /// treatment of different machines.
    pub fn finish(mut self, thresholds: &Thresholds, machines: Machines) -> Comparison {
        Side::make_comparable([&mut self.base, &mut self.candidate]);
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
        let fewest_runs = Some(fewest_runs(&cases));
        Comparison {
            cases,
            missing: only_in(base, candidate),
            missing_goodputs: missing_goodputs(base, candidate),
            new: only_in(candidate, base),
            circumstances: circumstances(base, candidate),
            warnings: [base.warnings(), candidate.warnings()],
            machines: base.machines.names_unless_one(&candidate.machines),
            differences,
            alpha: FALSE_DISCOVERIES,
            confidence: figures::CONFIDENCE,
            power: POWER,
            fewest_runs,
        }
    }
}

impl Comparison {
    /// Compares a candidate with a base. Speeds from different machines are not compared.
    pub fn of(base: &[Record], candidate: &[Record], thresholds: &Thresholds) -> Self {
        let mut comparing = Comparing::default();
        base.iter().for_each(|record| comparing.add_base(record));
        candidate.iter().for_each(|record| comparing.add_candidate(record));
        comparing.finish(thresholds, Machines::One)
    }

    /// Returns the changes of all figures.
    pub fn changes(&self) -> impl Iterator<Item = &MetricChange> {
        self.cases.iter().flat_map(|case| &case.changes)
    }

    /// Returns the changes of all goodputs.
    pub fn goodputs(&self) -> impl Iterator<Item = &MetricChange> {
        self.changes().filter(|change| change.metric.family == MetricFamily::Goodput)
    }

    /// Returns the number of goodputs of the base that are not compared: those of missing cases, and those of cases in
    /// which the candidate has no goodput.
    pub fn lacking_goodputs(&self) -> usize {
        self.missing_goodputs + self.cases.iter().filter(|case| case.lacks_goodput).count()
    }

    /// Returns the verdict for a gate. The worst case decides: a figure that is worse, a kind of failure that the base
    /// does not have, or the failure of all runs. Otherwise, the verdict is inconclusive without a goodput, if a goodput
    /// of the base is not compared, or if a goodput could have worsened by its threshold unnoticed.
    pub fn verdict(&self) -> Verdict {
        let worst = self.cases.iter().filter_map(ComparedCase::verdict).min();
        let is_conclusive = self.lacking_goodputs() == 0
            && self.goodputs().next().is_some()
            && self.goodputs().all(|goodput| goodput.is_conclusive);
        worst.unwrap_or(if is_conclusive { Verdict::Good } else { Verdict::Inconclusive })
    }
}

/// The fewest pairs of runs in turns for an interval of 95 % ([`stats::paired_shift`]).
const FEWEST_PAIRS: usize = 6;

/// The fewest runs on each side for an interval of 95 % without turns ([`stats::unpaired_shift`]).
const FEWEST_APART: usize = 4;

/// Returns the fewest runs on each side for an interval of each case that has a figure without one, or of each case if
/// there is no such case.
fn fewest_runs(cases: &[ComparedCase]) -> usize {
    let lacks_interval =
        |case: &ComparedCase| case.changes.iter().any(|change| change.ratio.interval.is_none());
    let all_have_one = !cases.iter().any(lacks_interval);
    let counts = |case: &&ComparedCase| all_have_one || lacks_interval(case);
    let is_any_in_turns = cases.iter().filter(counts).any(|case| case.in_turns);
    if is_any_in_turns { FEWEST_PAIRS } else { FEWEST_APART }
}

/// Returns the number of successful runs that were disturbed.
fn disturbed(runs: &[Run]) -> usize {
    runs.iter().filter(|run| run.is_ok && !run.is_undisturbed).count()
}

/// Returns the median goodput of the undisturbed runs; `None` if no run was disturbed, or all were.
fn undisturbed_goodput(runs: &[Run]) -> Option<f64> {
    let calm = runs.iter().filter(|run| run.is_ok && run.is_undisturbed);
    let goodputs: Vec<f64> = calm.filter_map(Run::goodput).collect();
    median(&goodputs).filter(|_| disturbed(runs) > 0)
}

impl ComparedCase {
    fn of(pair: &Pair<'_>, figures: &Figures) -> Self {
        let has_change = figures.all.iter().any(|figure| figure.metric.family == MetricFamily::Goodput);
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
            disturbed: (disturbed(pair.base), disturbed(pair.candidate)),
            undisturbed_goodputs: (undisturbed_goodput(pair.base), undisturbed_goodput(pair.candidate)),
            failed: (failed(pair.base), failed(pair.candidate)),
            new_failures,
            is_lost: pair.base.iter().any(|run| run.is_ok) && !pair.candidate.iter().any(|run| run.is_ok),
            lacks_goodput: has_goodput(pair.base) && !has_change,
            changes: Vec::new(),
        }
    }

    /// Returns the verdict on the case; `None` unless a figure is worse, the candidate has a new kind of failure, or all
    /// its runs failed.
    pub fn verdict(&self) -> Option<Verdict> {
        let worse = self.changes.iter().filter(|change| change.change == Change::Worse);
        let failures = self.new_failures.iter().map(|kind| match kind {
            FaultKind::Integrity => Verdict::IntegrityFailed,
            _ => Verdict::RunFailed,
        });
        let lost = self.is_lost.then_some(Verdict::RunFailed);
        worse.map(|change| change.metric.if_worse).chain(failures).chain(lost).min()
    }
}
