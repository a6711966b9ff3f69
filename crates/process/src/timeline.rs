//! The memory of a process during a transfer, in a bounded number of points.

use std::time::Duration;

use record::TimelinePoint;

use crate::Memory;

/// A series of memory samples in at most 256 points. Whenever the series is full, it drops every second point and
/// doubles the distance between further points.
#[derive(Debug)]
pub struct Timeline {
    points: Vec<TimelinePoint>,
    /// The distance between points; zero until the series is full for the first time.
    step: Duration,
    /// The time since the start of the transfer at which the next point is due.
    due: Duration,
    peak_rss: Option<u64>,
    peak_anon: Option<u64>,
}

impl Default for Timeline {
    /// Creates an empty timeline. All points are allocated in advance, so that the timeline does not grow the heap that
    /// is measured at the same time.
    fn default() -> Self {
        let points = Vec::with_capacity(Self::CAPACITY);
        Self { points, step: Duration::ZERO, due: Duration::ZERO, peak_rss: None, peak_anon: None }
    }
}

impl Timeline {
    /// The largest number of points in a timeline.
    pub const CAPACITY: usize = 256;

    /// The most memory that the points take, in bytes.
    pub const FOOTPRINT: u64 = (Self::CAPACITY * size_of::<TimelinePoint>()) as u64;

    /// Adds a sample, taken `at` this time after the start of the transfer. The sample becomes a point if one is due.
    /// The peaks include every sample.
    pub fn sample(&mut self, at: Duration, memory: Memory, body_bytes: u64) {
        self.raise_peaks(memory);
        if at >= self.due {
            self.push(point(at, memory, body_bytes));
            self.due = self.due.max(at.saturating_sub(self.step)) + self.step;
        }
    }

    /// Adds the last sample of the transfer, which always becomes a point.
    pub fn finish(&mut self, at: Duration, memory: Memory, body_bytes: u64) {
        self.raise_peaks(memory);
        self.push(point(at, memory, body_bytes));
    }

    fn raise_peaks(&mut self, memory: Memory) {
        self.peak_rss = self.peak_rss.max(Some(memory.rss_bytes));
        self.peak_anon = self.peak_anon.max(Some(memory.anon_bytes));
    }

    fn push(&mut self, point: TimelinePoint) {
        if self.points.len() == Self::CAPACITY {
            let step = Duration::try_from_secs_f64(2.0 * point.seconds / Self::CAPACITY as f64);
            self.step = step.unwrap_or(self.step);
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        self.points.push(point);
    }

    /// Returns the present distance between points. Samples at a shorter distance only count for the peaks.
    pub fn step(&self) -> Duration {
        self.step
    }

    /// Returns the most resident memory in any sample, in bytes; `None` without a sample.
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        self.peak_rss
    }

    /// Returns the most anonymous memory in any sample, in bytes; `None` without a sample.
    pub fn peak_anon_bytes(&self) -> Option<u64> {
        self.peak_anon
    }

    /// Returns the points, in order of time.
    pub fn points(&self) -> &[TimelinePoint] {
        &self.points
    }
}

fn point(at: Duration, memory: Memory, body_bytes: u64) -> TimelinePoint {
    let Memory { rss_bytes, anon_bytes, .. } = memory;
    TimelinePoint { seconds: at.as_secs_f64(), rss_bytes, anon_bytes, body_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(bytes: u64) -> Memory {
        let mut memory = Memory::default();
        (memory.rss_bytes, memory.anon_bytes) = (bytes, bytes);
        memory
    }

    fn series(samples: u64) -> Timeline {
        let mut timeline = Timeline::default();
        for i in 0..samples {
            timeline.sample(Duration::from_millis(i), memory(i), i);
        }
        timeline
    }

    #[test]
    fn a_timeline_never_exceeds_its_capacity_and_keeps_its_order() {
        for samples in [1, 256, 257, 100_000] {
            let timeline = series(samples);
            assert!(timeline.points().len() <= Timeline::CAPACITY);
            assert!(timeline.points().is_sorted_by_key(|point| point.body_bytes));
        }
    }

    #[test]
    fn a_timeline_takes_no_more_memory_than_its_footprint() {
        let mut timeline = series(100_000);
        timeline.finish(Duration::from_secs(200), memory(1), 0);
        let taken = timeline.points.capacity() * size_of::<TimelinePoint>();
        assert!(taken as u64 <= Timeline::FOOTPRINT, "{taken} bytes");
    }

    #[test]
    fn points_stay_evenly_spaced_from_the_first() {
        let timeline = series(100_000);
        assert!(timeline.points().len() >= Timeline::CAPACITY / 2);
        let distance = |pair: &[TimelinePoint]| pair[1].body_bytes - pair[0].body_bytes;
        let steps: Vec<u64> = timeline.points().windows(2).map(distance).collect();
        let (least, most) = (steps.iter().min().unwrap(), steps.iter().max().unwrap());
        assert!(most - least <= most / 10, "{steps:?}");
        assert_eq!(timeline.step().as_millis().div_ceil(10), u128::from(*most).div_ceil(10));
    }

    #[test]
    fn the_last_sample_and_the_peak_survive_the_thinning() {
        let mut timeline = series(1001);
        timeline.finish(Duration::from_secs(2), memory(1), 5000);
        assert_eq!(timeline.points().last().map(|point| point.body_bytes), Some(5000));
        assert_eq!((timeline.peak_rss_bytes(), timeline.peak_anon_bytes()), (Some(1000), Some(1000)));
    }
}
