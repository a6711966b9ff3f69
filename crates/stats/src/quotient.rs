//! The quotient of two independent ratios, with its interval.

use crate::{Interval, Ratio};

/// Returns the factor by which `other` differs from `base`: 1 if both are equal. The two ratios must be positive and
/// independent, for example measured on two machines.
///
/// The interval has about the confidence of the intervals of the two ratios, which must be equal. Its ends are computed
/// on the scale of logarithms. The distance from the estimate to the lower end is the root of a sum of two squares:
/// those of the distances from `other` to its lower end and from `base` to its upper end. The upper end follows from
/// the other two ends.
///
/// `None` if an estimate is not positive. The interval is `None` if one of the two ratios has no interval, or an
/// interval that is not positive.
///
/// Source: Zou and Donner 2008, "Construction of confidence limits about effect measures: a general approach",
/// Statistics in Medicine 27(10), 1693–1702, equation 7, for the difference of two logarithms.
pub fn quotient(base: &Ratio, other: &Ratio) -> Option<Ratio> {
    let is_positive = base.estimate > 0.0 && other.estimate > 0.0;
    let estimate = is_positive.then(|| other.estimate / base.estimate)?;
    let interval =
        base.interval.zip(other.interval).filter(|(base, other)| base.low > 0.0 && other.low > 0.0);
    let interval = interval.map(|(of_base, of_other)| {
        let below = (other.estimate / of_other.low).ln().hypot((of_base.high / base.estimate).ln());
        let above = (of_other.high / other.estimate).ln().hypot((base.estimate / of_base.low).ln());
        Interval { low: estimate * (-below).exp(), high: estimate * above.exp() }
    });
    Some(Ratio { estimate, interval })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{paired_ratio, simulation::Simulation};

    fn ratio(estimate: f64, low: f64, high: f64) -> Ratio {
        Ratio { estimate, interval: Some(Interval { low, high }) }
    }

    #[test]
    fn distances_of_both_intervals_add_up_by_their_squares() {
        let e = std::f64::consts::E;
        let base = ratio(1.0, (-0.4_f64).exp(), 0.3_f64.exp());
        let found = quotient(&base, &ratio(e, 0.6_f64.exp(), 1.3_f64.exp())).unwrap();
        let interval = found.interval.unwrap();
        assert!((found.estimate - e).abs() < 1e-12);
        assert!((interval.low.ln() - 0.5).abs() < 1e-12 && (interval.high.ln() - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_ratio_without_an_interval_leaves_the_quotient_without_one() {
        let bare = Ratio { estimate: 0.5, interval: None };
        let found = quotient(&bare, &ratio(1.0, 0.9, 1.1)).unwrap();
        assert_eq!((found.estimate, found.interval), (2.0, None));
        assert_eq!(quotient(&ratio(0.0, 0.0, 1.0), &bare), None);
    }

    #[test]
    fn the_interval_holds_the_true_quotient_as_often_as_its_parts() {
        let mut simulation = Simulation::new(5);
        let held = (0..1000).filter(|_| {
            let mut measured = |ratio: f64, rounds: usize| {
                let mut noisy = |value: f64| value * (1.0 + 0.05 * simulation.normal());
                let pairs: Vec<_> = (0..rounds).map(|_| (noisy(1.0), noisy(ratio))).collect();
                paired_ratio(&pairs, 0.95).unwrap()
            };
            let (base, other) = (measured(0.8, 11), measured(0.9, 7));
            quotient(&base, &other).unwrap().interval.unwrap().contains(0.9 / 0.8)
        });
        let held = held.count();
        assert!((940..=995).contains(&held), "{held} of 1000");
    }
}
