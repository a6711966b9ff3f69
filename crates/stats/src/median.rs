//! The median of values, its exact confidence interval, and quartiles.

use crate::{
    Interval,
    binomial::{is_probability, probabilities},
};

/// Returns the median in the unit of the values: the middle value, or the mean of the two middle values if their number
/// is even.
///
/// Values must be finite; they are ordered by [`f64::total_cmp`]. `None` if there are no values.
///
/// Source: Hyndman and Fan 1996, "Sample quantiles in statistical packages", The American Statistician 50(4),
/// 361–365. Definition 7 gives this value for the quantile of 1/2.
pub fn median(values: &[f64]) -> Option<f64> {
    middle(&sorted(values))
}

/// Three values that divide a set into quarters, and its extremes, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// The least value of the set.
    pub least: f64,
    /// The quantile of 1/4.
    pub first: f64,
    /// The quantile of 1/2, equal to [`median()`].
    pub median: f64,
    /// The quantile of 3/4.
    pub third: f64,
    /// The greatest value of the set.
    pub most: f64,
}

/// Returns the quartiles of `values` by linear interpolation: the quantile of p lies at position (n - 1) p among n
/// sorted values, of which the first has position 0.
///
/// Values must be finite; they are ordered by [`f64::total_cmp`]. `None` if there are no values.
///
/// Source: definition 7 of Hyndman and Fan 1996, "Sample quantiles in statistical packages", The American Statistician
/// 50(4), 361–365. That definition is the default of R and NumPy. Unlike definitions without interpolation, its second
/// quartile equals the usual median for an even number of values, too.
pub fn quartiles(values: &[f64]) -> Option<Quartiles> {
    let sorted = sorted(values);
    let last = sorted.len().checked_sub(1)?;
    let quantile = |quarters: usize| {
        let position = last * quarters;
        let (low, high) = (sorted[position / 4], sorted[position.div_ceil(4)]);
        low + (high - low) * (position % 4) as f64 / 4.0
    };
    Some(Quartiles {
        least: sorted[0],
        first: quantile(1),
        median: middle(&sorted)?,
        third: quantile(3),
        most: sorted[last],
    })
}

/// Returns the exact interval that holds the median of the population with at least the probability `confidence`, in
/// the unit of the values.
///
/// Its ends are two values of equal rank, counted from the least and from the greatest value. The rank is the greatest
/// that still gives that confidence. The values must be independent, and may have any distribution.
///
/// Values must be finite; they are ordered by [`f64::total_cmp`]. `None` if `confidence` is not between 0 and 1, or if
/// there are too few values for that confidence. A confidence of 95 % needs at least six.
///
/// Sources: David and Nagaraja 2003, "Order Statistics", third edition, section 7.1; Conover 1999, "Practical
/// Nonparametric Statistics", third edition, section 3.2.
pub fn median_interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let sorted = sorted(values);
    let rank = interval_rank(sorted.len(), confidence)?;
    Some(Interval { low: sorted[rank - 1], high: sorted[sorted.len() - rank] })
}

/// The relative tolerance for rounding errors. With it, five values reach a confidence of exactly 0.9375.
const ROUNDING: f64 = 1e-9;

/// Returns the rank of both ends of the interval among `n` values, counted from the outermost value, which has rank 1.
/// `None` if there are too few values.
fn interval_rank(n: usize, confidence: f64) -> Option<usize> {
    if !is_probability(confidence) {
        return None;
    }
    // The interval of rank r misses the median if fewer than r values lie below the median, or fewer than r above.
    let below = probabilities(n, 0.5).into_iter().scan(0.0, |sum, probability| {
        *sum += probability;
        Some(*sum)
    });
    let may_miss = (1.0 - confidence) * (1.0 + ROUNDING);
    let rank = below.take(n / 2).take_while(|fewer| 2.0 * fewer <= may_miss).count();
    (rank > 0).then_some(rank)
}

/// Returns the values in ascending order.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Returns the median of values in ascending order.
pub(crate) fn middle(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Simulation;

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_value() {
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    #[test]
    fn nan_counts_as_the_greatest_value_and_negative_nan_as_the_least() {
        assert_eq!(median(&[f64::NAN, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[-f64::NAN, 1.0, 2.0]), Some(1.0));
    }

    #[test]
    fn no_values_have_neither_median_nor_quartiles() {
        assert_eq!((median(&[]), quartiles(&[])), (None, None));
    }

    #[test]
    fn quartiles_of_one_to_ten_are_those_that_r_prints() {
        // In R, quantile(1:10) gives 1.00 3.25 5.50 7.75 10.00.
        let values: Vec<f64> = (1..=10).rev().map(f64::from).collect();
        let expected = Quartiles { least: 1.0, first: 3.25, median: 5.5, third: 7.75, most: 10.0 };
        assert_eq!(quartiles(&values), Some(expected));
    }

    #[test]
    fn quartiles_of_five_values_are_values_themselves() {
        let quartiles = quartiles(&[90.0, 120.0, 100.0, 98.0, 104.0]).unwrap();
        assert_eq!((quartiles.first, quartiles.median, quartiles.third), (98.0, 100.0, 104.0));
    }

    #[test]
    fn the_second_quartile_is_the_median_of_any_number_of_values() {
        for n in 1..=12 {
            let values: Vec<f64> = (0..n).map(|value| f64::from(value * value)).collect();
            assert_eq!(quartiles(&values).map(|quartiles| quartiles.median), median(&values), "{n} values");
        }
    }

    #[test]
    fn the_interval_of_published_examples_is_the_published_one() {
        // An example of Altman and others 2000, "Statistics with Confidence", second edition, p. 38.
        let altman = [66.0, 71.2, 83.0, 83.6, 101.0, 107.6, 122.0, 143.0, 160.0, 177.0, 414.0];
        assert_eq!(median_interval(&altman, 0.95), Some(Interval { low: 71.2, high: 177.0 }));
        // The example of ci.median in the R package statpsych 1.5.
        let bonett = [25.0, 29.0, 35.0, 36.0, 36.0, 40.0, 41.0, 43.0, 44.0, 54.0];
        assert_eq!(median_interval(&bonett, 0.95), Some(Interval { low: 29.0, high: 44.0 }));
    }

    #[test]
    fn ranks_are_those_of_integer_arithmetic() {
        // The interval may miss once in `one_in` cases: 2 (C(n, 0) + … + C(n, rank - 1)) ≤ 2^n / one_in.
        for (confidence, one_in) in [(0.5, 2_u128), (0.9, 10), (0.95, 20), (0.99, 100), (0.9375, 16)] {
            for n in 0..=110_u128 {
                let coefficients = (0..n).scan(1, |next, k| {
                    let coefficient = *next;
                    *next = *next * (n - k) / (k + 1);
                    Some(coefficient)
                });
                let below = coefficients.scan(0, |sum, coefficient| {
                    *sum += coefficient;
                    Some(*sum)
                });
                let rank = below.take_while(|below| 2 * below * one_in <= 1 << n).count();
                let expected = (rank > 0).then_some(rank);
                assert_eq!(interval_rank(n as usize, confidence), expected, "{n} values at {confidence}");
            }
        }
    }

    #[test]
    fn six_values_are_the_fewest_at_95_percent() {
        let values = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
        assert_eq!(median_interval(&values[..5], 0.95), None);
        assert_eq!(median_interval(&values, 0.95), Some(Interval { low: 1.0, high: 6.0 }));
    }

    #[test]
    fn a_low_confidence_does_not_shrink_the_interval_to_one_value() {
        assert_eq!(median_interval(&[1.0, 2.0, 3.0], 1e-12), Some(Interval { low: 1.0, high: 3.0 }));
        assert_eq!(median_interval(&[1.0], 1e-12), None);
    }

    #[test]
    fn a_confidence_that_is_no_probability_has_no_interval() {
        for confidence in [-0.5, 0.0, 1.0, 2.0, f64::NAN] {
            assert_eq!(median_interval(&[1.0; 2000], confidence), None, "{confidence}");
        }
    }

    #[test]
    fn the_interval_of_many_values_is_that_of_the_normal_approximation() {
        // The rank is about n / 2 - 1.96 √n / 2.
        let rank = interval_rank(100_000, 0.95).unwrap();
        assert!((49_689..=49_691).contains(&rank), "{rank}");
    }

    #[test]
    fn the_interval_of_skewed_values_holds_the_true_median_as_often_as_it_says() {
        let mut simulation = Simulation::new(3);
        let held = (0..1000).filter(|_| {
            let values: Vec<f64> = (0..12).map(|_| simulation.exponential()).collect();
            median_interval(&values, 0.95).unwrap().contains(std::f64::consts::LN_2)
        });
        // The values of ranks 3 and 10 of 12 enclose the median with a probability of 1 - 2 × 79 / 4096, which is
        // 0.961.
        let held = held.count();
        assert!((940..=980).contains(&held), "{held} of 1000");
    }
}
