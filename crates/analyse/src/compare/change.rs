//! The change of one figure, for better or worse.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use stats::{Ratio, median, ratio_of_medians};

use super::metric::{self, Metric};

/// The conclusion about a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The figure improved by more than the threshold.
    Better,
    /// The figure worsened by more than the threshold.
    Worse,
    /// Any change is within the threshold.
    Same,
    /// The interval does not decide, or there is none.
    Unclear,
    /// The figure depends on the speed of the machine, and the records are of several machines.
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
    /// The candidate's median over the base's.
    #[serde(serialize_with = "ratio")]
    pub ratio: Ratio,
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
    pub(super) fn of(
        metric: &'static Metric,
        base: &[f64],
        candidate: &[f64],
        threshold: f64,
        alpha: f64,
    ) -> Option<Self> {
        let ratio = ratio_of_medians(base, candidate, alpha)?;
        let change = change(metric, ratio, threshold);
        Some(Self { metric, base: median(base)?, candidate: median(candidate)?, ratio, change })
    }

    /// The figure of records that were made on several machines: no conclusion about speed.
    pub(super) fn over_machines(self) -> Self {
        if self.metric.is_speed() { Self { change: Change::Incomparable, ..self } } else { self }
    }
}

fn change(metric: &Metric, Ratio { estimate, interval }: Ratio, threshold: f64) -> Change {
    let Some(interval) = interval else { return Change::Unclear };
    let rose = interval.low > 1.0 && estimate > 1.0 + threshold;
    let fell = interval.high < 1.0 && estimate < 1.0 - threshold;
    match (rose, fell) {
        (true, _) if metric.more_is_better => Change::Better,
        (_, true) if metric.more_is_better => Change::Worse,
        (true, _) => Change::Worse,
        (_, true) => Change::Better,
        _ if interval.low >= 1.0 - threshold && interval.high <= 1.0 + threshold => Change::Same,
        _ => Change::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use stats::Interval;

    use super::{super::METRICS, *};

    fn of(metric: &Metric, estimate: f64, (low, high): (f64, f64)) -> Change {
        change(metric, Ratio { estimate, interval: Some(Interval { low, high }) }, 0.05)
    }

    #[test]
    fn worse_needs_the_threshold_and_an_interval_that_excludes_no_change() {
        let goodput = &METRICS[0];
        assert_eq!(of(goodput, 0.90, (0.88, 0.93)), Change::Worse);
        assert_eq!(of(goodput, 0.90, (0.78, 1.01)), Change::Unclear);
        assert_eq!(of(goodput, 0.97, (0.96, 0.98)), Change::Same);
        assert_eq!(of(goodput, 0.97, (0.91, 1.02)), Change::Unclear);
        assert_eq!(of(goodput, 1.10, (1.06, 1.12)), Change::Better);
        assert_eq!(change(goodput, Ratio { estimate: 0.5, interval: None }, 0.05), Change::Unclear);
    }

    #[test]
    fn less_memory_and_less_processor_time_are_better() {
        for metric in METRICS.iter().filter(|metric| !metric.more_is_better) {
            assert_eq!(of(metric, 1.2, (1.1, 1.3)), Change::Worse);
            assert_eq!(of(metric, 0.8, (0.7, 0.9)), Change::Better);
        }
    }
}
