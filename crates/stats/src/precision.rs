//! The precision of a median, and the numbers of values at which a measurement checks whether it is precise enough.

use crate::{median, median_interval};

/// The confidence of the interval that must be narrow for a measurement to stop.
///
/// A measurement stops too early if its first values are alike by chance. With a confidence of 95 % and a check after
/// each value, the final interval holds the true median in 93 to 94 of 100 measurements. This holds for values that
/// scatter by 2 to 5 %. With a confidence of 99 % and checks that are a third apart, the final interval of 95 % holds
/// the true median in 95 to 99 of 100.
const CONFIDENCE: f64 = 0.99;

/// Returns the precision of a median: the distance to the farther end of its interval of 99 %, as a share of the
/// median.
///
/// `None` if there are fewer than eight values, or if the median is not positive.
pub fn relative_half_width(values: &[f64]) -> Option<f64> {
    let (median, interval) = (median(values)?, median_interval(values, CONFIDENCE)?);
    (median > 0.0).then(|| (interval.high - median).max(median - interval.low) / median)
}

/// Returns whether a measurement may check its precision at this number of values. The numbers are 8, 11, 15, 20, 27
/// and so on, each a third larger than its predecessor.
pub fn is_look(values: u32) -> bool {
    const FIRST: u32 = 8;
    let next = |look: &u32| Some(look.saturating_add(look.div_ceil(3)));
    std::iter::successors(Some(FIRST), next).take_while(|look| *look <= values).any(|look| look == values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Simulation;

    #[test]
    fn the_farther_end_of_the_interval_counts() {
        let values = [97.0, 98.0, 99.0, 100.0, 100.0, 101.0, 102.0, 110.0];
        assert_eq!(relative_half_width(&values), Some(0.1));
        assert_eq!(relative_half_width(&values[..7]), None, "too few for 99 %");
        assert_eq!(relative_half_width(&[0.0; 9]), None);
    }

    #[test]
    fn looks_are_a_third_apart() {
        let looks: Vec<u32> = (0..40).filter(|values| is_look(*values)).collect();
        assert_eq!(looks, [8, 11, 15, 20, 27, 36]);
        assert!(is_look(u32::MAX));
    }

    /// A stopping rule: a function that returns whether the median of values is precise to 2 %.
    type Rule = fn(&[f64]) -> bool;

    fn by_looks(values: &[f64]) -> bool {
        is_look(values.len() as u32) && relative_half_width(values).is_some_and(|half| half <= 0.02)
    }

    /// A careless rule: checks the interval of 95 % after each value.
    fn at_once(values: &[f64]) -> bool {
        let (median, interval) = (median(values), median_interval(values, 0.95));
        median.zip(interval).is_some_and(|(median, interval)| {
            (interval.high - median).max(median - interval.low) <= 0.02 * median
        })
    }

    /// Returns the share of measurements whose final interval of 95 % holds the true median, which is 100.
    fn coverage(is_precise: Rule, mut value: impl FnMut(&mut Simulation) -> f64) -> f64 {
        const MEASUREMENTS: u32 = 2000;
        let (mut simulation, mut held) = (Simulation::new(11), 0);
        for _ in 0..MEASUREMENTS {
            let mut values = Vec::new();
            while !is_precise(&values) && values.len() < 300 {
                values.push(value(&mut simulation));
            }
            held += u32::from(median_interval(&values, 0.95).unwrap().contains(100.0));
        }
        f64::from(held) / f64::from(MEASUREMENTS)
    }

    fn normal(deviation: f64) -> impl FnMut(&mut Simulation) -> f64 {
        move |random| 100.0 * (1.0 + deviation * random.normal())
    }

    /// Returns a generator of goodputs on a machine that is disturbed now and then.
    fn skewed(deviation: f64) -> impl FnMut(&mut Simulation) -> f64 {
        move |random| 100.0 * (1.0 + deviation * (std::f64::consts::LN_2 - random.exponential()))
    }

    /// The standard error of a coverage is 0.5 %.
    #[test]
    fn looking_until_the_interval_is_narrow_keeps_the_coverage_of_the_interval_of_95_percent() {
        for deviation in [0.01, 0.02, 0.05] {
            let held = [coverage(by_looks, normal(deviation)), coverage(by_looks, skewed(deviation))];
            assert!(held.iter().all(|held| *held >= 0.94), "{deviation}: {held:?}");
        }
        let careless = coverage(at_once, skewed(0.05));
        assert!(careless < 0.94, "looking after each value at 95 % would do as well: {careless}");
    }
}
