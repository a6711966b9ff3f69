//! The change of one figure from the base to the candidate.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use stats::Ratio;

use super::{
    figures::Figure,
    metric::{self, Metric},
};

/// The conclusion about the change of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The figure has improved significantly, and possibly by more than the threshold.
    Better,
    /// The figure has worsened significantly, and possibly by more than the threshold.
    Worse,
    /// The whole interval of the change is within the threshold.
    Same,
    /// The figures do not decide between the other conclusions, or are too few.
    Unclear,
    /// The figure depends on conditions that differ between the two sets.
    Incomparable,
}

/// The change of one figure of a case between the base and the candidate.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MetricChange {
    /// The metric of which this is a figure.
    #[serde(serialize_with = "metric::name")]
    pub metric: &'static Metric,
    /// The median of the base's runs.
    pub base: f64,
    /// The median of the candidate's runs.
    pub candidate: f64,
    /// The ratio of candidate to base by the estimator of Hodges and Lehmann, with its interval of 95 %.
    #[serde(serialize_with = "ratio")]
    pub ratio: Ratio,
    /// The p-value: the probability of a difference at least as large if nothing has changed. `None` if the change was
    /// not tested.
    pub probability: Option<f64>,
    /// The smallest change for the worse that these runs detect with a probability of 80 %, as a share of the base.
    /// `None` if it is unknown.
    pub smallest_change: Option<f64>,
    /// True if the runs find a change for the worse by the threshold, or rule it out.
    pub is_decided: bool,
    /// True if the change is decided, or if the runs would find a change for the worse by the threshold with a
    /// probability of 80 %. Such runs can find nothing although the change is real: in 20 of 100 comparisons.
    pub is_conclusive: bool,
    /// The conclusion about the change.
    pub change: Change,
}

fn ratio<S: Serializer>(ratio: &Ratio, serializer: S) -> Result<S::Ok, S::Error> {
    let mut state = serializer.serialize_struct("Ratio", 2)?;
    state.serialize_field("estimate", &ratio.estimate)?;
    state.serialize_field("interval", &ratio.interval.map(|interval| [interval.low, interval.high]))?;
    state.end()
}

impl MetricChange {
    /// Derives the change of a figure from the result of its test. `smallest` is the logarithm of the smallest change
    /// that the test detects, and `is_found` is true if the difference is significant.
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
        let is_decided = match change {
            Change::Better | Change::Worse | Change::Same => true,
            Change::Unclear => is_ruled_out,
            Change::Incomparable => false,
        };
        let would_be_found = smallest_change.is_some_and(|smallest| smallest <= threshold);
        let is_conclusive = is_decided || (change == Change::Unclear && would_be_found);
        let ratio = figure.shift.ratio;
        Self {
            metric,
            base,
            candidate,
            ratio,
            probability,
            smallest_change,
            is_decided,
            is_conclusive,
            change,
        }
    }
}
