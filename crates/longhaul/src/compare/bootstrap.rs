//! How sure the change of a median is.
//!
//! The bootstrap draws each set of values anew, with replacement, and looks how the median varies. For a median
//! that needs no drawing: the chance that it falls on a given value follows from the binomial distribution
//! (Efron 1979, "Bootstrap methods: another look at the jackknife", section 3). So the interval is exact, and the
//! same every time.

use statrs::{
    distribution::{Binomial, DiscreteCDF as _},
    function::factorial::binomial,
};

use crate::report::median;

/// The median of a candidate over that of its base, and the interval that holds the true ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    pub(super) estimate: f64,
    /// `None` where there are too few values for an interval of that confidence.
    pub(super) interval: Option<(f64, f64)>,
}

/// Compares the medians of two sets of positive values. `alpha` is how likely the interval may miss the true
/// ratio. `None` if a set is empty.
pub(super) fn ratio(base: &[f64], candidate: &[f64], alpha: f64) -> Option<Ratio> {
    let estimate = median(candidate.iter().copied())? / median(base.iter().copied())?;
    // The least and the most ratio that there can be must be rarer than what lies outside the interval, or
    // the interval would only seem to reach that confidence.
    let rarest = rarest(base.len()) * rarest(candidate.len());
    let interval = (rarest <= alpha / 2.0).then(|| interval(&medians(base), &medians(candidate), alpha));
    Some(Ratio { estimate, interval })
}

/// The fewest values on each side for an interval of that confidence.
pub(super) fn fewest(alpha: f64) -> usize {
    // An odd number of values carries less than the even one before it.
    let carries = |n| rarest(n).powi(2) <= alpha / 2.0;
    (1..).find(|n| carries(*n) && carries(*n + 1)).unwrap_or(usize::MAX)
}

/// The chance that the median of `n` values drawn anew is the least of them, which is also that of the most.
fn rarest(n: usize) -> f64 {
    at_least(n / 2 + 1, n, 1)
}

fn interval(base: &[(f64, f64)], candidate: &[(f64, f64)], alpha: f64) -> (f64, f64) {
    let pairs =
        candidate.iter().flat_map(|(above, p)| base.iter().map(move |(below, q)| (above / below, p * q)));
    let mut ratios: Vec<(f64, f64)> = pairs.collect();
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    (quantile(ratios.iter(), alpha / 2.0), quantile(ratios.iter().rev(), alpha / 2.0))
}

/// The first value at which the chances, added up in this order, come to more than `tail`.
fn quantile<'a>(ratios: impl Iterator<Item = &'a (f64, f64)>, tail: f64) -> f64 {
    let mut sum = 0.0;
    let mut last = f64::NAN;
    for (ratio, chance) in ratios {
        sum += chance;
        last = *ratio;
        if sum > tail {
            break;
        }
    }
    last
}

/// Chances under this are left out: they would only make the list long.
const NEVER: f64 = 1e-12;

/// The medians that drawing anew can give, each with its chance.
fn medians(values: &[f64]) -> Vec<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut medians = if sorted.len() % 2 == 1 { of_odd(&sorted) } else { of_even(&sorted) };
    medians.retain(|(_, chance)| *chance > NEVER);
    medians
}

/// The median of an odd number is one of the values: the chance that at least half of the draws are no higher,
/// less the chance that they are all lower.
fn of_odd(sorted: &[f64]) -> Vec<(f64, f64)> {
    let (n, half) = (sorted.len(), sorted.len().div_ceil(2));
    let chance = |rank| at_least(half, n, rank + 1) - at_least(half, n, rank);
    sorted.iter().enumerate().map(|(rank, value)| (*value, chance(rank))).collect()
}

/// The median of an even number lies between two: half of the draws are no higher than the one, the other half
/// no lower than the other.
fn of_even(sorted: &[f64]) -> Vec<(f64, f64)> {
    let (n, half) = (sorted.len(), sorted.len() / 2);
    let part = |rank: usize| (rank as f64 / n as f64).powi(half as i32);
    let ways = binomial(n as u64, half as u64);
    let mut medians = Vec::new();
    for low in 1..=n {
        let mut on_both = at_least(half, n, low) - at_least(half, n, low - 1);
        for high in low + 1..=n {
            let chance = ways * (part(low) - part(low - 1)) * (part(n - high + 1) - part(n - high));
            medians.push((f64::midpoint(sorted[low - 1], sorted[high - 1]), chance));
            on_both -= chance;
        }
        medians.push((sorted[low - 1], on_both));
    }
    medians
}

/// The chance that at least `count` of `n` draws are among the `rank` lowest of `n` values.
fn at_least(count: usize, n: usize, rank: usize) -> f64 {
    Binomial::new(rank as f64 / n as f64, n as u64).map_or(f64::NAN, |draws| draws.sf(count as u64 - 1))
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn chances(values: &[f64]) -> Vec<(f64, f64)> {
        let mut merged: Vec<(f64, f64)> = Vec::new();
        let mut medians = medians(values);
        medians.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (value, chance) in medians {
            match merged.last_mut() {
                Some(last) if last.0 == value => last.1 += chance,
                _ => merged.push((value, chance)),
            }
        }
        merged
    }

    /// All draws of a small set, counted one by one.
    fn counted(values: &[f64]) -> Vec<(f64, f64)> {
        let n = values.len();
        let draws = n.pow(n as u32);
        let mut seen: Vec<f64> = (0..draws)
            .map(|draw| {
                let indices = (0..n).map(|place| draw / n.pow(place as u32) % n);
                median(indices.map(|index| values[index])).unwrap()
            })
            .collect();
        seen.sort_by(f64::total_cmp);
        seen.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64 / draws as f64)).collect()
    }

    #[test]
    fn the_chances_are_those_of_all_draws_counted() {
        for values in [
            &[1.0, 2.0, 4.0][..],
            &[1.0, 2.0, 4.0, 8.0],
            &[3.0, 1.0, 9.0, 27.0, 81.0],
            &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
            &[5.0, 5.0, 7.0, 7.0],
        ] {
            let (ours, counted) = (chances(values), counted(values));
            assert_eq!(ours.len(), counted.len(), "{values:?}");
            for (a, b) in ours.iter().zip(&counted) {
                assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-9, "{values:?}: {a:?} {b:?}");
            }
        }
    }

    #[test]
    fn few_values_have_no_interval() {
        assert_eq!(ratio(&[], &[1.0], 0.05), None);
        let three = ratio(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0], 0.05).unwrap();
        assert_eq!(three, Ratio { estimate: 2.0, interval: None });
        let five = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert!(ratio(&five, &five, 0.05).unwrap().interval.is_some());
    }

    #[test]
    fn the_interval_holds_the_true_ratio_about_as_often_as_it_says() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut noisy = |centre: f64| -> Vec<f64> {
            // The sum of twelve uniform numbers is close to normal, with a deviation of 1.
            let mut normal =
                || (0..12).map(|_| random.next_u32() as f64 / f64::from(u32::MAX)).sum::<f64>() - 6.0;
            (0..9).map(|_| centre * (1.0 + 0.04 * normal())).collect()
        };
        let held = (0..1000).filter(|_| {
            let interval = ratio(&noisy(100.0), &noisy(90.0), 0.05).unwrap().interval.unwrap();
            interval.0 <= 0.9 && interval.1 >= 0.9
        });
        let held = held.count();
        assert!((930..=1000).contains(&held), "{held} of 1000");
    }
}
