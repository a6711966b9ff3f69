//! The meter, which counts and times the body bytes of one end.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use record::{HeapPoint, Latency, Throughput};

use crate::{
    Flow, Mark, Stamp,
    heap::HeapTimeline,
    histogram::{Rates, Times},
    trace::Trace,
};

/// The smallest window of one throughput sample, in bytes. A shorter window would time single system calls.
const MIN_WINDOW: u64 = 1 << 20;

/// The fewest bytes of a body between two readings of the clock. Two readings, a lock and the histograms take about 150
/// ns on a slow machine, while 64 KiB at 9 GiB/s take 7 µs.
const MIN_STEP: u64 = 64 << 10;

/// A counter and timer of the body bytes of one end.
///
/// Each body passes as a [`Flow`] of its own. Clones share one state, so that all bodies of an end are counted together.
///
/// A [counting](Self::counting) meter has no distributions. A counting meter takes some hundred bytes. Any other meter
/// takes 248 KiB for rates, and as much again for the waits of a sender.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Mutex<State>>);

/// The state that all flows of an end share. Flows take the lock when they stamp, never for each chunk.
#[derive(Debug)]
pub(crate) struct State {
    /// The number of bytes of all flows that have ended.
    ended: u64,
    /// The counters of the flows under way, in bytes.
    flows: Vec<Arc<AtomicU64>>,
    /// The number of chunks per stamp; `None` if the meter only counts.
    every: Option<u64>,
    /// The number of body bytes between two stamps.
    step: u64,
    first: Option<Stamp>,
    last: Option<Stamp>,
    silence: Duration,
    /// The number of body bytes that one throughput sample covers.
    window: u64,
    window_began: Stamp,
    /// The number of bytes that had passed when the current window began.
    window_from: u64,
    /// The number of bytes of all flows at their last stamps.
    stamped: u64,
    /// The distribution of throughput; `None` if the meter only counts.
    rates: Option<Rates>,
    /// The distribution of a sender's waits; `None` until the first wait. A receiver has no waits.
    waits: Option<Times>,
    /// The distribution of lateness; `None` until the first value. Only a body that is held to a rate has a lateness.
    lateness: Option<Times>,
    /// The time that bodies waited for the application, summed over all bodies.
    application: Duration,
    trace: Option<Trace>,
    /// The timeline of the heap; `None` if the meter only counts, or the heap of this process is not counted.
    heap: Option<HeapTimeline>,
}

impl Meter {
    /// Creates a meter whose first window begins now. A window covers `chunk_bytes`, and at least 1 MiB. The meter
    /// stamps one chunk in several if chunks are small, so that at least 64 KiB of a body lie between two stamps.
    pub fn new(chunk_bytes: u64) -> Self {
        let chunk = chunk_bytes.max(1);
        // The number is odd, so that stamps meet every part of a pattern that repeats with a power of two, such as a
        // frame.
        let every = MIN_STEP.div_ceil(chunk) | 1;
        Self::with(chunk.max(MIN_WINDOW), Some(every), every.saturating_mul(chunk))
    }

    /// Creates a meter that counts bytes and notes the time of the first byte. This meter keeps no distribution.
    pub fn counting() -> Self {
        Self::with(u64::MAX, None, u64::MAX)
    }

    fn with(window: u64, every: Option<u64>, step: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            ended: 0,
            flows: Vec::new(),
            every,
            step,
            first: None,
            last: None,
            silence: Duration::ZERO,
            window,
            window_began: Stamp::now(),
            window_from: 0,
            stamped: 0,
            rates: every.map(|_| Rates::new()),
            waits: None,
            lateness: None,
            application: Duration::ZERO,
            trace: None,
            heap: every.and_then(|_| HeapTimeline::of_this_process()),
        })))
    }

    /// Restarts the clock of the first window, so that the wait before the transfer does not count.
    pub fn start(&self) {
        self.state().window_began = Stamp::now();
    }

    /// Makes the meter keep the times at which a body reaches the offsets of its stamps, for [`marks`](Self::marks).
    /// Only a single body may pass such a meter, because the offsets of several bodies would mix.
    pub fn trace(&self) {
        self.state().trace.get_or_insert_with(Trace::new);
    }

    /// Starts to count a body.
    pub fn flow(&self) -> Flow {
        let counter = Arc::new(AtomicU64::new(0));
        self.state().flows.push(counter.clone());
        Flow::new(self.clone(), counter)
    }

    /// Returns the number of body bytes so far. The number is exact, also between two stamps.
    pub fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    /// Returns the times at which the body reached the offsets of its stamps, in order. Empty unless
    /// [`trace`](Self::trace) was called before the body.
    pub fn marks(&self) -> Vec<Mark> {
        self.state().trace.as_ref().map_or_else(Vec::new, |trace| trace.marks().to_vec())
    }

    /// Returns the time at which the first byte passed; `None` before it.
    pub fn first_byte(&self) -> Option<Stamp> {
        self.state().first
    }

    /// Returns the measurements so far. The call allocates memory, because it encodes the distributions.
    pub fn readings(&self) -> Readings {
        let mut state = self.state();
        if let Some(last) = state.last {
            state.close_window(last);
        }
        let latency = |times: &Option<Times>| times.as_ref().and_then(Times::latency);
        Readings {
            bytes: state.bytes(),
            first_byte: state.first,
            stamp_every_chunks: state.every,
            throughput: state.rates.as_ref().and_then(|rates| rates.throughput(state.window)),
            longest_silence: state.every.and(state.first).map(|_| state.silence),
            pull_wait: latency(&state.waits),
            lateness: latency(&state.lateness),
            application_wait: state.application,
            heap: state.heap.as_ref().map(HeapTimeline::points),
            most_heap_bytes: state.heap.as_ref().and_then(HeapTimeline::most),
        }
    }

    /// Locks the state, even if a panic has poisoned the lock. Every update leaves the state consistent, and a panic
    /// elsewhere must not lose the figures.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.flows.iter().map(|flow| flow.load(Ordering::Relaxed)).sum::<u64>() + self.ended
    }

    /// Notes that a flow has passed `to` bytes at the time `now`, `from` of which were noted before. Returns the number
    /// of bytes at which the flow's next stamp is due.
    pub(crate) fn reached(&mut self, from: u64, to: u64, now: Stamp) -> u64 {
        self.first.get_or_insert(now);
        let due = |at: u64| at / self.step;
        let (before, reached) = (due(from), due(to));
        if let Some(trace) = self.trace.as_mut().filter(|_| reached > before) {
            trace.reached(before + 1, reached, now);
        }
        if self.every.is_some() {
            self.silence = self.silence.max(now.since(self.last.unwrap_or(now)));
            self.last = Some(now);
            self.stamped += to - from;
            if self.stamped / self.window > self.window_from / self.window {
                self.close_window(now);
            }
        }
        self.note_heap(to, (reached + 1).saturating_mul(self.step))
    }

    /// Lets the heap timeline take a point if one is due. Returns the number of bytes at which a flow of `passed` bytes
    /// stamps next: `due`, or the offset of the next point if that comes first.
    fn note_heap(&mut self, passed: u64, due: u64) -> u64 {
        let bytes = self.bytes();
        let Some(heap) = &mut self.heap else { return due };
        heap.pass(bytes);
        due.min(passed.saturating_add(heap.due().saturating_sub(bytes).max(1)))
    }

    /// Records the rate of the current window if it has bytes, and begins the next window.
    fn close_window(&mut self, now: Stamp) {
        let (bytes, elapsed) = (self.stamped - self.window_from, now.since(self.window_began));
        if bytes == 0 {
            return;
        }
        if let Some(rates) = &mut self.rates {
            rates.record(bytes, elapsed);
        }
        (self.window_from, self.window_began) = (self.stamped, now);
    }

    pub(crate) fn waited(&mut self, wait: Duration) {
        if self.every.is_some() {
            self.waits.get_or_insert_with(Times::new).record(wait);
        }
    }

    pub(crate) fn waited_for_application(&mut self, wait: Duration) {
        self.application = self.application.saturating_add(wait);
    }

    pub(crate) fn late(&mut self, lateness: Duration) {
        if self.every.is_some() {
            self.lateness.get_or_insert_with(Times::new).record(lateness);
        }
    }

    /// Drops the counter of a flow that has ended, and keeps its bytes.
    pub(crate) fn end(&mut self, counter: &Arc<AtomicU64>) {
        self.ended += counter.load(Ordering::Relaxed);
        self.flows.retain(|flow| !Arc::ptr_eq(flow, counter));
    }
}

/// The measurements of a [`Meter`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Readings {
    /// The number of body bytes that passed.
    pub bytes: u64,
    /// The time at which the first byte passed; `None` if none has.
    pub first_byte: Option<Stamp>,
    /// The number of chunks per stamp; `None` for a meter that only counts.
    pub stamp_every_chunks: Option<u64>,
    /// The distribution of throughput over windows of body; `None` for fewer than 20 windows, and for a meter that only
    /// counts.
    pub throughput: Option<Throughput>,
    /// The longest time between two stamps, from the first byte on; `None` without a byte, and for a meter that only
    /// counts.
    pub longest_silence: Option<Duration>,
    /// The distribution of the time from handing over a stamped chunk to the request for the next. `None` on a
    /// receiver, which hands over no chunks, and for a meter that only counts.
    pub pull_wait: Option<Latency>,
    /// The distribution of the lateness of stamped chunks; `None` unless the body was held to a rate.
    pub lateness: Option<Latency>,
    /// The time that bodies waited for the application, summed over all bodies.
    pub application_wait: Duration,
    /// The live heap over body offsets; `None` if the heap of this process is not counted, and for a meter that only
    /// counts.
    pub heap: Option<Vec<HeapPoint>>,
    /// The most live heap at any stamp, in bytes; `None` if `heap` is `None`.
    pub most_heap_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn a_body_of_known_timing_is_measured_as_such() {
        let meter = Meter::new(1 << 20);
        let mut flow = meter.flow();
        for _ in 0..25 {
            sleep(Duration::from_millis(2));
            flow.pass(1 << 19);
            sleep(Duration::from_millis(2));
            flow.pass(1 << 19);
        }
        let readings = meter.readings();
        let throughput = readings.throughput.unwrap();
        assert_eq!((readings.bytes, throughput.samples), (25 << 20, 25));
        // A sleep never ends early, so no window can be faster than 1 MiB in 4 ms.
        assert!(throughput.max <= 262_144_000 + 262_144, "{throughput:?}");
        assert!(throughput.p50 > 20_000_000, "{throughput:?}");
    }

    #[test]
    fn a_stall_shows_in_the_lowest_percentile_and_as_the_longest_silence() {
        let meter = Meter::new(64 << 10);
        let mut flow = meter.flow();
        // There are 600 windows of at least half a millisecond, and one of them contains a stall of half of the total
        // time.
        let began = Stamp::now();
        for chunk in 0..600 * 16 {
            if chunk % 16 == 0 {
                sleep(Duration::from_micros(500));
            }
            if chunk == 5000 {
                sleep(began.elapsed());
            }
            flow.pass(64 << 10);
        }
        let readings = meter.readings();
        let (throughput, silence) = (readings.throughput.unwrap(), readings.longest_silence.unwrap());
        assert_eq!(throughput.samples, 600);
        let stalled = f64::from(1 << 20) / silence.as_secs_f64();
        assert!((throughput.p1 as f64) < 1.1 * stalled, "{throughput:?} {silence:?}");
        assert!(throughput.under_half_median.unwrap() > 0.2, "{throughput:?}");
        assert!(silence > Duration::from_millis(100), "{silence:?}");
    }

    #[test]
    fn a_stall_before_the_last_bytes_counts_although_they_fill_no_window() {
        let meter = Meter::new(1000);
        let mut flow = meter.flow();
        (0..30_000).for_each(|_| _ = flow.pass(1000));
        let before = meter.readings().longest_silence.unwrap();
        sleep(Duration::from_millis(50) + before);
        flow.pass(1);
        flow.finish();
        let readings = meter.readings();
        assert!(readings.longest_silence.unwrap() >= Duration::from_millis(50) + before);
        assert!(readings.throughput.unwrap().min < 21_000_000);
    }

    #[test]
    fn the_window_is_at_least_a_chunk() {
        let meter = Meter::new(4 << 20);
        let mut flow = meter.flow();
        (0..80).for_each(|_| _ = flow.pass(1 << 20));
        let throughput = meter.readings().throughput.unwrap();
        assert_eq!((throughput.window_bytes, throughput.samples), (4 << 20, 20));
    }

    #[test]
    fn windows_cover_the_same_bytes_whatever_the_pieces() {
        for piece in [1400, 65_535, 100_000, 3 << 20] {
            let meter = Meter::new(64 << 10);
            let mut flow = meter.flow();
            let (pieces, rest) = ((64 << 20) / piece, (64 << 20) % piece);
            (0..pieces).for_each(|_| _ = flow.pass(piece));
            flow.pass(rest);
            flow.finish();
            let throughput = meter.readings().throughput.unwrap();
            let expected = if piece > 1 << 20 { 22 } else { 64 };
            assert_eq!(throughput.samples, expected, "{piece}");
        }
    }

    #[test]
    fn a_counting_meter_counts_and_keeps_no_distribution() {
        let meter = Meter::counting();
        let mut flow = meter.flow();
        (0..100).for_each(|_| _ = flow.pass(1 << 20));
        flow.waited(Duration::from_micros(5));
        flow.finish();
        let readings = meter.readings();
        assert_eq!((readings.bytes, meter.bytes()), (100 << 20, 100 << 20));
        assert!(readings.first_byte.is_some());
        assert!(readings.throughput.is_none() && readings.pull_wait.is_none());
        assert!(readings.longest_silence.is_none() && readings.stamp_every_chunks.is_none());
        let state = meter.state();
        assert!(state.rates.is_none() && state.waits.is_none());
    }

    #[test]
    fn a_trace_has_the_offsets_of_the_stamps_at_both_ends() {
        let offsets = |piece: usize| {
            let meter = Meter::new(1000);
            meter.trace();
            let mut flow = meter.flow();
            (0..6_500_000_usize.div_ceil(piece)).for_each(|_| _ = flow.pass(piece));
            meter.marks().iter().map(|(offset, _)| *offset).collect::<Vec<_>>()
        };
        // 67 is the first odd number of chunks of 1,000 bytes that covers 64 KiB.
        assert_eq!(offsets(1000), (1..=97).collect::<Vec<_>>());
        assert_eq!(offsets(100_000), offsets(1000));
        assert!(Meter::new(1000).marks().is_empty());
    }
}
