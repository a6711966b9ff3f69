//! The ratio of two sets of values and its interval.

use crate::{
    Interval,
    binomial::is_probability,
    bootstrap::{Mass, extreme_probability, resampled_medians},
    median, median_interval,
};

/// A ratio of candidate to base, without a unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The ratio observed.
    pub estimate: f64,
    /// The interval that holds the true ratio. `None` if there are too few values for its confidence.
    pub interval: Option<Interval>,
}

/// The median of `candidate` over that of `base`, with its exact bootstrap interval.
///
/// The interval misses the true ratio with a probability of about `alpha`: 0.05 for a confidence of 95 %. Divide
/// `alpha` by the number of intervals if all of them have to hold (Bonferroni). The two sets must be independent and
/// have one unit; they may differ in length. Use [`paired_ratio`] for runs made in turns.
///
/// No random number is drawn: the result is always the same. Time and memory grow with the product of the lengths;
/// two sets of 300 values take 60 MB.
///
/// In simulations with normal noise, intervals at 95 % held the true ratio in 93 of 100 cases with 4 values per side.
/// With 5 to 21 values, they held it in 96 or 97.
///
/// Values must be finite; they are ordered by [`f64::total_cmp`]. `None` if a set is empty or a value of `base` is
/// not positive. The interval is `None` if `alpha` is not between 0 and 1, or if values are too few
/// (see [`fewest_values`]).
///
/// Sources: Efron 1979, "Bootstrap methods: another look at the jackknife", The Annals of Statistics 7(1), 1–26,
/// section 3, for the distribution of a resampled median; Efron and Tibshirani 1993, "An Introduction to the
/// Bootstrap", chapter 13, for the percentile interval.
pub fn ratio_of_medians(base: &[f64], candidate: &[f64], alpha: f64) -> Option<Ratio> {
    if !base.iter().all(|value| *value > 0.0) {
        return None;
    }
    let estimate = median(candidate)? / median(base)?;
    let is_enough = is_probability(alpha) && are_enough(base.len(), candidate.len(), alpha);
    let interval =
        is_enough.then(|| percentiles(&resampled_medians(base), &resampled_medians(candidate), alpha));
    Some(Ratio { estimate, interval })
}

/// The fewest values on each side for which [`ratio_of_medians`] has an interval at `alpha`. Any greater number has
/// one, too. `None` if `alpha` is not between 0 and 1.
///
/// Source: the distribution of a resampled median, Efron 1979, section 3 (see [`ratio_of_medians`]). The least
/// possible ratio of two such medians must have a probability of at most `alpha / 2`, and so must the greatest.
pub fn fewest_values(alpha: f64) -> Option<usize> {
    if !is_probability(alpha) {
        return None;
    }
    // An odd number of values may be too small although the even number before it is large enough.
    (1..).find(|n| are_enough(*n, *n, alpha) && are_enough(n + 1, n + 1, alpha))
}

/// The median of candidate / base over `pairs` of (base, candidate), with its exact interval by order statistics.
///
/// Both values of a pair have one unit and were taken one after the other under equal conditions. Changes of conditions
/// between pairs then leave the ratios alone. The interval holds the median of all such ratios with at least the
/// probability `confidence`. The pairs must be independent of each other; the distribution may be any.
///
/// Values must be finite; ratios are ordered by [`f64::total_cmp`]. `None` if there are no pairs or a base is not
/// positive. The interval is `None` if `confidence` is not between 0 and 1, or if pairs are too few for it. At 95 %,
/// six are the fewest.
///
/// Source: the interval of [`median_interval`], applied to ratios: David and Nagaraja 2003, "Order Statistics", third
/// edition, section 7.1.
pub fn paired_ratio(pairs: &[(f64, f64)], confidence: f64) -> Option<Ratio> {
    if !pairs.iter().all(|(base, _)| *base > 0.0) {
        return None;
    }
    let ratios: Vec<f64> = pairs.iter().map(|(base, candidate)| candidate / base).collect();
    Some(Ratio { estimate: median(&ratios)?, interval: median_interval(&ratios, confidence) })
}

/// Whether sets of these lengths are large enough for an interval at `alpha`. If not, even the interval of all possible
/// ratios has less than its stated confidence.
fn are_enough(base: usize, candidate: usize, alpha: f64) -> bool {
    extreme_probability(base) * extreme_probability(candidate) <= alpha / 2.0
}

/// The quantiles of `alpha / 2` and `1 - alpha / 2` of the ratio of two independent medians.
fn percentiles(base: &[Mass], candidate: &[Mass], alpha: f64) -> Interval {
    let ratio = |above: &Mass, below: &Mass| Mass {
        value: above.value / below.value,
        probability: above.probability * below.probability,
    };
    let mut ratios: Vec<Mass> =
        candidate.iter().flat_map(|above| base.iter().map(move |below| ratio(above, below))).collect();
    ratios.sort_unstable_by(|a, b| a.value.total_cmp(&b.value));
    let tail = alpha / 2.0;
    Interval { low: quantile(ratios.iter(), tail), high: quantile(ratios.iter().rev(), tail) }
}

/// The first value at which the probabilities, added up in this order, exceed `tail`.
fn quantile<'a>(masses: impl Iterator<Item = &'a Mass>, tail: f64) -> f64 {
    let mut sum = 0.0;
    let mut last = f64::NAN;
    for mass in masses {
        sum += mass.probability;
        last = mass.value;
        if sum > tail {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Simulation;

    const FIVE: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 5.0];

    #[test]
    fn the_estimate_is_the_ratio_of_medians() {
        let ratio = ratio_of_medians(&[1.0, 2.0, 3.0], &[2.0, 4.0, 600.0], 0.05).unwrap();
        assert_eq!(ratio, Ratio { estimate: 2.0, interval: None });
    }

    #[test]
    fn the_interval_of_three_values_ends_where_counting_puts_it() {
        // Of the 27 resamples of three values, 7 have the least as their median, 13 the middle one, 7 the greatest.
        // The ratios 1/4, 1/2, 1, 2 and 4 so have 49, 182, 267, 182 and 49 of 729 chances.
        let three = [1.0, 2.0, 4.0];
        let interval = |alpha| ratio_of_medians(&three, &three, alpha).unwrap().interval;
        assert_eq!(interval(2.0 * 48.0 / 729.0), None);
        assert_eq!(interval(2.0 * 50.0 / 729.0), Some(Interval { low: 0.5, high: 2.0 }));
        assert_eq!(interval(2.0 * 230.0 / 729.0), Some(Interval { low: 0.5, high: 2.0 }));
        assert_eq!(interval(2.0 * 232.0 / 729.0), Some(Interval { low: 1.0, high: 1.0 }));
    }

    #[test]
    fn a_base_that_is_not_positive_has_no_ratio() {
        for base in [[0.0, 1.0], [-1.0, 1.0], [f64::NAN, 1.0]] {
            assert_eq!(ratio_of_medians(&base, &FIVE, 0.05), None, "{base:?}");
        }
        assert_eq!(ratio_of_medians(&[], &FIVE, 0.05), None);
        assert_eq!(ratio_of_medians(&FIVE, &[], 0.05), None);
    }

    #[test]
    fn an_alpha_that_is_no_probability_has_no_interval() {
        for alpha in [-0.05, 0.0, 1.0, f64::NAN] {
            let ratio = ratio_of_medians(&FIVE, &FIVE, alpha);
            assert_eq!(ratio, Some(Ratio { estimate: 1.0, interval: None }), "{alpha}");
            assert_eq!(fewest_values(alpha), None, "{alpha}");
        }
    }

    #[test]
    fn the_fewest_values_and_any_more_have_an_interval() {
        // At 0.006, four values would do, but not five.
        for (alpha, fewest) in [(0.05, 4), (0.006, 6), (0.001, 6), (1e-6, 10)] {
            assert_eq!(fewest_values(alpha), Some(fewest));
            let has_interval = |n: usize| {
                let values = vec![1.0; n];
                ratio_of_medians(&values, &values, alpha).is_some_and(|ratio| ratio.interval.is_some())
            };
            assert!(!has_interval(fewest - 1) && (fewest..60).all(has_interval), "{alpha}");
        }
    }

    #[test]
    fn the_interval_holds_the_true_ratio_about_as_often_as_it_says() {
        let mut simulation = Simulation::new(1);
        let mut noisy = |centre: f64| -> Vec<f64> {
            (0..9).map(|_| centre * (1.0 + 0.04 * simulation.normal())).collect()
        };
        let held = (0..1000).filter(|_| {
            let ratio = ratio_of_medians(&noisy(100.0), &noisy(90.0), 0.05).unwrap();
            ratio.interval.unwrap().contains(0.9)
        });
        let held = held.count();
        assert!((930..=1000).contains(&held), "{held} of 1000");
    }

    #[test]
    fn a_drift_shared_by_both_of_a_pair_does_not_move_the_paired_ratio() {
        let pairs: Vec<_> =
            (0..6).map(|power| f64::from(1 << power)).map(|base| (base, 0.75 * base)).collect();
        let interval = Some(Interval { low: 0.75, high: 0.75 });
        assert_eq!(paired_ratio(&pairs, 0.95), Some(Ratio { estimate: 0.75, interval }));
    }

    #[test]
    fn few_pairs_have_a_ratio_without_an_interval() {
        let five = [(1.0, 1.0), (1.0, 5.0), (2.0, 8.0), (1.0, 2.0), (2.0, 6.0)];
        assert_eq!(paired_ratio(&five, 0.95), Some(Ratio { estimate: 3.0, interval: None }));
    }

    #[test]
    fn no_pairs_or_a_base_that_is_not_positive_have_no_paired_ratio() {
        assert_eq!(paired_ratio(&[], 0.95), None);
        for base in [0.0, -1.0, f64::NAN] {
            assert_eq!(paired_ratio(&[(1.0, 1.0), (base, 1.0)], 0.95), None, "{base}");
        }
    }

    #[test]
    fn the_paired_interval_holds_the_true_ratio_at_least_as_often_as_it_says() {
        let mut simulation = Simulation::new(4);
        let held = (0..1000).filter(|_| {
            // The machine drifts by a factor of three while pairs are taken.
            let pair = |round: i32| {
                let mut seconds =
                    |centre: f64| centre * f64::from(10 + round) * (1.0 + 0.04 * simulation.normal());
                (seconds(1.0), seconds(0.9))
            };
            let pairs: Vec<_> = (0..20).map(pair).collect();
            paired_ratio(&pairs, 0.95).unwrap().interval.unwrap().contains(0.9)
        });
        // Ranks 6 and 15 of 20 values hold it with a probability of 0.959.
        let held = held.count();
        assert!((940..=980).contains(&held), "{held} of 1000");
    }
}
