//! The slope of a series whose errors depend on each other, and its interval.

use crate::Slope;

/// The fewest points of a fit, and the fewest block means of a fit over blocks.
const FEWEST: usize = 16;

/// The distance of the upper end of the autocorrelation from its estimate, in standard errors: the one-sided quantile
/// of 2.5 %. An estimate that is too small makes the interval of the slope too narrow. An estimate that is too large
/// only makes the interval too wide.
const UPPER: f64 = 1.96;

/// Fits a line to a series of (x, y) by generalised least squares. The errors are an autoregressive process of the
/// first order. The points must be in the order of x, at nearly equal distances.
///
/// The interval has its confidence for white noise, for autocorrelated errors, and for errors that are a random walk,
/// as the tests in this file show. The estimate of the autocorrelation is first corrected for the bias that detrending
/// causes. An autocorrelation whose upper end is within 1/√n of 1 is taken as 1 (Perron and Yabu).
///
/// Errors of several time scales (a slow process below white noise) do not fit an autoregression of the first order.
/// The fit is therefore repeated over the means of blocks of 2, 4, … points while there are at least 16 blocks. The
/// widest interval counts. For white noise, the interval is three quarters wider than necessary on average.
///
/// `None` with fewer than 16 points, if x does not change, or unless `confidence` is between 0 and 1, both excluded.
/// Coordinates must be finite.
///
/// Sources: Perron and Yabu 2009, "Estimating deterministic trends with an integrated or stationary noise component",
/// Journal of Econometrics 151(1), 56–69; Kendall 1954, "Note on bias in the estimation of autocorrelation",
/// Biometrika 41, 403–404; Abramowitz and Stegun 1964, 26.2.23 and 26.7.5, for the quantiles.
pub fn trend(points: &[(f64, f64)], confidence: f64) -> Option<Slope> {
    if !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let sizes = std::iter::successors(Some(1_usize), |size| size.checked_mul(2));
    let fits = sizes
        .take_while(|size| points.len() / size >= FEWEST)
        .filter_map(|size| autoregressive(&blocks(points, size), confidence));
    fits.max_by(|a, b| (a.high - a.low).total_cmp(&(b.high - b.low)))
}

/// Returns the means of consecutive blocks of `size` points. A last block that is not full is left out.
fn blocks(points: &[(f64, f64)], size: usize) -> Vec<(f64, f64)> {
    let mean =
        |block: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| block.iter().map(of).sum::<f64>() / size as f64;
    points
        .chunks_exact(size)
        .map(|block| (mean(block, |point| point.0), mean(block, |point| point.1)))
        .collect()
}

/// Fits a line with errors that are autoregressive of the first order.
fn autoregressive(points: &[(f64, f64)], confidence: f64) -> Option<Slope> {
    // Coordinates are relative to the first point, so that large values cost no precision.
    let (x, y) = *points.first()?;
    let points: Vec<(f64, f64)> = points.iter().map(|point| (point.0 - x, point.1 - y)).collect();
    let plain = Regression::of(points.iter().map(|(x, y)| (1.0, *x, *y)))?;
    let errors: Vec<f64> = points.iter().map(|(x, y)| y - plain.intercept - plain.slope * x).collect();
    let rho = autocorrelation(&errors);
    // The points are whitened: `rho` times its predecessor is subtracted from each point. The first point is weighted
    // by its own variance (Prais and Winsten).
    let weight = (1.0 - rho * rho).max(0.0).sqrt();
    let first = points.first().map(|(x, y)| (weight, weight * x, weight * y));
    let rest =
        points.windows(2).map(|pair| (1.0 - rho, pair[1].0 - rho * pair[0].0, pair[1].1 - rho * pair[0].1));
    let fit = Regression::of(first.filter(|_| rho < 1.0).into_iter().chain(rest))?;
    let half_width = student(confidence, fit.freedom) * fit.error;
    Some(Slope { estimate: fit.slope, low: fit.slope - half_width, high: fit.slope + half_width })
}

/// Returns the upper end of the interval for the autocorrelation of a line's errors at neighbouring points. It is 1 if
/// the autocorrelation may be 1.
fn autocorrelation(errors: &[f64]) -> f64 {
    let n = errors.len() as f64;
    let squares: f64 = errors.iter().rev().skip(1).map(|error| error * error).sum();
    let products: f64 = errors.windows(2).map(|pair| pair[0] * pair[1]).sum();
    if squares <= 0.0 {
        return 0.0;
    }
    let estimate = products / squares;
    let rest: f64 = errors.windows(2).map(|pair| (pair[1] - estimate * pair[0]).powi(2)).sum();
    let error = (rest / (n - 2.0) / squares).sqrt();
    let upper = estimate + (1.0 + 3.0 * estimate) / (n - 1.0) + UPPER * error;
    if upper > 1.0 - 1.0 / n.sqrt() { 1.0 } else { upper.max(0.0) }
}

/// An ordinary least-squares regression of y on a constant and x.
struct Regression {
    intercept: f64,
    slope: f64,
    /// The standard error of the slope.
    error: f64,
    /// The degrees of freedom of the slope's standard error.
    freedom: f64,
}

impl Regression {
    /// Computes a regression over rows of (constant, x, y). Constants of 0 in all rows give a regression without a
    /// constant.
    fn of(rows: impl Iterator<Item = (f64, f64, f64)> + Clone) -> Option<Self> {
        let (mut cc, mut cx, mut xx, mut cy, mut xy, mut n) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (c, x, y) in rows.clone() {
            (cc, cx, xx) = (cc + c * c, cx + c * x, xx + x * x);
            (cy, xy, n) = (cy + c * y, xy + x * y, n + 1.0);
        }
        let has_constant = cc > 0.0;
        let (determinant, parameters) = if has_constant { (cc * xx - cx * cx, 2.0) } else { (xx, 1.0) };
        let freedom = n - parameters;
        if determinant <= 0.0 || freedom < 1.0 {
            return None;
        }
        let (intercept, slope, variance) = if has_constant {
            ((xx * cy - cx * xy) / determinant, (cc * xy - cx * cy) / determinant, cc / determinant)
        } else {
            (0.0, xy / xx, 1.0 / xx)
        };
        let squares: f64 = rows.map(|(c, x, y)| (y - intercept * c - slope * x).powi(2)).sum();
        Some(Self { intercept, slope, error: (squares / freedom * variance).sqrt(), freedom })
    }
}

/// Returns the two-sided quantile of Student's t by its expansion around the normal quantile. The error at 14 degrees
/// of freedom, the fewest here, is 0.1 % for 95 % and 0.2 % for 99 %.
fn student(confidence: f64, freedom: f64) -> f64 {
    let z = normal(confidence);
    let first = (z * z * z + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + first / freedom + second / (freedom * freedom)
}

/// Returns the two-sided quantile of the normal distribution, with an error of at most 0.00045.
fn normal(confidence: f64) -> f64 {
    let t = (-2.0 * ((1.0 - confidence) / 2.0).ln()).sqrt();
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    t - numerator / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Simulation;

    /// The kind of noise in a series.
    #[derive(Clone, Copy, Debug)]
    enum Noise {
        /// Autoregressive noise with the given autocorrelation; 0 is white noise.
        Autoregressive(f64),
        RandomWalk,
        /// Noise with an autocorrelation of 0.95, plus white noise of the same variance.
        SlowBelowWhite,
    }

    /// Returns `n` points of a line with a slope of 0.5, with noise.
    fn series(simulation: &mut Simulation, n: usize, noise: Noise) -> Vec<(f64, f64)> {
        let (rho, scale, white) = match noise {
            Noise::Autoregressive(rho) => (rho, (1.0 - rho * rho).sqrt(), 0.0),
            Noise::RandomWalk => (1.0, 1.0, 0.0),
            Noise::SlowBelowWhite => (0.95, (1.0_f64 - 0.95 * 0.95).sqrt(), 1.0),
        };
        let mut error = simulation.normal();
        let mut point = |i: usize| {
            error = rho * error + scale * simulation.normal();
            (i as f64, 0.5 * i as f64 + error + white * simulation.normal())
        };
        (0..n).map(&mut point).collect()
    }

    /// Returns the share of 1,000 series whose interval holds the true slope, in percent.
    fn coverage(n: usize, noise: Noise, confidence: f64) -> f64 {
        let mut simulation = Simulation::new(7);
        let held = (0..1000).filter(|_| {
            let slope = trend(&series(&mut simulation, n, noise), confidence).unwrap();
            slope.low <= 0.5 && 0.5 <= slope.high
        });
        held.count() as f64 / 10.0
    }

    const NOISES: [Noise; 5] = [
        Noise::Autoregressive(0.0),
        Noise::Autoregressive(0.5),
        Noise::Autoregressive(0.9),
        Noise::Autoregressive(0.98),
        Noise::RandomWalk,
    ];

    #[test]
    fn the_interval_holds_the_true_slope_whatever_the_autocorrelation() {
        for n in [48, 192] {
            for noise in NOISES {
                let found = [0.95, 0.99].map(|confidence| coverage(n, noise, confidence));
                assert!(found[0] >= 93.0 && found[1] >= 96.5, "{n} points, {noise:?}: {found:?} %");
            }
        }
        let found = coverage(192, Noise::SlowBelowWhite, 0.95);
        assert!(found >= 93.0, "two time scales: {found} %");
    }

    #[test]
    fn the_interval_of_white_noise_is_less_than_twice_as_wide_as_the_best() {
        let mut simulation = Simulation::new(3);
        let n = 96_u32;
        let widths: f64 = (0..200)
            .map(|_| trend(&series(&mut simulation, 96, Noise::Autoregressive(0.0)), 0.95).unwrap())
            .map(|slope| (slope.high - slope.low) / 2.0)
            .sum();
        let best = 1.96 * (12.0 / f64::from(n).powi(3)).sqrt();
        assert!(widths / 200.0 < 2.0 * best, "{} of {best}", widths / 200.0);
    }

    #[test]
    fn a_line_without_noise_has_its_slope_exactly() {
        let points: Vec<(f64, f64)> = (0..64).map(|x| (f64::from(x), 1e9 + 3.0 * f64::from(x))).collect();
        let slope = trend(&points, 0.99).unwrap();
        assert!((slope.estimate - 3.0).abs() < 1e-9 && slope.high - slope.low < 1e-6, "{slope:?}");
        let flat: Vec<(f64, f64)> = (0..64).map(|x| (f64::from(x), 7.0)).collect();
        assert_eq!(trend(&flat, 0.99), Some(Slope { estimate: 0.0, low: 0.0, high: 0.0 }));
    }

    #[test]
    fn a_step_alone_is_no_significant_slope() {
        for at in [20, 32, 50] {
            let points: Vec<(f64, f64)> =
                (0..64).map(|x| (f64::from(x), f64::from(u8::from(x >= at)))).collect();
            let slope = trend(&points, 0.95).unwrap();
            assert!(slope.low < 0.0 && slope.high > 0.0, "a step at {at}: {slope:?}");
        }
    }

    #[test]
    fn too_few_points_or_one_x_have_no_slope() {
        let line = |n: u32| (0..n).map(|x| (f64::from(x), f64::from(x))).collect::<Vec<_>>();
        assert_eq!([0, 15, 16].map(|n| trend(&line(n), 0.95).is_some()), [false, false, true]);
        assert_eq!(trend(&[(1.0, 2.0); 40], 0.95), None);
        assert_eq!([0.0, 1.0, f64::NAN].map(|confidence| trend(&line(20), confidence)), [None; 3]);
    }

    #[test]
    fn quantiles_are_those_of_tables() {
        for (confidence, freedom, expected) in
            [(0.95, 14.0, 2.1448), (0.99, 14.0, 2.9768), (0.95, 60.0, 2.0003), (0.99, 60.0, 2.6603)]
        {
            let found = student(confidence, freedom);
            assert!((found / expected - 1.0).abs() < 0.002, "{found} instead of {expected}");
        }
    }
}
