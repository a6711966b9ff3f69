//! The live heap over body offsets, in a bounded number of points.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use process::{Heap, heap, heap_bytes};
use record::HeapPoint;

/// The initial distance between evenly spaced points, in bytes of body.
const FIRST_STEP: u64 = 1 << 20;

/// The largest number of evenly spaced points. With 256, the points of bodies up to 16 GiB are at most 64 MiB apart.
const MULTIPLES: usize = 256;

/// The number of powers of two below 2^64. Each of them is an offset of a point, too.
const POWERS: usize = 64;

/// The largest number of points in a timeline.
pub(crate) const CAPACITY: usize = MULTIPLES + POWERS;

/// The live heap of a process at body offsets that are powers of two or multiples of a distance. Once there are 256
/// multiples, the timeline drops every second one and doubles the distance.
///
/// Each point states the least heap since the previous point. The least value excludes bytes that wait in a queue for a
/// moment, but includes leaked bytes. A value at one moment would scatter by the size of the windows of an HTTP/2 or
/// HTTP/3 receiver, and hide a leak of a tenth of that size.
///
/// All points are allocated in advance, so that the timeline itself does not grow the heap that it shows.
#[derive(Debug)]
pub(crate) struct HeapTimeline {
    /// The points, each with the body offset at which it was due.
    points: Vec<(u64, HeapPoint)>,
    multiples: usize,
    step: u64,
    due: u64,
    /// The least number of live bytes of Rust code since the last point.
    least: u64,
    /// The most bytes of the Rust heap and the C heap together so far. The Rust heap is read at every stamp, the C heap
    /// only at points.
    most: u64,
    c_bytes: u64,
}

impl HeapTimeline {
    /// The most memory that the points take, in bytes.
    pub(crate) const FOOTPRINT: u64 = (CAPACITY * size_of::<(u64, HeapPoint)>()) as u64;

    /// Creates an empty timeline; `None` if the heap of this process is not counted.
    pub(crate) fn of_this_process() -> Option<Self> {
        heap().map(|_| Self::new())
    }

    fn new() -> Self {
        let points = Vec::with_capacity(CAPACITY);
        Self { points, multiples: 0, step: FIRST_STEP, due: 1, least: u64::MAX, most: 0, c_bytes: 0 }
    }

    /// Returns the body offset at which the next point is due.
    pub(crate) fn due(&self) -> u64 {
        self.due
    }

    /// Reads the live heap of Rust code. Takes a point if the body has reached the offset that was due.
    pub(crate) fn pass(&mut self, body_bytes: u64) {
        if let Some(bytes) = heap_bytes() {
            self.observe(bytes);
        }
        if body_bytes >= self.due {
            if let Some(heap) = heap() {
                self.push(body_bytes, heap);
            }
            self.due = self.after(body_bytes);
        }
    }

    fn observe(&mut self, bytes: u64) {
        self.least = self.least.min(bytes);
        self.most = self.most.max(bytes.saturating_add(self.c_bytes));
    }

    fn push(&mut self, body_bytes: u64, heap: Heap) {
        self.c_bytes = heap.c_bytes.unwrap_or(0);
        self.observe(heap.bytes);
        if self.multiples >= MULTIPLES {
            self.thin_out();
        }
        if !self.is_kept(self.due) {
            // The next point takes this value.
            return;
        }
        if self.points.len() < CAPACITY {
            let Heap { allocations, c_bytes, .. } = heap;
            self.points.push((self.due, HeapPoint { body_bytes, bytes: self.least, allocations, c_bytes }));
            self.multiples += usize::from(self.due.is_multiple_of(self.step));
        }
        self.least = u64::MAX;
    }

    fn is_kept(&self, due: u64) -> bool {
        due.is_power_of_two() || due.is_multiple_of(self.step)
    }

    /// Drops every second evenly spaced point and doubles the distance. The least heap of a dropped point passes to the
    /// point after it.
    fn thin_out(&mut self) {
        self.step = self.step.saturating_mul(2);
        let (step, mut least) = (self.step, u64::MAX);
        self.points.retain_mut(|(due, point)| {
            least = least.min(point.bytes);
            let stays = due.is_power_of_two() || due.is_multiple_of(step);
            if stays {
                point.bytes = std::mem::replace(&mut least, u64::MAX);
            }
            stays
        });
        self.least = self.least.min(least);
        self.multiples = self.points.iter().filter(|(due, _)| due.is_multiple_of(step)).count();
    }

    /// Returns the first offset after `body_bytes` that is a power of two or a multiple of the distance.
    fn after(&self, body_bytes: u64) -> u64 {
        let power = body_bytes.saturating_add(1).checked_next_power_of_two().unwrap_or(u64::MAX);
        power.min((body_bytes / self.step + 1).saturating_mul(self.step))
    }

    /// Returns the most live heap so far, in bytes; `None` before the first point.
    pub(crate) fn most(&self) -> Option<u64> {
        self.points.first().map(|_| self.most)
    }

    /// Returns the points, in order of body offsets.
    pub(crate) fn points(&self) -> Vec<HeapPoint> {
        self.points.iter().map(|(_, point)| *point).collect()
    }
}

/// The heap timeline of an end with several threads, over the body bytes of all of them.
#[derive(Debug)]
pub(crate) struct SharedTimeline {
    /// The number of body bytes that all threads together have reported at their stamps.
    passed: AtomicU64,
    /// The number of body bytes, of all threads together, between two readings of the heap.
    step: u64,
    timeline: Mutex<HeapTimeline>,
}

impl SharedTimeline {
    /// Creates a timeline that reads the heap once in `step` bytes of all threads together; `None` if the heap of this
    /// process is not counted.
    pub(crate) fn of_this_process(step: u64) -> Option<Arc<Self>> {
        let timeline = HeapTimeline::of_this_process()?;
        Some(Arc::new(Self { passed: AtomicU64::new(0), step, timeline: Mutex::new(timeline) }))
    }

    /// Adds `bytes` body bytes of the calling thread, and reads the heap if a reading is due. The call never blocks: if
    /// another thread is reading the heap, this call leaves out its own reading.
    pub(crate) fn pass(&self, bytes: u64) {
        let before = self.passed.fetch_add(bytes, Relaxed);
        let passed = before.saturating_add(bytes);
        if before > 0 && before / self.step == passed / self.step {
            return;
        }
        if let Ok(mut timeline) = self.timeline.try_lock() {
            timeline.pass(passed);
        }
    }

    /// Locks the timeline, even if a panic has poisoned the lock.
    pub(crate) fn timeline(&self) -> MutexGuard<'_, HeapTimeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the timeline of `body` bytes in pieces of `piece` bytes, in a process whose heap grows by one byte per
    /// MiB of body.
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
    fn a_point_has_the_least_heap_since_the_previous_one_even_after_points_were_dropped() {
        let mut timeline = HeapTimeline::new();
        for mib in 1..=1024_u64 {
            // The heap is a queue that is empty once in 8 MiB, plus a leak of one byte per MiB.
            let bytes = 1000 * (mib % 8) + mib;
            timeline.observe(bytes);
            if mib << 20 >= timeline.due() {
                timeline.push(mib << 20, Heap { bytes, allocations: 1, c_bytes: Some(2) });
                timeline.due = timeline.after(mib << 20);
            }
        }
        assert_eq!(timeline.step, 4 << 20);
        for point in timeline.points().into_iter().filter(|point| point.body_bytes > 8 << 20) {
            let mib = point.body_bytes >> 20;
            let least = if mib % 8 == 0 { mib } else { 1000 + mib - 3 };
            assert_eq!(point.bytes, least, "{point:?}");
        }
        assert_eq!(timeline.most(), Some(7000 + 1023 + 2));
    }

    #[test]
    fn a_process_whose_heap_is_not_counted_has_no_timeline() {
        assert!(HeapTimeline::of_this_process().is_none());
    }
}
