//! Whether a figure has changed, and for better or worse.

use super::{
    bootstrap::{self, Ratio},
    join::Pair,
    metric::{self, Metric},
};
use crate::{cli::Thresholds, record::Record, report::median};

/// How likely one of all intervals of a comparison may miss the true change. It is divided by their number
/// (Bonferroni), or a comparison of a hundred figures would call five regressions where nothing has changed.
pub(super) const ALPHA: f64 = 0.05;

/// What has become of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Better,
    Worse,
    /// Whatever has changed is within the threshold.
    Same,
    /// The interval tells neither.
    Unclear,
}

/// A figure of a case, before and now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) metric: Metric,
    /// Medians.
    pub(super) base: f64,
    pub(super) candidate: f64,
    pub(super) ratio: Ratio,
    pub(super) change: Change,
}

/// A case with its judgements.
pub(super) struct Judged<'a> {
    pub(super) pair: &'a Pair<'a>,
    pub(super) judgements: Vec<Judgement>,
}

/// Judges every figure of every case; tells also how likely each interval may miss.
pub(super) fn judge<'a>(pairs: &'a [Pair<'a>], thresholds: Thresholds) -> (Vec<Judged<'a>>, f64) {
    let figures = |records: &[&Record], metric: Metric| -> Vec<f64> {
        records.iter().filter_map(|record| metric.of(record)).collect()
    };
    let sets = |pair: &Pair, metric| {
        let (base, candidate) = (figures(&pair.base, metric), figures(&pair.candidate, metric));
        (!base.is_empty() && !candidate.is_empty()).then_some((metric, base, candidate))
    };
    let all: Vec<_> = pairs
        .iter()
        .map(|pair| {
            (pair, metric::ALL.into_iter().filter_map(|metric| sets(pair, metric)).collect::<Vec<_>>())
        })
        .collect();
    let comparisons: usize = all.iter().map(|(_, sets)| sets.len()).sum();
    let alpha = ALPHA / comparisons.max(1) as f64;
    let judged = all.into_iter().map(|(pair, sets)| {
        let judge = |(metric, base, candidate): &(Metric, Vec<f64>, Vec<f64>)| {
            Judgement::of(*metric, base, candidate, metric.threshold(thresholds), alpha)
        };
        Judged { pair, judgements: sets.iter().filter_map(judge).collect() }
    });
    (judged.collect(), alpha)
}

impl Judgement {
    fn of(metric: Metric, base: &[f64], candidate: &[f64], threshold: f64, alpha: f64) -> Option<Self> {
        let ratio = bootstrap::ratio(base, candidate, alpha)?;
        Some(Self {
            metric,
            base: median(base.iter().copied())?,
            candidate: median(candidate.iter().copied())?,
            ratio,
            change: change(metric, ratio, threshold),
        })
    }
}

fn change(metric: Metric, Ratio { estimate, interval }: Ratio, threshold: f64) -> Change {
    let Some((low, high)) = interval else { return Change::Unclear };
    let rose = low > 1.0 && estimate > 1.0 + threshold;
    let fell = high < 1.0 && estimate < 1.0 - threshold;
    match (rose, fell) {
        (true, _) if metric.more_is_better() => Change::Better,
        (_, true) if metric.more_is_better() => Change::Worse,
        (true, _) => Change::Worse,
        (_, true) => Change::Better,
        _ if low >= 1.0 - threshold && high <= 1.0 + threshold => Change::Same,
        _ => Change::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::End;

    fn of(metric: Metric, estimate: f64, interval: (f64, f64)) -> Change {
        change(metric, Ratio { estimate, interval: Some(interval) }, 0.05)
    }

    #[test]
    fn worse_only_beyond_the_threshold_and_with_an_interval_without_zero() {
        let goodput = Metric::Goodput;
        assert_eq!(of(goodput, 0.90, (0.88, 0.93)), Change::Worse);
        assert_eq!(of(goodput, 0.90, (0.78, 1.01)), Change::Unclear);
        assert_eq!(of(goodput, 0.97, (0.96, 0.98)), Change::Same);
        assert_eq!(of(goodput, 0.97, (0.91, 1.02)), Change::Unclear);
        assert_eq!(of(goodput, 1.10, (1.06, 1.12)), Change::Better);
        assert_eq!(change(goodput, Ratio { estimate: 0.5, interval: None }, 0.05), Change::Unclear);
    }

    #[test]
    fn less_memory_and_less_processor_time_are_better() {
        for metric in [Metric::PeakRss(End::Sender), Metric::Cpu(End::Receiver)] {
            assert_eq!(of(metric, 1.2, (1.1, 1.3)), Change::Worse);
            assert_eq!(of(metric, 0.8, (0.7, 0.9)), Change::Better);
        }
    }
}
