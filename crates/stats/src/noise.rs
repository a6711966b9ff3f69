//! The differences between equal runs that scatter alone explains.

use std::f64::consts::FRAC_PI_2;

use crate::student::quantile_of_magnitude;

/// The scatter of runs under equal conditions, on a logarithmic scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    deviation: f64,
    freedom: usize,
}

/// The share of pairs of equal runs whose difference may exceed the stated difference.
const EXCEPTIONS: f64 = 0.05;

/// The fewest rounds of a comparison. Fewer rounds give no interval of 95 %.
const FEWEST: usize = 6;

/// The most rounds that [`Noise::rounds_to_see`] returns.
const MOST: usize = 1000;

impl Noise {
    /// Returns the scatter of `values`, which must be positive and finite. `None` if a value is not, or if there are
    /// fewer than two values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let is_valid = values.iter().all(|value| *value > 0.0 && value.is_finite());
        if values.len() < 2 || !is_valid {
            return None;
        }
        let (number, freedom) = (values.len() as f64, values.len() - 1);
        let mean = values.iter().map(|value| value.ln()).sum::<f64>() / number;
        let squares: f64 = values.iter().map(|value| (value.ln() - mean).powi(2)).sum();
        Some(Self { deviation: (squares / freedom as f64).sqrt(), freedom })
    }

    /// Returns the difference between two equal runs that 5 of 100 pairs exceed, as a share of the lower value.
    pub fn two_runs(self) -> f64 {
        self.of_two(1.0)
    }

    /// Returns the difference between the medians of two sets of `number` equal runs that 5 of 100 pairs of sets
    /// exceed, as a share of the lower median.
    ///
    /// The variance of a median is taken as pi / 2 times that of a mean, which holds for many values. For seven values
    /// the difference is then 3 % too large. Source: David and Nagaraja 2003, "Order Statistics", third edition,
    /// section 10.3.
    pub fn two_medians(self, number: usize) -> f64 {
        self.of_two((FRAC_PI_2 / number as f64).sqrt().min(1.0))
    }

    fn of_two(self, factor: f64) -> f64 {
        let quantile = quantile_of_magnitude(EXCEPTIONS, self.freedom);
        (quantile * 2_f64.sqrt() * factor * self.deviation).exp_m1()
    }

    /// Returns the number of rounds on each side that detect a slowdown by the share `change` with a probability of 80
    /// %. The comparison is of one case, run in turns, with a confidence of 95 %: the slowdown is found if its p-value
    /// is at most 5 %, and the interval of [`paired_shift`](crate::paired_shift) excludes a ratio of 1. More cases need
    /// more rounds. `None` if 1,000 rounds are not enough.
    pub fn rounds_to_see(self, change: f64) -> Option<usize> {
        let change = -(1.0 - change).ln();
        let scatter = 2_f64.sqrt() * self.deviation;
        (FEWEST..=MOST).find(|rounds| detectable(*rounds) * scatter <= change)
    }
}

/// Returns the change that a comparison of `pairs` pairs, at least two, finds with a probability of 80 %, in standard
/// deviations of the logarithm of a pair's ratio.
fn detectable(pairs: usize) -> f64 {
    let freedom = pairs - 1;
    // One tail with the probability 20 % has the same quantile as two tails with 40 % together.
    let quantiles = quantile_of_magnitude(EXCEPTIONS, freedom) + quantile_of_magnitude(0.4, freedom);
    beyond_t_test(pairs) * quantiles / (pairs as f64).sqrt()
}

/// Returns the factor by which a change must exceed the change that Student's t-test detects, because the interval by
/// signed ranks must exclude a ratio of 1 as well. Of six pairs, for example, all must point the same way: with the
/// probability p for each, all do with the probability p⁶. The factors are from 20,000 simulated comparisons for each
/// number of pairs, which the tests repeat.
fn beyond_t_test(pairs: usize) -> f64 {
    match pairs {
        ..=6 => 1.27,
        7..=9 => 1.08,
        // For many pairs, the efficiency of signed ranks demands √(π / 3) = 1.02 (Hodges and Lehmann 1956, "The
        // efficiency of some nonparametric competitors of the t-test", The Annals of Mathematical Statistics 27(2),
        // 324–335), and both conditions together 1.05.
        _ => 1.05,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, median, paired_shift, simulation::Simulation};

    fn runs(simulation: &mut Simulation, number: usize, centre: f64) -> Vec<f64> {
        (0..number).map(|_| centre * (0.03 * simulation.normal()).exp()).collect()
    }

    /// Returns noise that is estimated from many runs, so that the estimate itself hardly scatters.
    fn noise(simulation: &mut Simulation) -> Noise {
        Noise::of(&runs(simulation, 2000, 1.0)).unwrap()
    }

    #[test]
    fn equal_runs_and_medians_differ_by_more_in_5_of_100() {
        let mut simulation = Simulation::new(9);
        let noise = noise(&mut simulation);
        let mut beyond = |number: usize, most: f64| {
            let far = (0..2000).filter(|_| {
                let mut middle = || median(&runs(&mut simulation, number, 1.0)).unwrap();
                let (a, b) = (middle(), middle());
                a.max(b) / a.min(b) - 1.0 > most
            });
            far.count()
        };
        let (of_runs, of_medians) = (beyond(1, noise.two_runs()), beyond(7, noise.two_medians(7)));
        assert!((70..=130).contains(&of_runs), "{of_runs} of 2000");
        assert!((50..=120).contains(&of_medians), "{of_medians} of 2000");
    }

    /// Returns the number of `comparisons` of one case that find a change, which is `change` standard deviations of the
    /// logarithm of a pair's ratio.
    fn found(simulation: &mut Simulation, comparisons: usize, pairs: usize, change: f64) -> usize {
        let is_found = |_: &usize| {
            let pairs: Vec<_> =
                (0..pairs).map(|_| (1.0, (0.05 * (simulation.normal() - change)).exp())).collect();
            let shift = paired_shift(&pairs, 0.95).unwrap();
            let probability = Family::of(&[Some(shift)]).probabilities()[0].unwrap();
            probability <= 0.05 && shift.ratio.interval.unwrap().high < 1.0
        };
        (0..comparisons).filter(is_found).count()
    }

    #[test]
    fn the_change_that_is_detectable_is_found_in_80_of_100_by_any_number_of_pairs() {
        let mut simulation = Simulation::new(10);
        for pairs in [6, 7, 8, 9, 10, 11, 12, 14, 17, 20, 30] {
            let found = found(&mut simulation, 4000, pairs, detectable(pairs));
            assert!((3100..=3310).contains(&found), "{pairs} pairs: {found} of 4000");
        }
    }

    #[test]
    fn the_rounds_that_are_stated_show_the_change_in_80_of_100() {
        let mut simulation = Simulation::new(13);
        for (deviation, rounds) in [(0.0225, 7), (0.025, 7), (0.028, 8), (0.05, 19)] {
            assert_eq!(Noise { deviation, freedom: 10 }.rounds_to_see(0.05), Some(rounds), "{deviation}");
            let change = -0.95_f64.ln() / (2_f64.sqrt() * deviation);
            let found = found(&mut simulation, 2000, rounds, change);
            assert!(found >= 1560, "{found} of 2000 with {rounds} rounds");
        }
    }

    #[test]
    fn equal_runs_need_the_fewest_rounds_and_wild_ones_more_than_the_most() {
        assert_eq!(Noise::of(&[2.0; 11]).unwrap().rounds_to_see(0.05), Some(6));
        assert_eq!(Noise::of(&[2.0; 11]).unwrap().two_runs(), 0.0);
        assert_eq!(Noise::of(&[1.0, 9.0, 100.0]).unwrap().rounds_to_see(0.05), None);
        assert_eq!((Noise::of(&[1.0]), Noise::of(&[1.0, 0.0])), (None, None));
    }
}
