//! The ratio of paired values and its interval.

use crate::{Interval, median, median_interval};

/// A ratio of candidate to base, without a unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The observed ratio.
    pub estimate: f64,
    /// The interval that holds the true ratio. `None` if there are too few values for the requested confidence.
    pub interval: Option<Interval>,
}

/// Returns the median of candidate / base over `pairs` of (base, candidate), with its exact interval by order
/// statistics.
///
/// Both values of a pair have one unit and were taken one after the other under equal conditions. Changes of conditions
/// between pairs then do not affect the ratios. The interval holds the median of all such ratios with at least the
/// probability `confidence`. The pairs must be independent of each other, and may have any distribution.
///
/// Values must be finite; ratios are ordered by [`f64::total_cmp`]. `None` if there are no pairs or a base is not
/// positive. The interval is `None` if `confidence` is not between 0 and 1, or if there are too few pairs for that
/// confidence. A confidence of 95 % needs at least six.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Simulation;

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
            // The machine slows down by a factor of three from the first pair to the last.
            let pair = |round: i32| {
                let mut seconds =
                    |centre: f64| centre * f64::from(10 + round) * (1.0 + 0.04 * simulation.normal());
                (seconds(1.0), seconds(0.9))
            };
            let pairs: Vec<_> = (0..20).map(pair).collect();
            paired_ratio(&pairs, 0.95).unwrap().interval.unwrap().contains(0.9)
        });
        // The values of ranks 6 and 15 of 20 enclose the median with a probability of 0.959.
        let held = held.count();
        assert!((940..=980).contains(&held), "{held} of 1000");
    }
}
