//! The median of values, its exact confidence interval, and quartiles.

/// The middle value; for an even number of values, the mean of the two in the middle. In the unit of the values.
///
/// Values must be finite; they are ordered by [`f64::total_cmp`]. `None` if there are none.
///
/// Source: Hyndman and Fan 1996, "Sample quantiles in statistical packages", The American Statistician 50(4),
/// 361–365. Definition 7 gives this value for the quantile of 1/2.
pub fn median(values: &[f64]) -> Option<f64> {
    middle(&sorted(values))
}

/// Three values that divide a set into quarters, and its extremes, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// The least value.
    pub least: f64,
    /// The quantile of 1/4.
    pub first: f64,
    /// The quantile of 1/2, equal to [`median()`].
    pub median: f64,
    /// The quantile of 3/4.
    pub third: f64,
    /// The greatest value.
    pub most: f64,
}

/// The quartiles of `values` by linear interpolation: the quantile of p lies at position (n - 1) p among n sorted
/// values, of which the first has position 0.
///
/// Values must be finite; they are ordered by [`f64::total_cmp`]. `None` if there are none.
///
/// Source: definition 7 of Hyndman and Fan 1996, "Sample quantiles in statistical packages", The American
/// Statistician 50(4), 361–365. It is the default of R and NumPy. In contrast to definitions without
/// interpolation, its second quartile is the usual median for an even number of values too.
pub fn quartiles(values: &[f64]) -> Option<Quartiles> {
    let sorted = sorted(values);
    let last = sorted.len().checked_sub(1)?;
    let quantile = |quarters: usize| {
        let position = last * quarters;
        let (low, high) = (sorted[position / 4], sorted[position.div_ceil(4)]);
        low + (high - low) * (position % 4) as f64 / 4.0
    };
    Some(Quartiles {
        least: sorted[0],
        first: quantile(1),
        median: middle(&sorted)?,
        third: quantile(3),
        most: sorted[last],
    })
}

/// The values in ascending order.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The median of values in ascending order.
pub(crate) fn middle(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_value() {
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    #[test]
    fn no_values_have_neither_median_nor_quartiles() {
        assert_eq!((median(&[]), quartiles(&[])), (None, None));
    }

    #[test]
    fn quartiles_of_one_to_ten_are_those_that_r_prints() {
        // R: quantile(1:10) gives 1.00 3.25 5.50 7.75 10.00.
        let values: Vec<f64> = (1..=10).rev().map(f64::from).collect();
        let expected = Quartiles { least: 1.0, first: 3.25, median: 5.5, third: 7.75, most: 10.0 };
        assert_eq!(quartiles(&values), Some(expected));
    }

    #[test]
    fn quartiles_of_five_values_are_values_themselves() {
        let quartiles = quartiles(&[90.0, 120.0, 100.0, 98.0, 104.0]).unwrap();
        assert_eq!((quartiles.first, quartiles.median, quartiles.third), (98.0, 100.0, 104.0));
    }

    #[test]
    fn the_second_quartile_is_the_median_of_any_number_of_values() {
        for n in 1..=12 {
            let values: Vec<f64> = (0..n).map(|value| f64::from(value * value)).collect();
            assert_eq!(quartiles(&values).map(|quartiles| quartiles.median), median(&values), "{n} values");
        }
    }
}
