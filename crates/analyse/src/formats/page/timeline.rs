//! The samples of timelines, thinned and rounded so that a page of many cases stays small.

use record::TimelinePoint;

/// One sample: seconds, then RSS, anonymous RSS and body bytes in KiB.
pub(super) type Sample = (f64, u64, u64, u64);

/// The samples of all timelines of a page together: about 250 KB.
const ALL: usize = 10_000;

/// The most samples of one timeline. A chart is about eight pixels wide per sample.
const MOST: usize = 96;

/// The fewest samples of one timeline that still show its shape.
const FEWEST: usize = 16;

/// Returns the greatest number of samples of each of `timelines` timelines.
pub(super) fn samples(timelines: usize) -> usize {
    (ALL / timelines.max(1)).clamp(FEWEST, MOST)
}

/// Returns at most `samples` samples: the first, the last, and the one with the highest RSS of each stretch between
/// them. No peak is lost.
pub(super) fn thinned(timeline: &[TimelinePoint], samples: usize) -> Vec<Sample> {
    let [first, between @ .., last] = timeline else {
        return timeline.iter().map(sample).collect();
    };
    let stretch = between.len().div_ceil(samples.saturating_sub(2).max(1)).max(1);
    let highest =
        between.chunks(stretch).filter_map(|stretch| stretch.iter().max_by_key(|point| point.rss_bytes));
    [first].into_iter().chain(highest).chain([last]).map(sample).collect()
}

fn sample(point: &TimelinePoint) -> Sample {
    let kib = |bytes: u64| bytes / 1024;
    let seconds = (point.seconds * 1e4).round() / 1e4;
    (seconds, kib(point.rss_bytes), kib(point.anon_bytes), kib(point.body_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_timeline_keeps_its_ends_and_its_peak() {
        let point = |at: u32| -> TimelinePoint {
            let rss = if at == 700 { 99 << 20 } else { 10 << 20 };
            (f64::from(at) / 1e3, rss, 1 << 20, u64::from(at) << 20).into()
        };
        let timeline: Vec<TimelinePoint> = (0..1001).map(point).collect();
        let thin = thinned(&timeline, 32);
        assert!(thin.len() <= 32 && thin.len() > 16, "{}", thin.len());
        assert_eq!((thin[0].0, thin[thin.len() - 1]), (0.0, (1.0, 10 << 10, 1 << 10, 1000 << 10)));
        assert!(thin.contains(&(0.7, 99 << 10, 1 << 10, 700 << 10)), "{thin:?}");
        assert!(thin.windows(2).all(|pair| pair[0].0 < pair[1].0), "{thin:?}");
        assert_eq!(thinned(&timeline[..5], 32).len(), 5);
        assert_eq!((thinned(&timeline[..1], 32).len(), thinned(&[], 32).len()), (1, 0));
    }

    #[test]
    fn more_timelines_have_fewer_samples_each() {
        assert_eq!((samples(0), samples(40), samples(500), samples(100_000)), (MOST, MOST, 20, FEWEST));
    }
}
