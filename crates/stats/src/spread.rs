//! The median of a few values, its interval, and their extremes.

use crate::{
    Interval,
    median::{middle, sorted},
    median_interval,
};

/// The confidence of the interval of a median.
const CONFIDENCE: f64 = 0.95;

/// A summary of values in their unit: the median with its interval, the least and the greatest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle value, as [`median`](crate::median()) defines it.
    pub median: f64,
    /// The least of the values.
    pub least: f64,
    /// The greatest of the values.
    pub most: f64,
    /// The exact confidence interval of the median, with 95 %. `None` for fewer than six values.
    pub interval: Option<Interval>,
}

impl Spread {
    /// Summarises `values`, which must be finite and are ordered by [`f64::total_cmp`]. `None` if there are no values.
    ///
    /// Source: Hyndman and Fan 1996 for the median, as in [`median`](crate::median()); the extremes are the first
    /// and the last order statistic, and the interval is that of [`median_interval`].
    pub fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        Some(Self {
            median: middle(&sorted)?,
            least: *sorted.first()?,
            most: *sorted.last()?,
            interval: median_interval(values, CONFIDENCE),
        })
    }

    /// Returns the interval of the median if there is one, else the range from the least value to the greatest.
    pub fn range(&self) -> Interval {
        self.interval.unwrap_or(Interval { low: self.least, high: self.most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_holds_the_median_and_the_extremes() {
        let spread = Spread { median: 2.0, least: 1.0, most: 30.0, interval: None };
        assert_eq!(Spread::of(&[30.0, 1.0, 2.0]), Some(spread));
        assert_eq!(spread.range(), Interval { low: 1.0, high: 30.0 });
    }

    #[test]
    fn the_range_of_many_values_is_the_interval_of_their_median() {
        let values: Vec<f64> = (1..=11).map(f64::from).collect();
        let spread = Spread::of(&values).unwrap();
        assert_eq!((spread.least, spread.most), (1.0, 11.0));
        assert_eq!(spread.range(), Interval { low: 2.0, high: 10.0 });
    }

    #[test]
    fn a_single_value_is_median_and_extremes() {
        let spread = Spread { median: -4.0, least: -4.0, most: -4.0, interval: None };
        assert_eq!(Spread::of(&[-4.0]), Some(spread));
    }

    #[test]
    fn no_values_have_no_spread() {
        assert_eq!(Spread::of(&[]), None);
    }
}
