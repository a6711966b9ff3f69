//! An interval between two values.

/// A closed interval, in the unit of the values from which the interval was computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end, which belongs to the interval.
    pub low: f64,
    /// The upper end, which belongs to the interval.
    pub high: f64,
}

impl Interval {
    /// Returns whether `value` lies between the ends or on an end. False if `value` or an end is NaN.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_the_interval() {
        let interval = Interval { low: -1.0, high: 2.0 };
        let inside = [-1.0, 0.0, 2.0].map(|value| interval.contains(value));
        let outside = [-1.1, 2.1, f64::NAN].map(|value| interval.contains(value));
        assert_eq!((inside, outside), ([true; 3], [false; 3]));
    }
}
