//! The meter, which counts and times the body bytes of one end.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use record::{HeapPoint, Latency, Throughput};

use crate::{
    Flow, Mark, Stamp,
    heap::{HeapTimeline, SharedTimeline},
    histogram::{Rates, Times},
    trace::Trace,
};

/// The smallest window of one throughput sample, in bytes. A shorter window would time single system calls.
const MIN_WINDOW: u64 = 1 << 20;

/// The fewest bytes of a body between two stamps. A stamp and the wait after it take about 150 ns on a slow machine,
/// for two readings of the clock, a lock and the histograms. 64 KiB at 9 GiB/s take 7 µs.
const MIN_STEP: u64 = 64 << 10;

/// The most readings of the clock per second of a body that is held to a rate. At a low rate, fewer bytes than
/// [`MIN_STEP`] lie between two readings, so that every chunk has its time.
const MOST_STAMPS_PER_S: u64 = 1000;

/// A counter and timer of the body bytes of one end.
///
/// Each body passes as a [`Flow`] of its own. Clones share one state: the meter counts the bodies of all its clones
/// together.
///
/// A [counting](Self::counting) meter has no distributions, and takes some hundred bytes. Any other meter takes 248 KiB
/// for the distribution of rates, and 264 KiB more for each distribution of times: a sender's waits, and lateness.
#[derive(Clone, Debug)]
pub struct Meter {
    state: Arc<Mutex<State>>,
    /// The number of the body that flows of this clone count.
    body: u32,
}

/// The state that all flows of a meter share. Flows take the lock when they stamp, never for each chunk.
#[derive(Debug)]
pub(crate) struct State {
    /// The number of bytes of all flows that have ended.
    ended: u64,
    /// The counters of the flows under way, in bytes.
    flows: Vec<Arc<AtomicU64>>,
    /// The number of chunks per stamp, a reading of the clock; `None` if the meter only counts.
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
    /// The number of bytes that all flows had passed at their last stamps.
    stamped: u64,
    /// The distribution of throughput; `None` if the meter only counts.
    rates: Option<Rates>,
    /// The distribution of a sender's waits; `None` until the first wait. A receiver has no waits.
    waits: Option<Times>,
    /// The distribution of lateness; `None` until the first value. Only a body that is held to a rate can be late.
    lateness: Option<Times>,
    /// The time that bodies waited for the application, summed over all bodies.
    application: Duration,
    /// The traces of the bodies, by their numbers; empty if there are none.
    traces: Vec<Trace>,
    heap: HeapLog,
}

/// The timeline of the heap to which a meter adds points.
#[derive(Debug)]
enum HeapLog {
    /// No timeline: the meter only counts, or the heap of this process is not counted.
    Absent,
    /// A timeline of this meter alone.
    Own(HeapTimeline),
    /// One timeline of all meters of an end.
    Shared(Arc<SharedTimeline>),
}

impl Meter {
    /// Creates a meter whose first window begins now. A window covers `chunk_bytes`, and at least 1 MiB. The meter
    /// stamps a chunk by reading the clock. If chunks are small, it stamps one in several, so that at least 64 KiB of a
    /// body lie between two stamps.
    pub fn new(chunk_bytes: u64) -> Self {
        Self::paced(chunk_bytes, None)
    }

    /// Creates a meter as [`new`](Self::new) does, for bodies that are held to `rate` in bytes per second. At a low
    /// rate, fewer bytes lie between two stamps, so that each body has up to 1,000 stamps per second.
    pub fn paced(chunk_bytes: u64, rate: Option<u64>) -> Self {
        let chunk = chunk_bytes.max(1);
        let least = rate.map_or(MIN_STEP, |rate| (rate / MOST_STAMPS_PER_S).clamp(1, MIN_STEP));
        // The number is odd, so that stamps meet every part of a pattern that repeats with a power of two, such as a
        // frame.
        let every = least.div_ceil(chunk) | 1;
        let heap = HeapTimeline::of_this_process().map_or(HeapLog::Absent, HeapLog::Own);
        Self::with(chunk.max(MIN_WINDOW), Some(every), every.saturating_mul(chunk), heap)
    }

    /// Creates one meter for each of the `threads` threads of an end, so that no thread waits for another one at a
    /// meter. [`merged`](Self::merged) combines their readings into those of the end. The meters share one timeline of
    /// the heap, because all threads allocate from it. `rate` has the meaning that it has for [`paced`](Self::paced).
    pub fn of_threads(chunk_bytes: u64, rate: Option<u64>, threads: usize) -> Vec<Self> {
        let first = Self::paced(chunk_bytes, rate);
        if threads <= 1 {
            return vec![first];
        }
        let step = first.state().step.saturating_mul(threads as u64);
        let shared = SharedTimeline::of_this_process(step);
        let log = || shared.clone().map_or(HeapLog::Absent, HeapLog::Shared);
        first.state().heap = log();
        let further = (1..threads).map(|_| {
            let meter = Self::paced(chunk_bytes, rate);
            meter.state().heap = log();
            meter
        });
        std::iter::once(first.clone()).chain(further).collect()
    }

    /// Creates a meter that only counts bytes and notes the time of the first one. It keeps no distribution.
    pub fn counting() -> Self {
        Self::with(u64::MAX, None, u64::MAX, HeapLog::Absent)
    }

    fn with(window: u64, every: Option<u64>, step: u64, heap: HeapLog) -> Self {
        let state = State {
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
            traces: Vec::new(),
            heap,
        };
        Self { state: Arc::new(Mutex::new(state)), body: 0 }
    }

    /// Restarts the clock of the first window, so that the wait before the transfer does not count.
    pub fn start(&self) {
        self.state().window_began = Stamp::now();
    }

    /// Makes the meter keep the times at which each of `bodies` bodies reaches the offsets of its stamps, for
    /// [`marks`](Self::marks). Each body needs a number of its own ([`of_body`](Self::of_body)): marks of bodies with
    /// one number would mix.
    pub fn trace(&self, bodies: u32) {
        let mut state = self.state();
        if state.traces.is_empty() {
            state.traces = (0..bodies).map(|_| Trace::one_of(bodies)).collect();
        }
    }

    /// Returns a clone of this meter for the body with the number `body`, which tells the marks of several bodies
    /// apart. Any other meter has the number 0.
    #[must_use]
    pub fn of_body(&self, body: u32) -> Self {
        Self { state: self.state.clone(), body }
    }

    /// Starts to count a body.
    pub fn flow(&self) -> Flow {
        let counter = Arc::new(AtomicU64::new(0));
        self.state().flows.push(counter.clone());
        Flow::new(self.clone(), counter)
    }

    /// Reports that a body of this meter had passed `to` bytes at the time `now`, and the last wait of its sender. The
    /// first `from` of these bytes were reported before. Returns the number of bytes at which the next stamp of the
    /// body is due.
    pub(crate) fn reached(&self, from: u64, to: u64, now: Stamp, waited: Option<Duration>) -> u64 {
        let mut state = self.state();
        state.trace(self.body, from, to, now);
        let due = state.reached(from, to, now);
        if let Some(wait) = waited {
            state.waited(wait);
        }
        due
    }

    /// Returns the number of body bytes so far. It is exact, also between two stamps.
    pub fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    /// Returns the times at which each body reached the offsets of its stamps, in the order of the numbers of the
    /// bodies. The list is empty unless [`trace`](Self::trace) was called before the bodies.
    pub fn marks(&self) -> Vec<Vec<Mark>> {
        self.state().traces.iter().map(|trace| trace.marks().to_vec()).collect()
    }

    /// Returns the time at which the first byte passed; `None` before it.
    pub fn first_byte(&self) -> Option<Stamp> {
        self.state().first
    }

    /// Returns the measurements so far. The call allocates memory, because it encodes the distributions.
    pub fn readings(&self) -> Readings {
        let mut state = self.state();
        state.close_last_window();
        state.readings(&[])
    }

    /// Returns the measurements of several meters so far, as if all bytes had passed one meter. Only the windows of
    /// throughput and the longest time without a stamp are those of single meters. All meters must come from one call
    /// of [`of_threads`](Self::of_threads). Returns `None` without a meter.
    pub fn merged(meters: &[Self]) -> Option<Readings> {
        let (first, others) = meters.split_first()?;
        if others.is_empty() {
            return Some(first.readings());
        }
        let mut states: Vec<_> = others.iter().map(Self::state).collect();
        states.iter_mut().for_each(|state| state.close_last_window());
        let mut first = first.state();
        first.close_last_window();
        Some(first.readings(&states.iter().map(|state| &**state).collect::<Vec<_>>()))
    }

    /// Locks the state, even if a panic has poisoned the lock. Every update leaves the state consistent, and a panic
    /// elsewhere must not lose the figures.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.flows.iter().map(|flow| flow.load(Ordering::Relaxed)).sum::<u64>() + self.ended
    }

    /// Notes that a flow had passed `to` bytes at the time `now`, of which the first `from` were noted before. Returns
    /// the number of bytes at which the next stamp of the flow is due.
    fn reached(&mut self, from: u64, to: u64, now: Stamp) -> u64 {
        self.first.get_or_insert(now);
        let next = (to / self.step + 1).saturating_mul(self.step);
        if self.every.is_some() {
            self.silence = self.silence.max(now.since(self.last.unwrap_or(now)));
            self.last = Some(now);
            self.stamped += to - from;
            if self.stamped / self.window > self.window_from / self.window {
                self.close_window(now);
            }
        }
        if let HeapLog::Shared(shared) = &self.heap {
            shared.pass(to.saturating_sub(from));
            return next;
        }
        self.note_heap(to, next)
    }

    /// Notes the stamp offsets that a body has reached since its last stamp, if the body is traced.
    fn trace(&mut self, body: u32, from: u64, to: u64, now: Stamp) {
        let (before, reached) = (from / self.step, to / self.step);
        let trace = usize::try_from(body).ok().and_then(|body| self.traces.get_mut(body));
        if let Some(trace) = trace.filter(|_| reached > before) {
            trace.reached(before + 1, reached, now);
        }
    }

    /// Lets the heap timeline take a point if one is due. Returns the number of bytes at which a flow of `passed` bytes
    /// stamps next: `due`, or the offset of the next point if that comes first.
    fn note_heap(&mut self, passed: u64, due: u64) -> u64 {
        let bytes = self.bytes();
        let HeapLog::Own(heap) = &mut self.heap else { return due };
        heap.pass(bytes);
        due.min(passed.saturating_add(heap.due().saturating_sub(bytes).max(1)))
    }

    /// Closes the current window at the last stamp.
    fn close_last_window(&mut self) {
        if let Some(last) = self.last {
            self.close_window(last);
        }
    }

    /// Returns the measurements of this meter and `others`. The last window of each must be closed.
    fn readings(&self, others: &[&Self]) -> Readings {
        let all = || std::iter::once(self).chain(others.iter().copied());
        let rates = merged(all().map(|state| &state.rates), Rates::add);
        let times = |of: fn(&Self) -> &Option<Times>| merged(all().map(of), Times::add)?.latency();
        let silence = all().filter_map(|state| state.every.and(state.first).map(|_| state.silence)).max();
        let (heap, most_heap_bytes) = match &self.heap {
            HeapLog::Absent => (None, None),
            HeapLog::Own(heap) => (Some(heap.points()), heap.most()),
            HeapLog::Shared(shared) => {
                let heap = shared.timeline();
                (Some(heap.points()), heap.most())
            }
        };
        Readings {
            bytes: all().map(Self::bytes).sum(),
            first_byte: all().filter_map(|state| state.first).min(),
            stamp_every_chunks: self.every,
            throughput: rates.and_then(|rates| rates.throughput(self.window)),
            longest_silence: silence,
            pull_wait: times(|state| &state.waits),
            lateness: times(|state| &state.lateness),
            application_wait: all().map(|state| state.application).sum(),
            heap,
            most_heap_bytes,
        }
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

/// Returns the sum of distributions, some of which may be missing. A single distribution is not copied. `None` if all
/// are missing.
fn merged<'a, T: Clone + 'a>(
    mut parts: impl Iterator<Item = &'a Option<T>>,
    add: fn(&mut T, &T),
) -> Option<Cow<'a, T>> {
    let mut sum = Cow::Borrowed(parts.find_map(Option::as_ref)?);
    parts.flatten().for_each(|part| add(sum.to_mut(), part));
    Some(sum)
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
    /// The longest time between two stamps, from the first byte on. `None` before the first byte, and for a meter that
    /// only counts.
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
mod tests;
