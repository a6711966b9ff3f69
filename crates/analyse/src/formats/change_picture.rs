//! The picture of one change: its interval beside the threshold, on a logarithmic scale.

use crate::{Change, MetricChange};

/// The size of a picture of an interval, in pixels.
const PICTURE: (f64, f64) = (200.0, 18.0);

/// The largest change that pictures show: a factor of two. Longer intervals are cut off, with an arrow at the edge.
const LARGEST: f64 = std::f64::consts::LN_2;

/// Returns the change at the edges of all pictures, as a logarithm.
pub(super) fn scale<'a>(changes: impl Iterator<Item = (&'a MetricChange, f64)>) -> f64 {
    let ends = changes.flat_map(|(change, threshold)| {
        let interval = change.ratio.interval.map(|interval| [interval.low, interval.high]);
        let ends = interval.unwrap_or([change.ratio.estimate; 2]).map(|ratio| ratio.ln().abs());
        ends.into_iter().chain([1.5 * threshold.ln_1p()])
    });
    ends.filter(|end| end.is_finite()).fold(0.02, f64::max).min(LARGEST) * 1.1
}

/// Returns the interval of a change as an SVG picture. The threshold is a band around the line of no change.
pub(super) fn picture(change: &MetricChange, threshold: f64, scale: f64) -> String {
    let (width, height) = PICTURE;
    let middle = height / 2.0;
    let place = |ratio: f64| {
        let place = width / 2.0 * (1.0 + ratio.ln() / scale);
        if place.is_finite() { place.clamp(5.0, width - 5.0) } else { width / 2.0 }
    };
    let (from, to) = (place(1.0 - threshold), place(1.0 + threshold));
    let (estimate, class) = (place(change.ratio.estimate), class(change.change));
    let interval = change.ratio.interval.map_or_else(String::new, |interval| {
        let (low, high) = (place(interval.low), place(interval.high));
        let arrow = |is_cut: bool, tip: f64, end: f64| match is_cut {
            true => format!("M{end} {}L{tip} {middle}L{end} {}", middle - 4.0, middle + 4.0),
            false => String::new(),
        };
        let to_low = arrow(interval.low.ln() < -scale, 1.0, 7.0);
        let to_high = arrow(interval.high.ln() > scale, width - 1.0, width - 7.0);
        format!("<path class=\"{class}\" d=\"M{low:.1} {middle}H{high:.1}{to_low}{to_high}\"/>")
    });
    format!(
        "<svg class=\"change\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\">\
         <rect x=\"{from:.1}\" width=\"{:.1}\" height=\"{height}\"/><path class=\"none\" d=\"M{:.1} 0V{height}\"/>\
         {interval}<circle class=\"{class}\" cx=\"{estimate:.1}\" cy=\"{middle}\" r=\"3.5\"/></svg>",
        to - from,
        width / 2.0,
    )
}

fn class(change: Change) -> &'static str {
    match change {
        Change::Worse => "worse",
        Change::Better => "better",
        Change::Same | Change::Unclear | Change::Incomparable => "neither",
    }
}

#[cfg(test)]
mod tests {
    use stats::Interval;

    use super::*;
    use crate::{
        Comparison, Thresholds,
        tests::{STEADY, runs},
    };

    #[test]
    fn an_interval_beyond_the_edge_of_its_picture_ends_in_an_arrow() {
        let comparison = Comparison::of(&runs("h2", &STEADY), &runs("h2", &STEADY), &Thresholds::default());
        let mut change = comparison.cases[0].changes[0].clone();
        let arrows = |change: &MetricChange| picture(change, 0.05, 0.5_f64).matches('L').count() / 2;
        let mut among = |low, high| {
            change.ratio.interval = Some(Interval { low, high });
            arrows(&change)
        };
        assert_eq!([among(0.7, 1.6), among(0.5, 1.6), among(0.5, 2.0)], [0, 1, 2]);
    }
}
