//! Student's t distribution with a whole number of degrees of freedom.

use std::f64::consts::FRAC_2_PI;

/// The largest number of degrees of freedom in computations, which replaces any larger number. At this number,
/// quantiles are within 0.1 % of the normal ones.
const MANY: usize = 2000;

/// Returns the probability that the magnitude of a variable of Student's distribution exceeds `t`, which must not be
/// negative.
///
/// Source: Abramowitz and Stegun 1964, "Handbook of Mathematical Functions", equations 26.7.3 and 26.7.4, which are
/// exact. Rounding limits the least result to about 1e-16.
pub(crate) fn two_sided(t: f64, freedom: usize) -> f64 {
    if !t.is_finite() {
        return 0.0;
    }
    let freedom = freedom.clamp(1, MANY);
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    // The series has a term for every second power of the cosine, beginning with 0 or 1.
    let first = freedom % 2;
    let mut power = if first == 1 { cosine } else { 1.0 };
    let mut sum = 0.0;
    for degree in (first..freedom.saturating_sub(1)).step_by(2) {
        sum += power;
        power *= cosine * cosine * (degree + 1) as f64 / (degree + 2) as f64;
    }
    let within = if first == 1 { FRAC_2_PI * (angle + sine * sum) } else { sine * sum };
    (1.0 - within).max(0.0)
}

/// Returns the value that the magnitude of a variable of Student's distribution exceeds with the probability `tail`,
/// which must lie between 0 and 1.
pub(crate) fn quantile_of_magnitude(tail: f64, freedom: usize) -> f64 {
    let mut high = 1.0;
    while two_sided(high, freedom) > tail && high < 1e12 {
        high *= 2.0;
    }
    let mut low = 0.0;
    // After 60 halvings, the range is smaller than rounding errors.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if two_sided(middle, freedom) > tail { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_published_tables() {
        // The quantiles are from NIST/SEMATECH, "e-Handbook of Statistical Methods", section 1.3.6.7.2.
        for (freedom, tail, quantile) in [
            (1, 0.05, 12.706),
            (2, 0.05, 4.303),
            (5, 0.10, 2.015),
            (6, 0.05, 2.447),
            (6, 0.002, 5.208),
            (10, 0.01, 3.169),
            (29, 0.05, 2.045),
            (100, 0.002, 3.174),
            (1_000_000, 0.05, 1.960),
        ] {
            let ours = quantile_of_magnitude(tail, freedom);
            assert!((ours - quantile).abs() < 0.002, "{ours} instead of {quantile} at {freedom}");
            assert!((two_sided(ours, freedom) - tail).abs() < 1e-9);
        }
    }

    #[test]
    fn the_magnitude_exceeds_nothing_always_and_infinity_never() {
        for freedom in [1, 2, 7, 40] {
            assert_eq!((two_sided(0.0, freedom), two_sided(f64::INFINITY, freedom)), (1.0, 0.0));
        }
    }
}
