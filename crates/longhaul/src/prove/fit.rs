//! A straight line through memory against body bytes, and how sure its slope is.

use crate::report::median;

/// A slope and the interval that holds the true one in 95 of 100 cases, in y per x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slope {
    pub(crate) estimate: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The normal quantile of a two-sided interval of 95 %.
const Z: f64 = 1.959_964;

/// Fits by Theil and Sen: the median of the slopes between all pairs of points, which a third of wild points
/// does not move. The interval is Sen's, from the variance of Kendall's statistic with ties in x (Sen 1968,
/// "Estimates of the regression coefficient based on Kendall's tau"). `None` if there are too few points for
/// one: fewer than 6, or few sizes among them.
pub(crate) fn fit(points: &[(f64, f64)]) -> Option<Slope> {
    let mut slopes = pair_slopes(points);
    slopes.sort_by(f64::total_cmp);
    let (pairs, half_width) = (slopes.len() as f64, Z * kendall_variance(points).sqrt());
    let below = (pairs - half_width) / 2.0;
    if below < 1.0 {
        return None;
    }
    let at = |rank: f64| slopes.get(rank as usize).copied();
    Some(Slope {
        estimate: median(slopes.iter().copied())?,
        low: at(below.floor() - 1.0)?,
        high: at((pairs - below).ceil())?,
    })
}

/// The slopes between all pairs of points that have not the same x.
fn pair_slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let pairs = points.iter().enumerate().flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (a, b)));
    pairs.filter(|(a, b)| a.0 != b.0).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect()
}

/// The variance of Kendall's S where only x has ties.
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

    #[test]
    fn a_line_is_found_whatever_a_wild_point_says() {
        let mut points: Vec<_> = (0..12).map(|x| (f64::from(x), 3.0 * f64::from(x) + 1.0)).collect();
        points[7].1 = 1000.0;
        let slope = fit(&points).unwrap();
        assert!((slope.estimate - 3.0).abs() < 1e-9 && slope.low <= 3.0 && slope.high >= 3.0, "{slope:?}");
    }

    #[test]
    fn too_few_points_have_no_interval() {
        assert_eq!(fit(&[]), None);
        assert_eq!(fit(&[(1.0, 1.0), (2.0, 2.0)]), None);
        let two_by_two = [(1.0, 1.0), (1.0, 1.1), (4.0, 1.0), (4.0, 1.1)];
        assert_eq!(fit(&two_by_two), None);
        let same_x = [(1.0, 1.0); 20];
        assert_eq!(fit(&same_x), None);
    }

    #[test]
    fn the_interval_lies_between_the_ranks_that_kendalls_variance_names() {
        // Seven points without ties: 21 slopes, a variance of 7 x 6 x 19 / 18 = 44.3, and so the third slope
        // from below and the third from above.
        let t = [1.0, 2.0, 3.0, 4.0, 10.0, 12.0, 18.0];
        let x = [9.0, 15.0, 19.0, 20.0, 45.0, 55.0, 78.0];
        let points: Vec<_> = t.into_iter().zip(x).collect();
        let mut slopes = pair_slopes(&points);
        slopes.sort_by(f64::total_cmp);
        let expected = Slope { estimate: 4.0, low: slopes[2], high: slopes[18] };
        assert_eq!((slopes.len(), fit(&points)), (21, Some(expected)));
    }
}
