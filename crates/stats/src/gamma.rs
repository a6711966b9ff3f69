//! The derivatives of the logarithm of the gamma function.

/// The smallest argument for which the asymptotic series in this file are precise to 1e-10.
const ASYMPTOTIC: f64 = 10.0;

/// Returns the derivative of the logarithm of the gamma function at a positive argument.
///
/// Source: Abramowitz and Stegun 1964, equations 6.3.5 and 6.3.18.
pub(crate) fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < ASYMPTOTIC {
        below -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    below + x.ln() - 0.5 / x - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0))
}

/// Returns the derivative of [`digamma`] at a positive argument.
///
/// Source: Abramowitz and Stegun 1964, equations 6.4.6 and 6.4.12.
pub(crate) fn trigamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < ASYMPTOTIC {
        below += 1.0 / (x * x);
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    below
        + 1.0 / x
        + square / 2.0
        + square / x * (1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square / 30.0)))
}

/// Returns the argument at which [`trigamma`] has the value `value`, which must be positive. [`trigamma`] falls from
/// infinity to 0, so there is exactly one.
pub(crate) fn inverse_trigamma(value: f64) -> f64 {
    let (mut low, mut high) = (1e-6_f64, 1e6_f64);
    for _ in 0..100 {
        let middle = (low * high).sqrt();
        if trigamma(middle) > value { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivatives_of_the_gamma_function_have_their_published_values() {
        // The values are from Abramowitz and Stegun 1964, table 6.1: psi(1) is -0.57721 56649, psi'(1) is pi squared
        // over 6.
        assert!((digamma(1.0) + 0.577_215_664_9).abs() < 1e-9);
        assert!((digamma(0.5) + 1.963_510_026_0).abs() < 1e-9);
        assert!((trigamma(1.0) - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-9);
        for x in [0.5, 1.0, 3.0, 40.0] {
            assert!((inverse_trigamma(trigamma(x)) / x - 1.0).abs() < 1e-6, "{x}");
        }
    }
}
