//! The bootstrap distribution of a median, without drawing.
//!
//! The bootstrap resamples values with replacement and looks at the scatter of the statistic. For the median of n
//! values, the exact distribution follows from the binomial distribution (Efron 1979, "Bootstrap methods: another
//! look at the jackknife", The Annals of Statistics 7(1), 1–26, section 3). No random number is needed.

use crate::{
    binomial::{at_least, ln_coefficient},
    median::sorted,
};

/// A value with its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mass {
    pub(crate) value: f64,
    pub(crate) probability: f64,
}

/// Medians of a lower probability are left out, which bounds the length of the list. Those of 300 values add up to
/// 1.2e-10, far less than any `alpha` in use.
const NEGLIGIBLE: f64 = 1e-12;

/// The medians of all resamples of `values`, in ascending order and each once.
pub(crate) fn resampled_medians(values: &[f64]) -> Vec<Mass> {
    let sorted = sorted(values);
    let mut masses = if sorted.len() % 2 == 1 { odd_medians(&sorted) } else { even_medians(&sorted) };
    masses.retain(|mass| mass.probability > NEGLIGIBLE);
    masses.sort_by(|a, b| a.value.total_cmp(&b.value));
    let equal = masses.chunk_by(|a, b| a.value == b.value);
    let merge = |equal: &[Mass]| Mass {
        value: equal[0].value,
        probability: equal.iter().map(|mass| mass.probability).sum(),
    };
    equal.map(merge).collect()
}

/// The probability that the median of a resample of `n` different values is the least of them, or the greatest.
pub(crate) fn extreme_probability(n: usize) -> f64 {
    order_at_most(n / 2 + 1, n, 1)
}

/// The median of an odd number is one of the values.
fn odd_medians(sorted: &[f64]) -> Vec<Mass> {
    let (n, middle) = (sorted.len(), sorted.len().div_ceil(2));
    let mass = |(index, value): (usize, &f64)| Mass {
        value: *value,
        probability: order_at_most(middle, n, index + 1) - order_at_most(middle, n, index),
    };
    sorted.iter().enumerate().map(mass).collect()
}

/// The median of an even number is the mean of two values: half of a resample is at most the lower value, and half is
/// at least the higher one.
fn even_medians(sorted: &[f64]) -> Vec<Mass> {
    let (n, half) = (sorted.len(), sorted.len() / 2);
    let ways = ln_coefficient(n, half);
    let highest: Vec<f64> = (1..=n).map(|rank| ln_highest(half, n, rank)).collect();
    let mut masses = Vec::new();
    for low in 0..n {
        let mut both = order_at_most(half, n, low + 1) - order_at_most(half, n, low);
        for high in low + 1..n {
            // Counted from above, the higher value has the rank n - high.
            let probability = (ways + highest[low] + highest[n - high - 1]).exp();
            masses.push(Mass { value: f64::midpoint(sorted[low], sorted[high]), probability });
            both -= probability;
        }
        masses.push(Mass { value: sorted[low], probability: both });
    }
    masses
}

/// The logarithm of the probability that the highest of `draws` from `n` values has exactly `rank`. The probability is
/// (rank / n) less ((rank - 1) / n), both to the power of `draws`.
fn ln_highest(draws: usize, n: usize, rank: usize) -> f64 {
    let (draws, rank) = (draws as f64, rank as f64);
    let lower = (draws * (-1.0 / rank).ln_1p()).exp_m1();
    draws * (rank / n as f64).ln() + (-lower).ln()
}

/// The probability that at least `count` of `n` draws are among the `rank` lowest of `n` values.
fn order_at_most(count: usize, n: usize, rank: usize) -> f64 {
    at_least(count, n, rank as f64 / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::median;

    /// The medians of all resamples of a small set, counted one by one.
    fn counted(values: &[f64]) -> Vec<Mass> {
        let n = values.len();
        let resamples = n.pow(n as u32);
        let median_of = |resample: usize| {
            let indices = (0..n).map(|place| resample / n.pow(place as u32) % n);
            median(&indices.map(|index| values[index]).collect::<Vec<_>>()).unwrap()
        };
        let medians = sorted(&(0..resamples).map(median_of).collect::<Vec<_>>());
        let mass =
            |equal: &[f64]| Mass { value: equal[0], probability: equal.len() as f64 / resamples as f64 };
        medians.chunk_by(|a, b| a == b).map(mass).collect()
    }

    #[test]
    fn probabilities_are_those_of_all_resamples_counted() {
        for values in [
            &[7.0][..],
            &[1.0, 2.0],
            &[1.0, 2.0, 4.0],
            &[1.0, 2.0, 4.0, 8.0],
            &[3.0, 1.0, 9.0, 27.0, 81.0],
            &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
            &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
            &[5.0, 5.0, 7.0, 7.0],
        ] {
            let (ours, counted) = (resampled_medians(values), counted(values));
            assert_eq!(ours.len(), counted.len(), "{values:?}");
            for (a, b) in ours.iter().zip(&counted) {
                let close = a.value == b.value && (a.probability - b.probability).abs() < 1e-12;
                assert!(close, "{values:?}: {a:?} instead of {b:?}");
            }
        }
    }

    #[test]
    fn the_extreme_probability_is_that_of_all_resamples_counted() {
        for n in 1..=7 {
            let values: Vec<f64> = (0..n).map(|power| f64::from(1 << power)).collect();
            let least = counted(&values)[0].probability;
            assert!((extreme_probability(values.len()) - least).abs() < 1e-12, "{n} values");
        }
    }

    #[test]
    fn probabilities_of_hundreds_of_values_add_up() {
        for n in [299, 300, 1500] {
            let medians = resampled_medians(&(0..n).map(f64::from).collect::<Vec<_>>());
            let sum: f64 = medians.iter().map(|mass| mass.probability).sum();
            assert!((sum - 1.0).abs() < 5e-10, "{sum} for {n} values");
        }
    }
}
