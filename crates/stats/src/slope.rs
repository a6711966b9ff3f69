//! The slope of a straight line through points, and its interval.

use std::borrow::Cow;

use crate::median::middle;

/// A slope and its interval, in units of y per unit of x. The interval holds the true slope with the confidence of the
/// function that computed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// The slope of the fitted line.
    pub estimate: f64,
    /// The lower end of the slope's interval.
    pub low: f64,
    /// The upper end of the slope's interval.
    pub high: f64,
}

/// The normal quantile of a two-sided interval of 95 %.
const Z_95: f64 = 1.959_964;

/// Fits a line to `points` of (x, y) by the estimator of Theil and Sen: the median of the slopes between all pairs of
/// points with different x. Outliers cannot move the slope far while fewer than 29 % of the points are outliers,
/// because most pairs then contain no outlier.
///
/// The interval of about 95 % is Sen's. Sen's interval uses the normal approximation of Kendall's statistic, and the
/// variance of that statistic with ties in x. Errors in y must be independent and identically distributed.
///
/// Coordinates must be finite; slopes are ordered by [`f64::total_cmp`]. `None` if there are too few points for an
/// interval: fewer than 6, or more with too few different x. Of more than 2,048 points, 2,048 are taken, evenly by
/// their ranks in x. The slopes of all n (n - 1) / 2 pairs are in memory at once: 8 bytes each, and at most 16 MiB.
///
/// Sources: Theil 1950, "A rank-invariant method of linear and polynomial regression analysis", Proceedings of the
/// Royal Netherlands Academy of Sciences 53, pages 386–392, 521–525 and 1397–1412; Sen 1968, "Estimates of the
/// regression coefficient based on Kendall's tau", Journal of the American Statistical Association 63(324),
/// 1379–1389.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<Slope> {
    fit(&thinned(points), Z_95)
}

/// The largest number of points whose pairs [`theil_sen`] examines. The slopes of these pairs take 16 MiB. So many
/// points reveal a rise over the whole range of x that is 0.15 times the scatter in y: 1.96 √(12 / 2,048).
const MOST_POINTS: usize = 2048;

/// Returns at most [`MOST_POINTS`] of `points`, evenly by their ranks in x, since their original order may be periodic.
fn thinned(points: &[(f64, f64)]) -> Cow<'_, [(f64, f64)]> {
    let all = points.len();
    if all <= MOST_POINTS {
        return Cow::Borrowed(points);
    }
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let place = |index: usize| (index as u128 * all as u128 / MOST_POINTS as u128) as usize;
    (0..MOST_POINTS).filter_map(|index| sorted.get(place(index)).copied()).collect()
}

/// Fits a line whose interval reaches `z` standard deviations of Kendall's statistic to either side.
fn fit(points: &[(f64, f64)], z: f64) -> Option<Slope> {
    let slopes = pair_slopes(points);
    let (pairs, half_width) = (slopes.len() as f64, z * kendall_variance(points).sqrt());
    let below = (pairs - half_width) / 2.0;
    if below < 1.0 {
        return None;
    }
    // Ranks are rounded outwards, which makes the interval wider.
    let at = |rank: f64| slopes.get(rank as usize).copied();
    Some(Slope {
        estimate: middle(&slopes)?,
        low: at(below.floor() - 1.0)?,
        high: at((pairs - below).ceil())?,
    })
}

/// Returns the slopes between all pairs of points with different x, in ascending order.
fn pair_slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let pairs = points.iter().enumerate().flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (a, b)));
    let mut slopes: Vec<f64> =
        pairs.filter(|(a, b)| a.0 != b.0).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
    slopes.sort_by(f64::total_cmp);
    slopes
}

/// Returns the variance of Kendall's statistic S with ties in x and none in y.
fn kendall_variance(points: &[(f64, f64)]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut xs: Vec<f64> = points.iter().map(|point| point.0).collect();
    xs.sort_by(f64::total_cmp);
    let ties: f64 = xs.chunk_by(|a, b| a == b).map(|tied| term(tied.len() as f64)).sum();
    (term(points.len() as f64) - ties) / 18.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Simulation;

    /// The points of the example in Sen 1968.
    const SEN: [(f64, f64); 7] =
        [(1.0, 9.0), (2.0, 15.0), (3.0, 19.0), (4.0, 20.0), (10.0, 45.0), (12.0, 55.0), (18.0, 78.0)];

    #[test]
    fn a_wild_point_does_not_move_the_slope() {
        let mut points: Vec<_> = (0..12).map(|x| (f64::from(x), 3.0 * f64::from(x) + 1.0)).collect();
        points[7].1 = 1000.0;
        let slope = theil_sen(&points).unwrap();
        assert!((slope.estimate - 3.0).abs() < 1e-9 && slope.low <= 3.0 && slope.high >= 3.0, "{slope:?}");
    }

    #[test]
    fn too_few_points_or_too_few_different_x_have_no_slope() {
        let line = |n: i32| (0..n).map(|x| (f64::from(x), f64::from(x))).collect::<Vec<_>>();
        assert_eq!(
            [0, 1, 2, 5, 6].map(|n| theil_sen(&line(n)).is_some()),
            [false, false, false, false, true]
        );
        assert_eq!(theil_sen(&[(1.0, 1.0), (1.0, 1.1), (4.0, 1.0), (4.0, 1.1)]), None);
        assert_eq!(theil_sen(&[(1.0, 1.0); 20]), None);
    }

    #[test]
    fn many_points_are_thinned_over_all_x_whatever_their_order() {
        // Three sizes alternate, so that every third point has the same size.
        let mut simulation = Simulation::new(9);
        let point = |i: u32| {
            let x = f64::from(i % 3);
            (x, 2.0 * x + simulation.normal())
        };
        let points: Vec<(f64, f64)> = (0..3 * 2048).map(point).collect();
        let kept = thinned(&points);
        assert_eq!(kept.len(), MOST_POINTS);
        for x in [0.0, 1.0, 2.0] {
            let of_x = kept.iter().filter(|point| point.0 == x).count();
            assert!((682..=683).contains(&of_x), "{of_x} of {x}");
        }
        let slope = theil_sen(&points).unwrap();
        assert!((slope.estimate - 2.0).abs() < 0.2 && slope.high - slope.low < 0.2, "{slope:?}");
        assert_eq!(thinned(&points[..2048]).as_ref(), &points[..2048], "few points stay as they are");
    }

    #[test]
    fn sens_example_has_the_published_slope_and_interval() {
        // Sen 1968 has the slope 4 and the interval from 3.71 to 4.38 at 93 %, whose normal quantile is 1.812.
        let Slope { estimate, low, high } = fit(&SEN, 1.812).unwrap();
        assert_eq!((estimate, (100.0 * low).round(), (100.0 * high).round()), (4.0, 371.0, 438.0));
    }

    #[test]
    fn the_interval_lies_between_the_ranks_that_kendalls_variance_gives() {
        // Seven points without ties have 21 slopes and a variance of 7 × 6 × 19 / 18 = 44.3. At 95 % the ends are
        // the third slope from below and the third from above.
        let slopes = pair_slopes(&SEN);
        let expected = Slope { estimate: 4.0, low: slopes[2], high: slopes[18] };
        assert_eq!((slopes.len(), theil_sen(&SEN)), (21, Some(expected)));
    }

    #[test]
    fn the_interval_of_the_fewest_points_reaches_from_the_least_slope_to_the_greatest() {
        // There are 14 slopes and a variance of (6 × 5 × 17 - 2 × 1 × 9) / 18 = 27.3: the ends have the ranks 1 and 14.
        let points = [(0.0, 0.0), (0.0, 1.0), (1.0, 3.0), (2.0, 3.0), (3.0, 7.0), (4.0, 8.0)];
        let slopes = pair_slopes(&points);
        let slope = theil_sen(&points).unwrap();
        assert_eq!((slopes.len(), slope.low, slope.high), (14, slopes[0], slopes[13]));
    }

    #[test]
    fn ties_in_x_lower_the_variance() {
        // The variance is 4 × 3 × 13 less twice 2 × 1 × 9, divided by 18.
        let points = [(1.0, 5.0), (1.0, 6.0), (2.0, 7.0), (2.0, 8.0)];
        assert!((kendall_variance(&points) - 120.0 / 18.0).abs() < 1e-12);
    }

    #[test]
    fn the_interval_holds_the_true_slope_about_as_often_as_it_says() {
        let mut simulation = Simulation::new(2);
        let held = (0..1000).filter(|_| {
            let points: Vec<_> =
                (0..12).map(|x| (f64::from(x), 2.0 * f64::from(x) + simulation.normal())).collect();
            let slope = theil_sen(&points).unwrap();
            slope.low <= 2.0 && slope.high >= 2.0
        });
        let held = held.count();
        assert!((930..=980).contains(&held), "{held} of 1000");
    }
}
