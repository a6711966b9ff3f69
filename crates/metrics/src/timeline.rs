//! Memory over time, in at most 256 points however long the transfer.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::process::Memory;

/// The most points a timeline holds.
const CAPACITY: usize = 256;

/// One point: seconds since the transfer began, RSS, anonymous RSS, body bytes passed so far (all in bytes).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point(pub f64, pub u64, pub u64, pub u64);

/// A series that drops every second point, and from then on takes half as many, whenever it is full.
#[derive(Debug, Default)]
pub struct Timeline {
    points: Vec<Point>,
    /// How far apart points are; zero until the series was full for the first time.
    step: Duration,
    /// When the next point is due.
    due: Duration,
    peak_anon: Option<u64>,
}

impl Timeline {
    /// What its points take at most, in bytes.
    pub(crate) const FOOTPRINT: u64 = (CAPACITY * size_of::<Point>()) as u64;

    /// Takes a sample in; it becomes a point if one is due, and counts for the peak in any case.
    pub fn sample(&mut self, at: Duration, memory: Memory, body_bytes: u64) {
        self.peak_anon = self.peak_anon.max(Some(memory.anon_bytes));
        if at >= self.due {
            self.push(Point(at.as_secs_f64(), memory.rss_bytes, memory.anon_bytes, body_bytes));
            self.due = self.due.max(at.saturating_sub(self.step)) + self.step;
        }
    }

    /// Takes the last sample in, which is always a point.
    pub fn finish(&mut self, at: Duration, memory: Memory, body_bytes: u64) {
        self.peak_anon = self.peak_anon.max(Some(memory.anon_bytes));
        self.push(Point(at.as_secs_f64(), memory.rss_bytes, memory.anon_bytes, body_bytes));
    }

    fn push(&mut self, point: Point) {
        if self.points.len() == CAPACITY {
            self.step = Duration::try_from_secs_f64(2.0 * point.0 / CAPACITY as f64).unwrap_or(self.step);
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        self.points.push(point);
    }

    /// How far apart points are by now: sampling more often only serves the peak.
    pub fn step(&self) -> Duration {
        self.step
    }

    /// The most anonymous memory of any sample, in bytes.
    pub fn peak_anon_bytes(&self) -> Option<u64> {
        self.peak_anon
    }

    /// The points, in order of time.
    pub fn points(&self) -> &[Point] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(samples: u64) -> Timeline {
        let mut timeline = Timeline::default();
        for i in 0..samples {
            let memory = Memory { rss_bytes: i, anon_bytes: i };
            timeline.sample(Duration::from_millis(i), memory, i);
        }
        timeline
    }

    #[test]
    fn it_never_exceeds_its_capacity_and_keeps_its_order() {
        for samples in [1, 256, 257, 100_000] {
            let timeline = series(samples);
            assert!(timeline.points().len() <= CAPACITY);
            assert!(timeline.points().is_sorted_by_key(|point| point.3));
        }
    }

    #[test]
    fn points_stay_evenly_spaced_from_the_first() {
        let timeline = series(100_000);
        assert!(timeline.points().len() >= CAPACITY / 2);
        let steps: Vec<u64> = timeline.points().windows(2).map(|pair| pair[1].3 - pair[0].3).collect();
        let (least, most) = (steps.iter().min().unwrap(), steps.iter().max().unwrap());
        assert!(most - least <= most / 10, "{steps:?}");
        assert_eq!(timeline.step().as_millis().div_ceil(10), u128::from(*most).div_ceil(10));
    }

    #[test]
    fn the_last_sample_and_the_peak_are_never_thinned_out() {
        let mut timeline = series(1001);
        timeline.finish(Duration::from_secs(2), Memory { rss_bytes: 1, anon_bytes: 1 }, 5000);
        assert_eq!(timeline.points().last().map(|point| point.3), Some(5000));
        assert_eq!(timeline.peak_anon_bytes(), Some(1000));
    }
}
