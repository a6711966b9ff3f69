//! The median of a few values and their extremes.

use crate::median::{middle, sorted};

/// The median of values, the least and the greatest of them, in their unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle value, as [`median`](crate::median()) defines it.
    pub median: f64,
    /// The least value.
    pub least: f64,
    /// The greatest value.
    pub most: f64,
}

impl Spread {
    /// Summarises `values`, which must be finite and are ordered by [`f64::total_cmp`]. `None` if there are none.
    ///
    /// Source: Hyndman and Fan 1996 for the median, as in [`median`](crate::median()); the extremes are the first
    /// and the last order statistic.
    pub fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        Some(Self { median: middle(&sorted)?, least: *sorted.first()?, most: *sorted.last()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_holds_the_median_and_the_extremes() {
        let spread = Spread { median: 2.0, least: 1.0, most: 30.0 };
        assert_eq!(Spread::of(&[30.0, 1.0, 2.0]), Some(spread));
    }

    #[test]
    fn a_single_value_is_median_and_extremes() {
        let spread = Spread { median: -4.0, least: -4.0, most: -4.0 };
        assert_eq!(Spread::of(&[-4.0]), Some(spread));
    }

    #[test]
    fn no_values_have_no_spread() {
        assert_eq!(Spread::of(&[]), None);
    }
}
