//! The figures of one case on both sides, in pairs if the runs were made in turns.

use stats::{Shift, median, paired_shift, unpaired_shift};

use super::{
    join::Pair,
    metric::{METRICS, Metric},
    side::Run,
};
use crate::turns::in_turns;

/// The confidence of every interval of a comparison.
pub(super) const CONFIDENCE: f64 = 0.95;

/// The relation of the conditions of the two sets, as far as speed depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditions {
    /// Machine, kernel and allocator are the same in both sets.
    Alike,
    /// Machine, kernel or allocator differs between the sets.
    Different,
    /// Machine, kernel or allocator may differ, and speeds are compared all the same.
    Ignored,
}

/// The figures of one case on both sides.
pub(super) struct Figures {
    /// True if the runs of both sides were made in turns. Their rounds are then paired.
    pub(super) in_turns: bool,
    /// The numbers of runs of base and candidate that no figure of speed contains, because their cores were far apart.
    pub(super) left_out: (usize, usize),
    /// True if the cores were far apart in all runs of one side, but not in all runs of the other.
    pub(super) distances_differ: bool,
    pub(super) all: Vec<Figure>,
}

/// The values of one figure on both sides.
pub(super) struct Figure {
    /// The position of the metric in [`METRICS`].
    pub(super) index: usize,
    pub(super) metric: &'static Metric,
    /// The median of the base's runs.
    pub(super) base: f64,
    /// The median of the candidate's runs.
    pub(super) candidate: f64,
    pub(super) shift: Shift,
    /// True if the conditions on which the figure depends were the same on both sides.
    pub(super) is_comparable: bool,
}

impl Figures {
    /// Returns the figures of a case. Figures of speed are comparable if conditions and core distances are the same on
    /// both sides, or if `conditions` is [`Conditions::Ignored`].
    pub(super) fn of(pair: &Pair<'_>, conditions: Conditions) -> Self {
        let turns = in_turns(pair.base, pair.candidate, |run| &run.started_at);
        // Runs on distant cores are slower, so they do not count for speed. If a side has no run on cores that are known
        // to be close, all its runs count. A run with an unknown distance always counts.
        let sides = [pair.base, pair.candidate];
        let with_distance = |runs: &[Run], is_far: bool| {
            runs.iter().filter(|run| run.is_ok && run.is_far == Some(is_far)).count()
        };
        let far = sides.map(|runs| with_distance(runs, true));
        let are_all_far = sides.map(|runs| with_distance(runs, true) > 0 && with_distance(runs, false) == 0);
        let left_out = |side: usize| if are_all_far[side] { 0 } else { far[side] };
        let keep = Keep { far: are_all_far };
        let have_speeds = sides.iter().all(|runs| runs.iter().any(|run| run.is_ok));
        let distances_differ = have_speeds && are_all_far[0] != are_all_far[1];
        let is_speed_comparable = match conditions {
            Conditions::Alike => !distances_differ,
            Conditions::Different => false,
            Conditions::Ignored => true,
        };
        let mut in_turns = turns.is_some();
        let figure = |(index, metric): (usize, &'static Metric)| {
            let paired = turns.as_ref().and_then(|turns| keep.paired(index, metric, turns));
            let is_paired = paired.is_some();
            // Without a pair of values, for instance after failed runs, the values of both sides remain.
            let (base, candidate, shift) = paired.or_else(|| keep.unpaired(index, metric, pair))?;
            in_turns &= is_paired;
            let is_comparable = is_speed_comparable || !metric.is_speed();
            Some(Figure { index, metric, base, candidate, shift, is_comparable })
        };
        let all = METRICS.iter().enumerate().filter_map(figure).collect();
        Self { in_turns, left_out: (left_out(0), left_out(1)), distances_differ, all }
    }
}

/// The rule that selects the runs of each side whose speed counts.
struct Keep {
    /// True for a side whose runs were all on distant cores, as far as is known: the speed of these runs then counts.
    far: [bool; 2],
}

impl Keep {
    fn figure(&self, side: usize, run: &Run, index: usize, metric: &Metric) -> Option<f64> {
        let counts = !metric.is_speed() || run.is_far != Some(true) || self.far[side];
        run.figures.get(index).copied().flatten().filter(|_| counts)
    }

    fn paired(&self, index: usize, metric: &Metric, turns: &[(&Run, &Run)]) -> Option<(f64, f64, Shift)> {
        let pair = |(base, candidate): &(&Run, &Run)| {
            Some((self.figure(0, base, index, metric)?, self.figure(1, candidate, index, metric)?))
        };
        let pairs: Vec<(f64, f64)> = turns.iter().filter_map(pair).collect();
        let shift = paired_shift(&pairs, CONFIDENCE)?;
        let (base, candidate): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        Some((median(&base)?, median(&candidate)?, shift))
    }

    fn unpaired(&self, index: usize, metric: &Metric, pair: &Pair<'_>) -> Option<(f64, f64, Shift)> {
        let figures = |side: usize, runs: &[Run]| -> Vec<f64> {
            runs.iter().filter_map(|run| self.figure(side, run, index, metric)).collect()
        };
        let (base, candidate) = (figures(0, pair.base), figures(1, pair.candidate));
        let shift = unpaired_shift(&base, &candidate, CONFIDENCE)?;
        Some((median(&base)?, median(&candidate)?, shift))
    }
}
