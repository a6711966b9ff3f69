//! The change of one figure, for better or worse.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use stats::Ratio;

use super::{
    figures::Figure,
    metric::{self, Metric},
};

/// The conclusion about a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The figure has improved beyond chance, perhaps by more than the threshold.
    Better,
    /// The figure has worsened beyond chance, perhaps by more than the threshold.
    Worse,
    /// Any change is within the threshold.
    Same,
    /// The figures do not decide, or there are too few.
    Unclear,
    /// The figure depends on conditions in which the two sets differ.
    Incomparable,
}

/// A figure of a case in the base and in the candidate.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MetricChange {
    /// The metric.
    #[serde(serialize_with = "metric::name")]
    pub metric: &'static Metric,
    /// The median of the base.
    pub base: f64,
    /// The median of the candidate.
    pub candidate: f64,
    /// The candidate over the base by the estimator of Hodges and Lehmann, with its interval of 95 %.
    #[serde(serialize_with = "ratio")]
    pub ratio: Ratio,
    /// The p-value: the probability of a difference at least as large if nothing has changed.
    pub probability: Option<f64>,
    /// The smallest change for the worse, as a share of the base, that these runs show in 80 of 100 comparisons.
    pub smallest_change: Option<f64>,
    /// True if a change for the worse by the threshold is found or ruled out.
    pub is_conclusive: bool,
    /// The conclusion.
    pub change: Change,
}

fn ratio<S: Serializer>(ratio: &Ratio, serializer: S) -> Result<S::Ok, S::Error> {
    let mut state = serializer.serialize_struct("Ratio", 2)?;
    state.serialize_field("estimate", &ratio.estimate)?;
    state.serialize_field("interval", &ratio.interval.map(|interval| [interval.low, interval.high]))?;
    state.end()
}

impl MetricChange {
    /// Derives the change of a figure from its test. `smallest` is the logarithm of the smallest change that the test
    /// detects, and `is_found` is true if the difference is significant.
    pub(super) fn of(
        figure: &Figure,
        probability: Option<f64>,
        smallest: Option<f64>,
        is_found: bool,
        threshold: f64,
    ) -> Self {
        let Figure { metric, base, candidate, .. } = *figure;
        let change = Change::of(figure, is_found, threshold);
        let worse = |change: f64| if metric.more_is_better { 1.0 - (-change).exp() } else { change.exp_m1() };
        let smallest_change = smallest.map(worse);
        let is_ruled_out = figure.shift.ratio.interval.is_some_and(|interval| {
            if metric.more_is_better {
                interval.low >= 1.0 - threshold
            } else {
                interval.high <= 1.0 + threshold
            }
        });
        let is_conclusive = match change {
            Change::Better | Change::Worse | Change::Same => true,
            Change::Unclear => is_ruled_out || smallest_change.is_some_and(|smallest| smallest <= threshold),
            Change::Incomparable => false,
        };
        let ratio = figure.shift.ratio;
        Self { metric, base, candidate, ratio, probability, smallest_change, is_conclusive, change }
    }
}
