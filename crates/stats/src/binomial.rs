//! Probabilities of the binomial distribution.

/// Returns the probability of each number of successes, from 0 to `n`, in `n` trials of probability `p`.
///
/// `p` must lie between 0 and 1. Weights are computed from the most likely number outwards and normalised by their sum,
/// so that no factorial overflows and no power underflows. The ratio of neighbouring weights follows Feller 1968, "An
/// Introduction to Probability Theory and Its Applications", volume 1, third edition, section VI.3.
pub(crate) fn probabilities(n: usize, p: f64) -> Vec<f64> {
    let mode = (((n + 1) as f64 * p) as usize).min(n);
    let mut weights = vec![1.0; n + 1];
    for k in mode + 1..=n {
        weights[k] = weights[k - 1] * ((n - k + 1) as f64 * p) / (k as f64 * (1.0 - p));
    }
    for k in (0..mode).rev() {
        weights[k] = weights[k + 1] * ((k + 1) as f64 * (1.0 - p)) / ((n - k) as f64 * p);
    }
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// Returns whether `p` lies between 0 and 1, both excluded.
pub(crate) fn is_probability(p: f64) -> bool {
    p > 0.0 && p < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(ours: f64, exact: f64, what: &str) {
        assert!((ours - exact).abs() <= 1e-12 * exact, "{what}: {ours:e} instead of {exact:e}");
    }

    fn coefficient(n: u32, k: u32) -> u128 {
        (1..=u128::from(k)).fold(1, |product, i| product * (u128::from(n - k) + i) / i)
    }

    /// Returns the probability of `count` or more successes. The sum starts with the least probability, which keeps it
    /// precise.
    fn at_least(count: usize, n: usize, p: f64) -> f64 {
        probabilities(n, p).iter().skip(count).rev().sum()
    }

    #[test]
    fn tails_are_those_of_integer_arithmetic() {
        for n in 1..=20_u32 {
            for rank in 0..=n {
                let mut ways = 0;
                for count in (0..=n).rev() {
                    let (hits, misses) = (u128::from(rank).pow(count), u128::from(n - rank).pow(n - count));
                    ways += coefficient(n, count) * hits * misses;
                    let exact = ways as f64 / u128::from(n).pow(n) as f64;
                    let ours = at_least(count as usize, n as usize, f64::from(rank) / f64::from(n));
                    assert_close(ours, exact, &format!("{count} or more of {n} at {rank}/{n}"));
                }
            }
        }
    }

    #[test]
    fn tails_of_hundreds_of_trials_keep_their_precision() {
        // The expected values were computed with exact rational numbers and rounded at the end.
        for (count, n, p, exact) in [
            (150, 300, 0.5, 0.523_013_757_209_517_3),
            (180, 300, 0.5, 3.171_100_034_641_784_4e-4),
            (151, 300, 140.0 / 300.0, 0.112_242_170_487_617_59),
            (151, 300, 1.0 / 300.0, 5.119_025_318_162_699e-286),
            (501, 1000, 0.45, 6.808_086_624_337_38e-4),
        ] {
            assert_close(at_least(count, n, p), exact, &format!("{count} or more of {n} at {p}"));
        }
    }
}
