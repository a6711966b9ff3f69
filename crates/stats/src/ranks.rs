//! The distributions of Wilcoxon's two rank statistics under the null hypothesis: exact, and approximated as normal for
//! many values.

use crate::binomial::is_probability;

/// The largest number of values for which the exact distribution is computed. For more values, the normal approximation
/// of the probabilities used here has an error of less than 1 %.
const COUNTED: usize = 50;

/// A rank statistic, with the numbers of values in its test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    /// The signed-rank statistic of the given number of differences: the number of Walsh averages above 0.
    SignedRank(usize),
    /// The rank-sum statistic of two sets of the given sizes: the number of differences between the sets above 0.
    RankSum(usize, usize),
}

impl Statistic {
    /// Returns the greatest possible value of the statistic: the number of its averages or differences.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::SignedRank(n) => n * (n + 1) / 2,
            Self::RankSum(n, m) => n * m,
        }
    }

    fn variance(self) -> f64 {
        match self {
            Self::SignedRank(n) => n as f64 * (n + 1) as f64 * (2 * n + 1) as f64 / 24.0,
            Self::RankSum(n, m) => n as f64 * m as f64 * (n + m + 1) as f64 / 12.0,
        }
    }

    /// Returns the probabilities that the statistic is at most 0, 1, 2, and so on up to half of the greatest value.
    ///
    /// Source: Hollander, Wolfe and Chicken 2014, "Nonparametric Statistical Methods", third edition, sections 3.1 and
    /// 4.1.
    fn lower_half(self) -> Vec<f64> {
        let half = self.most() / 2;
        let counted = match self {
            Self::SignedRank(n) if n <= COUNTED => signed_rank(n),
            Self::RankSum(n, m) if n + m <= COUNTED => rank_sum(n, m),
            _ => return self.normal(half),
        };
        let mut sum = 0.0;
        let sums = counted.iter().take(half + 1).map(|probability| {
            sum += probability;
            sum
        });
        sums.collect()
    }

    /// Returns the normal approximation of [`lower_half`](Self::lower_half) up to the value `half`, with the correction
    /// for continuity.
    fn normal(self, half: usize) -> Vec<f64> {
        let (mean, deviation) = (self.most() as f64 / 2.0, self.variance().sqrt());
        let at_most = |value: usize| {
            let below = (mean - value as f64 - 0.5).max(0.0) / deviation;
            // Student's distribution with many degrees of freedom is close to normal.
            crate::student::two_sided(below, usize::MAX) / 2.0
        };
        (0..=half).map(at_most).collect()
    }

    /// Returns the number of sorted averages or differences to leave out at either end of an interval that holds the
    /// true shift with at least the probability `confidence`. `None` if there are too few values.
    pub(crate) fn left_out(self, confidence: f64) -> Option<usize> {
        if !is_probability(confidence) {
            return None;
        }
        let may_miss = (1.0 - confidence) / 2.0 * (1.0 + ROUNDING);
        let rarer = self.lower_half().into_iter().take_while(|at_most| *at_most <= may_miss).count();
        rarer.checked_sub(1)
    }
}

/// The relative tolerance for rounding errors in a confidence.
const ROUNDING: f64 = 1e-9;

/// Returns the probability of each value of the signed-rank statistic of `n` differences.
fn signed_rank(n: usize) -> Vec<f64> {
    let mut probabilities = vec![1.0];
    for rank in 1..=n {
        // The difference with this rank is either above 0 or not.
        let mut next = vec![0.0; probabilities.len() + rank];
        for (value, probability) in probabilities.iter().enumerate() {
            next[value] += probability / 2.0;
            next[value + rank] += probability / 2.0;
        }
        probabilities = next;
    }
    probabilities
}

/// Returns the probability of each value of the rank-sum statistic of sets of `n` and `m` values.
fn rank_sum(n: usize, m: usize) -> Vec<f64> {
    // Of the n + m places in ascending order, n belong to the first set. Each place of the first set exceeds all
    // earlier places of the second set. `ways[k][value]` is the number of ways to reach a value of the statistic with k
    // places of the first set so far.
    let most = n * m;
    let mut ways = vec![vec![0.0_f64; most + 1]; n + 1];
    ways[0][0] = 1.0;
    for place in 0..n + m {
        for first in (0..n.min(place + 1)).rev() {
            let second = place - first;
            let (before, after) = ways.split_at_mut(first + 1);
            let reached = after[0].iter_mut().skip(second);
            reached.zip(&before[first]).for_each(|(to, from)| *to += from);
        }
    }
    let total: f64 = ways[n].iter().sum();
    ways[n].iter().map(|ways| ways / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(ours: f64, exact: f64, what: &str) {
        assert!((ours - exact).abs() <= 1e-12, "{what}: {ours} instead of {exact}");
    }

    #[test]
    fn probabilities_are_those_of_published_tables() {
        // The values are from Hollander, Wolfe and Chicken 2014, tables A.4 and A.6. The least values were counted by
        // hand.
        assert_close(Statistic::SignedRank(7).lower_half()[0], 1.0 / 128.0, "7 differences");
        assert_close(Statistic::SignedRank(7).lower_half()[3], 5.0 / 128.0, "7 differences");
        assert_close(Statistic::SignedRank(10).lower_half()[8], 25.0 / 1024.0, "10 differences");
        assert_close(Statistic::RankSum(7, 7).lower_half()[0], 1.0 / 3432.0, "7 and 7");
        assert_close(Statistic::RankSum(3, 2).lower_half()[3], 6.0 / 10.0, "3 and 2");
        assert_close(Statistic::RankSum(2, 3).lower_half()[3], 6.0 / 10.0, "2 and 3");
    }

    #[test]
    fn every_distribution_adds_up_and_is_symmetric() {
        let all = [signed_rank(9), rank_sum(4, 6), rank_sum(6, 4), rank_sum(1, 5), rank_sum(5, 1)];
        for probabilities in all {
            assert_close(probabilities.iter().sum(), 1.0, "all");
            for (low, high) in probabilities.iter().zip(probabilities.iter().rev()) {
                assert_close(*low, *high, "mirrored");
            }
        }
    }

    #[test]
    fn the_normal_approximation_joins_the_counted_distribution() {
        for statistic in [Statistic::SignedRank(COUNTED), Statistic::RankSum(COUNTED / 2, COUNTED / 2)] {
            let half = statistic.most() / 2;
            for (exact, normal) in statistic.lower_half().iter().zip(statistic.normal(half)) {
                assert!((exact - normal).abs() < 0.002, "{statistic:?}: {normal} instead of {exact}");
            }
        }
    }

    #[test]
    fn the_fewest_values_for_an_interval_at_95_percent() {
        let six = [5, 6, 7, 11].map(|n| Statistic::SignedRank(n).left_out(0.95));
        assert_eq!(six, [None, Some(0), Some(2), Some(10)]);
        let four = [3, 4, 7].map(|n| Statistic::RankSum(n, n).left_out(0.95));
        assert_eq!(four, [None, Some(0), Some(8)]);
        assert_eq!(Statistic::SignedRank(0).left_out(0.95), None);
        assert_eq!(Statistic::SignedRank(7).left_out(1.0), None);
    }
}
