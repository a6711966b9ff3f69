//! The change from one set of runs to another as a ratio. The change has an estimate, an interval, and the scatter that
//! determines which changes can be detected.

use crate::{
    Interval, Ratio,
    median::{middle, sorted},
    ranks::Statistic,
};

/// A change as a ratio, with the scatter of the runs from which it was estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The ratio by the estimator of Hodges and Lehmann, with its interval. The interval holds the true ratio with at
    /// least the requested confidence.
    pub ratio: Ratio,
    /// The mean logarithm of the ratio, to which Student's t-test applies.
    pub mean: f64,
    /// The scatter of the logarithms. `None` if there are too few values to estimate it.
    pub scatter: Option<Scatter>,
}

/// The scatter of logarithms of values, or of ratios of pairs of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scatter {
    /// The variance of the logarithms.
    pub variance: f64,
    /// The degrees of freedom of the variance.
    pub freedom: usize,
    /// The factor that converts the variance to the variance of the mean logarithm: 1/n for n pairs, 1/n + 1/m for sets
    /// of n and m values.
    pub share: f64,
}

/// Returns the change over `pairs` of (base, candidate) that were run in turns.
///
/// Both values of a pair have one unit and were taken one after the other, so that changes of conditions between pairs
/// do not affect the ratios. The interval is exact: it holds the true ratio with at least the probability `confidence`.
/// This requires that the logarithms of the ratios are independent and distributed symmetrically around the true one. A
/// confidence of 95 % needs at least six pairs. All n (n + 1) / 2 averages of two logarithms are in memory at once, 8
/// bytes each.
///
/// Values must be positive and finite. `None` if a value is not, or if there are no pairs.
///
/// Sources: Hodges and Lehmann 1963, "Estimates of location based on rank tests", The Annals of Mathematical Statistics
/// 34(2), 598–611; Hollander, Wolfe and Chicken 2014, "Nonparametric Statistical Methods", third edition, sections 3.2
/// and 3.3, for the interval by Wilcoxon's signed ranks (Tukey's).
pub fn paired_shift(pairs: &[(f64, f64)], confidence: f64) -> Option<Shift> {
    let differences = pairs
        .iter()
        .map(|(base, candidate)| Some(ln(*candidate)? - ln(*base)?))
        .collect::<Option<Vec<_>>>()?;
    let averages = differences
        .iter()
        .enumerate()
        .flat_map(|(index, a)| differences[index..].iter().map(move |b| f64::midpoint(*a, *b)));
    let ratio = ratio(&averages.collect::<Vec<_>>(), Statistic::SignedRank(pairs.len()), confidence)?;
    let (mean, squares) = moments(&differences);
    let scatter = scatter(squares, pairs.len() - 1, 1.0 / pairs.len() as f64);
    Some(Shift { ratio, mean, scatter })
}

/// Returns the change from `base` to `candidate`, two independent sets in one unit.
///
/// The interval is exact: it holds the true ratio with at least the probability `confidence` if the two sets differ by
/// a factor alone. Conditions that changed between the sets are part of the ratio. A confidence of 95 % needs at least
/// four values on each side. All ratios between the sets are in memory at once, 8 bytes each.
///
/// Values must be positive and finite. `None` if a value is not, or if a set is empty.
///
/// Sources: Hodges and Lehmann 1963 (see [`paired_shift`]); Hollander, Wolfe and Chicken 2014, sections 4.2 and 4.3, for
/// the interval by Wilcoxon's rank sums (Moses's).
pub fn unpaired_shift(base: &[f64], candidate: &[f64], confidence: f64) -> Option<Shift> {
    let logarithms = |values: &[f64]| values.iter().map(|value| ln(*value)).collect::<Option<Vec<f64>>>();
    let (base, candidate) = (logarithms(base)?, logarithms(candidate)?);
    let differences = candidate.iter().flat_map(|now| base.iter().map(move |before| now - before));
    let statistic = Statistic::RankSum(base.len(), candidate.len());
    let ratio = ratio(&differences.collect::<Vec<_>>(), statistic, confidence)?;
    let ((before, around), (now, near)) = (moments(&base), moments(&candidate));
    let share = 1.0 / base.len() as f64 + 1.0 / candidate.len() as f64;
    let scatter = scatter(around + near, base.len() + candidate.len() - 2, share);
    Some(Shift { ratio, mean: now - before, scatter })
}

/// Returns the logarithm of a positive, finite value; `None` for any other value.
fn ln(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then(|| value.ln())
}

/// Returns the median of averages or differences of logarithms as a ratio, with its interval.
fn ratio(values: &[f64], statistic: Statistic, confidence: f64) -> Option<Ratio> {
    let sorted = sorted(values);
    let interval = statistic.left_out(confidence).and_then(|left_out| {
        let (low, high) = (sorted.get(left_out)?, sorted.iter().rev().nth(left_out)?);
        Some(Interval { low: low.exp(), high: high.exp() })
    });
    Some(Ratio { estimate: middle(&sorted)?.exp(), interval })
}

/// Returns the mean of values, and the sum of squared distances from the mean.
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum())
}

fn scatter(squares: f64, freedom: usize, share: f64) -> Option<Scatter> {
    (freedom > 0).then(|| Scatter { variance: squares / freedom as f64, freedom, share })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Simulation;

    #[test]
    fn a_drift_shared_by_both_of_a_pair_does_not_move_the_ratio() {
        let pairs: Vec<_> =
            (0..7).map(|power| f64::from(1 << power)).map(|base| (base, 0.75 * base)).collect();
        let shift = paired_shift(&pairs, 0.95).unwrap();
        let interval = shift.ratio.interval.unwrap();
        for value in [shift.ratio.estimate, interval.low, interval.high, shift.mean.exp()] {
            assert!((value - 0.75).abs() < 1e-12, "{shift:?}");
        }
        assert!(shift.scatter.unwrap().variance < 1e-24);
        let (base, candidate): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let apart = unpaired_shift(&base, &candidate, 0.95).unwrap();
        assert!(apart.ratio.interval.unwrap().contains(1.0), "{apart:?}");
    }

    #[test]
    #[allow(clippy::approx_constant, reason = "3.14 is a published figure of a patient")]
    fn the_estimate_and_interval_of_a_published_example_are_the_published_ones() {
        // Examples 3.1 and 3.3 of Hollander, Wolfe and Chicken 2014: nine patients before and after a therapy. The
        // examples use differences, so the values are taken as logarithms.
        let before: [f64; 9] = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
        let after: [f64; 9] = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
        let pairs: Vec<_> = before.iter().zip(after).map(|(x, y)| (x.exp(), y.exp())).collect();
        let Ratio { estimate, interval } = paired_shift(&pairs, 0.96).unwrap().ratio;
        let interval = interval.unwrap();
        let close = |ours: f64, exact: f64| (ours.ln() - exact).abs() < 1e-9;
        assert!(close(estimate, -0.46) && close(interval.low, -0.786) && close(interval.high, -0.01));
    }

    #[test]
    fn values_that_are_not_positive_and_empty_sets_have_no_shift() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(paired_shift(&[(1.0, 1.0), (wrong, 1.0)], 0.95), None, "{wrong}");
            assert_eq!(unpaired_shift(&[1.0, 2.0], &[wrong], 0.95), None, "{wrong}");
        }
        assert_eq!(paired_shift(&[], 0.95), None);
        assert_eq!((unpaired_shift(&[], &[1.0], 0.95), unpaired_shift(&[1.0], &[], 0.95)), (None, None));
    }

    #[test]
    fn few_values_have_an_estimate_without_an_interval() {
        let shift = paired_shift(&[(1.0, 2.0); 5], 0.95).unwrap();
        assert!((shift.ratio.estimate - 2.0).abs() < 1e-12 && shift.ratio.interval.is_none());
        let shift = unpaired_shift(&[1.0], &[3.0], 0.95).unwrap();
        assert!((shift.ratio.estimate - 3.0).abs() < 1e-12);
        assert_eq!((shift.ratio.interval, shift.scatter), (None, None));
    }

    #[test]
    fn the_intervals_hold_the_true_ratio_at_least_as_often_as_they_say() {
        let mut simulation = Simulation::new(5);
        let (mut paired, mut apart) = (0, 0);
        for _ in 0..1000 {
            let mut noisy = |centre: f64| centre * (0.05 * simulation.normal()).exp();
            let pairs: Vec<_> = (0..7).map(|_| (noisy(100.0), noisy(90.0))).collect();
            let holds = |shift: Option<Shift>| shift.unwrap().ratio.interval.unwrap().contains(0.9);
            paired += usize::from(holds(paired_shift(&pairs, 0.95)));
            let (base, candidate): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            apart += usize::from(holds(unpaired_shift(&base, &candidate, 0.95)));
        }
        // The exact confidence is 1 - 6 / 128 for seven pairs, and 1 - 2 × 65 / 3432 for seven values on each side.
        assert!((935..=975).contains(&paired), "{paired} of 1000");
        assert!((940..=985).contains(&apart), "{apart} of 1000");
    }
}
