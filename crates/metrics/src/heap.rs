//! Live heap over body offsets, in a bounded number of points.

use process::{Heap, heap};
use record::HeapPoint;

/// The distance of points at first, in bytes of body.
const FIRST_STEP: u64 = 1 << 20;

/// The most points at multiples of the distance. With 256, points of bodies up to 16 GiB are 64 MiB apart or closer.
const MULTIPLES: usize = 256;

/// Powers of two below 2^64, at each of which there is a point as well.
const POWERS: usize = 64;

/// The most points of a timeline.
pub(crate) const CAPACITY: usize = MULTIPLES + POWERS;

/// The live heap of a process at body offsets that are powers of two or multiples of a distance. Whenever there are 256
/// multiples, every second one is dropped, and the distance doubles.
///
/// All points are allocated in advance, so that the timeline itself does not grow the heap that it shows.
#[derive(Debug)]
pub(crate) struct HeapTimeline {
    /// Each point after the offset that was due.
    points: Vec<(u64, HeapPoint)>,
    multiples: usize,
    step: u64,
    due: u64,
}

impl HeapTimeline {
    /// The most memory that the points take, in bytes.
    pub(crate) const FOOTPRINT: u64 = (CAPACITY * size_of::<(u64, HeapPoint)>()) as u64;

    /// An empty timeline, or `None` if the heap of this process is not counted.
    pub(crate) fn of_this_process() -> Option<Self> {
        heap().map(|_| Self::new())
    }

    fn new() -> Self {
        Self { points: Vec::with_capacity(CAPACITY), multiples: 0, step: FIRST_STEP, due: 1 }
    }

    /// The body offset at which the next point is due.
    pub(crate) fn due(&self) -> u64 {
        self.due
    }

    /// Takes a point if `body_bytes` have reached the offset that was due.
    pub(crate) fn pass(&mut self, body_bytes: u64) {
        if body_bytes >= self.due {
            if let Some(heap) = heap() {
                self.push(body_bytes, heap);
            }
            self.due = self.after(body_bytes);
        }
    }

    fn push(&mut self, body_bytes: u64, heap: Heap) {
        if self.multiples >= MULTIPLES {
            self.step = self.step.saturating_mul(2);
            let step = self.step;
            self.points.retain(|(due, _)| due.is_power_of_two() || due.is_multiple_of(step));
            self.multiples = self.points.iter().filter(|(due, _)| due.is_multiple_of(step)).count();
        }
        if self.points.len() < CAPACITY {
            let Heap { bytes, allocations, c_bytes } = heap;
            self.points.push((self.due, HeapPoint { body_bytes, bytes, allocations, c_bytes }));
            self.multiples += usize::from(self.due.is_multiple_of(self.step));
        }
    }

    /// The first offset after `body_bytes` that is a power of two or a multiple of the distance.
    fn after(&self, body_bytes: u64) -> u64 {
        let power = body_bytes.saturating_add(1).checked_next_power_of_two().unwrap_or(u64::MAX);
        power.min((body_bytes / self.step + 1).saturating_mul(self.step))
    }

    /// The points, in order of body offsets.
    pub(crate) fn points(&self) -> Vec<HeapPoint> {
        self.points.iter().map(|(_, point)| *point).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The timeline of a body in pieces, in a process whose heap takes a byte per MiB of body.
    fn timeline(body: u64, piece: u64) -> HeapTimeline {
        let mut timeline = HeapTimeline::new();
        let mut passed = 0;
        while passed < body {
            passed += piece;
            if passed >= timeline.due() {
                timeline.push(passed, Heap { bytes: passed >> 20, allocations: 1, c_bytes: Some(2) });
                timeline.due = timeline.after(passed);
            }
        }
        timeline
    }

    #[test]
    fn there_is_a_point_at_each_power_of_two_and_at_least_every_64_mib() {
        for body in [256 << 20, 1 << 30, 4 << 30, 16_u64 << 30] {
            let timeline = timeline(body, 64 << 10);
            let offsets: Vec<u64> = timeline.points().iter().map(|point| point.body_bytes).collect();
            assert!(offsets.is_sorted() && offsets.len() <= CAPACITY, "{offsets:?}");
            let powers = (16..=34).map(|k| 1 << k).filter(|power| *power <= body);
            powers.for_each(|power| assert!(offsets.contains(&power), "{power} of {body}"));
            for multiple in (1..=body >> 26).map(|i| i << 26) {
                assert!(offsets.contains(&multiple), "{multiple} of {body}: {offsets:?}");
            }
        }
    }

    #[test]
    fn points_of_a_long_body_are_evenly_spaced_and_no_more_than_their_capacity() {
        let timeline = timeline(1 << 40, 1 << 20);
        assert!(timeline.points.len() <= CAPACITY && timeline.points.capacity() == CAPACITY);
        let multiples = timeline.points.iter().filter(|(due, _)| due.is_multiple_of(timeline.step)).count();
        assert!((MULTIPLES / 2..=MULTIPLES).contains(&multiples), "{multiples}");
        assert_eq!(timeline.points().last().unwrap().body_bytes, 1 << 40);
    }

    #[test]
    fn a_piece_that_passes_several_offsets_makes_one_point() {
        let timeline = timeline(1 << 30, 48 << 20);
        assert_eq!(timeline.points().len(), 22);
        assert_eq!(timeline.points()[1].body_bytes, 96 << 20);
    }

    #[test]
    fn a_process_whose_heap_is_not_counted_has_no_timeline() {
        assert!(HeapTimeline::of_this_process().is_none());
    }
}
