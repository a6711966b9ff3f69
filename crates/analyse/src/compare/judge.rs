//! The tests of all figures of a comparison, family by family.

use stats::{Family, Shift, discovery_level};

use super::{
    change::{Change, MetricChange},
    figures::Figure,
    metric::{METRICS, MetricFamily},
    thresholds::Thresholds,
};

/// The expected share of false discoveries in each family, among the changes that are called better or worse. If
/// nothing has changed, this is the probability that any change of a family is called so.
pub(super) const FALSE_DISCOVERIES: f64 = 0.05;

/// The probability with which a comparison finds a change of the smallest size that it states.
pub(super) const POWER: f64 = 0.8;

/// Returns the change of each figure, in the order of `figures`.
pub(super) fn judge(figures: &[Figure], thresholds: &Thresholds) -> Vec<MetricChange> {
    let tests: Vec<Tests> = (0..METRICS.len()).map(|metric| Tests::of(figures, metric)).collect();
    let levels = MetricFamily::ALL.map(|family| Levels::of(family, &tests));
    let mut places = vec![0; METRICS.len()];
    let judged = figures.iter().filter_map(|figure| {
        let (tests, place) = (tests.get(figure.index)?, places.get_mut(figure.index)?);
        let levels = levels.iter().find(|levels| levels.family == figure.metric.family)?;
        let probability = tests.probabilities.get(*place).copied().flatten();
        let level = levels.of_probability(probability);
        let smallest = tests.family.detectable(*place, level, POWER);
        *place += 1;
        let is_found = probability.is_some_and(|probability| probability <= levels.level);
        Some(MetricChange::of(figure, probability, smallest, is_found, thresholds.of(figure.metric)))
    });
    judged.collect()
}

/// The tests of one metric over all cases. The cases have similar variances.
struct Tests {
    metric_family: Option<MetricFamily>,
    family: Family,
    probabilities: Vec<Option<f64>>,
}

impl Tests {
    fn of(figures: &[Figure], metric: usize) -> Self {
        let shifts: Vec<Option<Shift>> = figures
            .iter()
            .filter(|figure| figure.index == metric)
            .map(|figure| Some(figure.shift).filter(|_| figure.is_comparable))
            .collect();
        let family = Family::of(&shifts);
        let probabilities = family.probabilities();
        Self { metric_family: METRICS.get(metric).map(|metric| metric.family), family, probabilities }
    }
}

/// The levels of significance for the changes of one family.
struct Levels {
    family: MetricFamily,
    /// The greatest p-value at which a change counts as found.
    level: f64,
    /// The greatest p-value at which one further change would count as found.
    next: f64,
}

impl Levels {
    fn of(family: MetricFamily, tests: &[Tests]) -> Self {
        let of_family = tests.iter().filter(|tests| tests.metric_family == Some(family));
        let probabilities: Vec<f64> =
            of_family.flat_map(|tests| tests.probabilities.iter().flatten()).copied().collect();
        let level = discovery_level(&probabilities, FALSE_DISCOVERIES);
        let found = probabilities.iter().filter(|probability| **probability <= level).count();
        let number = probabilities.len().max(1);
        let next = FALSE_DISCOVERIES * (found + 1).min(number) as f64 / number as f64;
        Self { family, level, next }
    }

    /// Returns the level that applies to a change with this p-value: `level` if the change is found, and `next` if it
    /// is not.
    fn of_probability(&self, probability: Option<f64>) -> f64 {
        if probability.is_some_and(|probability| probability <= self.level) { self.level } else { self.next }
    }
}

impl Change {
    /// Returns the conclusion from the interval of the ratio and from `is_found`, which is true if the change is
    /// significant.
    pub(super) fn of(figure: &Figure, is_found: bool, threshold: f64) -> Self {
        if !figure.is_comparable {
            return Self::Incomparable;
        }
        let Some(interval) = figure.shift.ratio.interval else { return Self::Unclear };
        let is_better = |rose: bool| rose == figure.metric.more_is_better;
        match (interval.low > 1.0, interval.high < 1.0) {
            _ if interval.low >= 1.0 - threshold && interval.high <= 1.0 + threshold => Self::Same,
            (false, false) => Self::Unclear,
            _ if !is_found => Self::Unclear,
            (rose, _) if is_better(rose) => Self::Better,
            _ => Self::Worse,
        }
    }
}

#[cfg(test)]
mod tests {
    use stats::{Interval, Ratio};

    use super::*;

    fn of(index: usize, (low, high): (f64, f64), is_found: bool) -> Change {
        let ratio = Ratio { estimate: f64::midpoint(low, high), interval: Some(Interval { low, high }) };
        let shift = Shift { ratio, mean: ratio.estimate.ln(), scatter: None };
        let figure =
            Figure { index, metric: &METRICS[index], base: 1.0, candidate: 1.0, shift, is_comparable: true };
        Change::of(&figure, is_found, 0.05)
    }

    #[test]
    fn worse_needs_a_change_that_was_found_and_may_reach_the_threshold() {
        assert_eq!(of(0, (0.88, 0.93), true), Change::Worse);
        assert_eq!(of(0, (0.88, 0.93), false), Change::Unclear);
        assert_eq!(of(0, (0.93, 0.98), true), Change::Worse, "it may be 7 %");
        assert_eq!(of(0, (0.96, 0.98), true), Change::Same);
        assert_eq!(of(0, (0.91, 1.02), true), Change::Unclear);
        assert_eq!(of(0, (1.06, 1.12), true), Change::Better);
    }

    #[test]
    fn less_memory_and_less_processor_time_are_better() {
        for (index, metric) in METRICS.iter().enumerate().filter(|(_, metric)| !metric.more_is_better) {
            assert_eq!(of(index, (1.1, 1.3), true), Change::Worse, "{}", metric.name);
            assert_eq!(of(index, (0.7, 0.9), true), Change::Better, "{}", metric.name);
        }
    }
}
