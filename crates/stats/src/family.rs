//! Many changes tested together: a moderated t-test, and control of the false discovery rate.

use crate::{
    Scatter, Shift,
    gamma::{digamma, inverse_trigamma, trigamma},
    student::{quantile_of_magnitude, two_sided},
};

/// A family of changes that are tested together.
///
/// Student's t-test decides for each change whether the mean logarithm of its ratio differs from 0. Runs are few, so
/// the variance of each change is moved towards the typical variance of the family. The more alike the variances are,
/// the further they are moved. Variances that differ more than chance explains are not moved (Smyth 2004). Changes of
/// one kind should share a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    tests: Vec<Option<Test>>,
}

/// The test of one change.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Test {
    mean: f64,
    /// The standard error of the mean logarithm.
    error: f64,
    freedom: usize,
    /// Half of the width of the interval of the logarithm; infinite if the change has no interval.
    half_width: f64,
}

impl Family {
    /// Tests a family of changes, one per element of `shifts`. A change without scatter is not tested.
    ///
    /// Source: Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in
    /// microarray experiments", Statistical Applications in Genetics and Molecular Biology 3(1), article 3.
    pub fn of(shifts: &[Option<Shift>]) -> Self {
        let scatters: Vec<Scatter> = shifts.iter().flatten().filter_map(|shift| shift.scatter).collect();
        let prior = Prior::of(&scatters);
        let test = |shift: &Option<Shift>| {
            let Shift { mean, scatter: Some(scatter), ratio } = (*shift)? else { return None };
            let (variance, freedom) = prior.moderate(scatter);
            let half_width = ratio.interval.map_or(f64::INFINITY, |all| (all.high / all.low).ln() / 2.0);
            Some(Test { mean, error: (variance * scatter.share).sqrt(), freedom, half_width })
        };
        Self { tests: shifts.iter().map(test).collect() }
    }

    /// Returns the p-value of each change: the probability of a mean at least as far from zero if nothing has changed.
    /// `None` for a change that is not tested.
    pub fn probabilities(&self) -> Vec<Option<f64>> {
        self.tests.iter().map(|test| test.map(Test::probability)).collect()
    }

    /// Returns the smallest change that is found with a probability of about `power`, as the magnitude of the logarithm
    /// of its ratio. A change is found if its p-value is at most `level` and its interval, which must have a confidence
    /// of 95 %, excludes a ratio of 1. `None` if the change is not tested, or has no interval.
    ///
    /// Each of the two conditions demands a change of its own, and the larger one counts. The ends of an interval of few
    /// runs scatter more than the mean does: in proportion to the width of the interval.
    ///
    /// Source: Lehmann 1963, "Nonparametric confidence intervals for a shift parameter", The Annals of Mathematical
    /// Statistics 34(4), 1507–1512, for the standard error of an estimate by ranks from the width of its interval.
    pub fn detectable(&self, change: usize, level: f64, power: f64) -> Option<f64> {
        let test = (*self.tests.get(change)?)?;
        // One tail with the probability 1 - power has the same quantile as two tails with twice that probability.
        let tails = (2.0 * (1.0 - power)).clamp(1e-12, 1.0);
        let quantiles =
            quantile_of_magnitude(level, test.freedom) + quantile_of_magnitude(tails, test.freedom);
        // Half of an interval of 95 % is this many standard errors of the estimate in its middle.
        let errors = quantile_of_magnitude(0.05, NEARLY_NORMAL);
        let by_interval = test.half_width * (1.0 + quantile_of_magnitude(tails, NEARLY_NORMAL) / errors);
        Some((quantiles * test.error).max(by_interval)).filter(|change| change.is_finite())
    }
}

/// Degrees of freedom with which quantiles of Student's distribution are within 1.3 % of the normal ones.
const NEARLY_NORMAL: usize = 100;

impl Test {
    fn probability(self) -> f64 {
        if self.mean == 0.0 {
            return 1.0;
        }
        two_sided((self.mean / self.error).abs(), self.freedom)
    }
}

/// The prior of the variances of a family: their typical value, and the degrees of freedom that the prior adds to each
/// variance.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Prior {
    variance: f64,
    freedom: f64,
}

/// The fewest variances from which a prior is estimated. Fewer variances do not show how much they scatter.
const FEWEST: usize = 4;

/// The most degrees of freedom of a prior. More would change quantiles by less than 1 %.
const MOST: f64 = 100.0;

/// The least variance, as a share of the median variance. Values that are equal in all runs have a variance of 0, which
/// has no logarithm.
const LEAST: f64 = 1e-5;

impl Prior {
    const NONE: Self = Self { variance: 0.0, freedom: 0.0 };

    fn of(scatters: &[Scatter]) -> Self {
        let variances: Vec<f64> = scatters.iter().map(|scatter| scatter.variance).collect();
        let typical = crate::median(&variances).unwrap_or(0.0);
        if scatters.len() < FEWEST || typical <= 0.0 {
            return Self::NONE;
        }
        let centred = scatters.iter().map(|Scatter { variance, freedom, .. }| {
            let half = *freedom as f64 / 2.0;
            variance.max(LEAST * typical).ln() - digamma(half) + half.ln()
        });
        let (mean, squares) = moments(&centred.collect::<Vec<_>>());
        let by_chance = scatters.iter().map(|scatter| trigamma(scatter.freedom as f64 / 2.0)).sum::<f64>();
        let beyond = squares / (scatters.len() - 1) as f64 - by_chance / scatters.len() as f64;
        let freedom = if beyond > 0.0 { (2.0 * inverse_trigamma(beyond)).min(MOST) } else { MOST };
        let half = freedom / 2.0;
        Self { variance: (mean + digamma(half) - half.ln()).exp(), freedom }
    }

    /// Moves the variance of one change towards the prior. Returns the moved variance and its degrees of freedom,
    /// rounded down.
    fn moderate(self, own: Scatter) -> (f64, usize) {
        let freedom = self.freedom + own.freedom as f64;
        let variance = (self.freedom * self.variance + own.freedom as f64 * own.variance) / freedom;
        (variance, freedom as usize)
    }
}

fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum())
}

/// Returns the level of a choice of changes: a change is chosen if its p-value is at most the level. At most a share
/// `rate` of the chosen changes is expected to be false. If nothing has changed, the probability that any change is
/// chosen is at most `rate`.
///
/// `probabilities` holds the p-values. If all changes are chosen, the level is `rate`. If only one change is chosen,
/// the level is `rate` divided by the number of p-values. If no change is chosen, the level is also that quotient,
/// which a single change would have had to reach.
///
/// Source: Benjamini and Hochberg 1995, "Controlling the false discovery rate: a practical and powerful approach to
/// multiple testing", Journal of the Royal Statistical Society B 57(1), 289–300; valid for independent and for positively
/// dependent changes (Benjamini and Yekutieli 2001, The Annals of Statistics 29(4), 1165–1188).
pub fn discovery_level(probabilities: &[f64], rate: f64) -> f64 {
    let mut sorted = probabilities.to_vec();
    sorted.sort_by(f64::total_cmp);
    let number = sorted.len().max(1) as f64;
    let chosen = (1..=sorted.len()).rev().find(|rank| sorted[rank - 1] <= rate * *rank as f64 / number);
    rate * chosen.unwrap_or(1) as f64 / number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{paired_shift, simulation::Simulation, unpaired_shift};

    #[test]
    fn the_level_of_the_published_example_is_the_published_one() {
        // The example of Benjamini and Hochberg 1995, section 4: 15 p-values, of which four are chosen at 5 %.
        let probabilities = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.0000,
        ];
        let level = discovery_level(&probabilities, 0.05);
        assert!((level - 0.05 * 4.0 / 15.0).abs() < 1e-12, "{level}");
        assert_eq!(probabilities.iter().filter(|probability| **probability <= level).count(), 4);
        assert!((discovery_level(&[0.5; 10], 0.05) - 0.005).abs() < 1e-12, "nothing is chosen");
        assert_eq!(discovery_level(&[2.0 / 128.0; 49], 0.05), 0.05, "everything is chosen");
        assert_eq!(discovery_level(&[], 0.05), 0.05);
    }

    #[test]
    fn a_single_change_has_the_probability_of_the_plain_test() {
        // The example of Student 1908: the additional hours of sleep of ten patients by two drugs. t = 4.0621 with 9
        // degrees of freedom.
        let first: [f64; 10] = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second: [f64; 10] = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let pairs: Vec<_> = first.iter().zip(second).map(|(x, y)| (x.exp(), y.exp())).collect();
        let family = Family::of(&[paired_shift(&pairs, 0.95)]);
        let probability = family.probabilities()[0].unwrap();
        assert!((probability - 0.002833).abs() < 1e-6, "{probability}");
    }

    /// Returns pairs of values that scatter by `deviation` and differ by a factor.
    fn pairs(simulation: &mut Simulation, number: usize, deviation: f64, factor: f64) -> Vec<(f64, f64)> {
        let mut value = |centre: f64| centre * (deviation * simulation.normal()).exp();
        (0..number).map(|_| (value(1.0), value(factor))).collect()
    }

    #[test]
    fn alike_variances_are_shared_and_different_ones_are_not() {
        let mut simulation = Simulation::new(6);
        let mut freedom = |deviation: &dyn Fn(usize) -> f64| {
            let shifts: Vec<_> = (0..40)
                .map(|change| paired_shift(&pairs(&mut simulation, 7, deviation(change), 1.0), 0.95))
                .collect();
            Family::of(&shifts).tests[0].unwrap().freedom
        };
        assert!(freedom(&|_| 0.02) > 40);
        assert!(freedom(&|change| 0.001 * 4_f64.powi(change as i32 % 5)) < 10);
    }

    #[test]
    fn a_detectable_change_is_found_as_often_as_it_says() {
        let mut simulation = Simulation::new(7);
        let level = 0.01;
        let shifts = |simulation: &mut Simulation, factor: f64| -> Vec<Option<Shift>> {
            (0..20).map(|_| paired_shift(&pairs(simulation, 7, 0.03, factor), 0.95)).collect()
        };
        // Each case changes by the amount that an earlier series of families detects on average.
        let before: Vec<f64> = (0..50)
            .flat_map(|_| {
                let family = Family::of(&shifts(&mut simulation, 1.0));
                (0..20).filter_map(|change| family.detectable(change, level, 0.8)).collect::<Vec<_>>()
            })
            .collect();
        let typical = before.iter().sum::<f64>() / before.len() as f64;
        let found: usize = (0..50)
            .map(|_| {
                let shifts = shifts(&mut simulation, (-typical).exp());
                let probabilities = Family::of(&shifts).probabilities();
                let excludes_1 =
                    shifts.iter().flatten().map(|shift| shift.ratio.interval.unwrap().high < 1.0);
                let found = probabilities.iter().flatten().zip(excludes_1);
                found.filter(|(probability, excludes_1)| **probability <= level && *excludes_1).count()
            })
            .sum();
        assert!((780..=860).contains(&found), "{found} of 1000");
    }

    #[test]
    fn few_runs_find_the_change_that_they_state_in_80_of_100() {
        let mut simulation = Simulation::new(12);
        let mut check = |runs: usize, is_paired: bool| {
            let mut shift = |factor: f64| {
                let pairs = pairs(&mut simulation, runs, 0.03, factor);
                let (base, candidate): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
                if is_paired { paired_shift(&pairs, 0.95) } else { unpaired_shift(&base, &candidate, 0.95) }
            };
            let stated: Vec<f64> =
                (0..2000).filter_map(|_| Family::of(&[shift(1.0)]).detectable(0, 0.05, 0.8)).collect();
            let typical = stated.iter().sum::<f64>() / stated.len() as f64;
            let found = (0..4000).filter(|_| is_found(shift((-typical).exp())));
            let found = found.count();
            assert!((3080..=3320).contains(&found), "{runs} runs, in pairs {is_paired}: {found} of 4000");
        };
        [6, 7, 8, 9, 15].into_iter().for_each(|pairs| check(pairs, true));
        [4, 5, 7].into_iter().for_each(|runs| check(runs, false));
    }

    /// Returns whether a comparison of one case finds that the candidate has become smaller.
    fn is_found(shift: Option<Shift>) -> bool {
        let probability = Family::of(&[shift]).probabilities()[0].unwrap();
        probability <= 0.05 && shift.unwrap().ratio.interval.unwrap().high < 1.0
    }

    #[test]
    fn false_discoveries_are_as_rare_as_they_should_be() {
        let mut simulation = Simulation::new(8);
        let any = (0..400).filter(|_| {
            let shifts: Vec<_> =
                (0..24).map(|_| paired_shift(&pairs(&mut simulation, 7, 0.03, 1.0), 0.95)).collect();
            let probabilities: Vec<f64> = Family::of(&shifts).probabilities().into_iter().flatten().collect();
            let level = discovery_level(&probabilities, 0.05);
            probabilities.iter().any(|probability| *probability <= level)
        });
        let any = any.count();
        assert!(any <= 32, "{any} of 400");
    }
}
