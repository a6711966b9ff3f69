//! The meter, which counts and times the body bytes of one end.

mod readings;
mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};

pub use readings::Readings;
use state::{HeapLog, State};

use crate::{
    Flow, Mark, Stamp,
    heap::{HeapTimeline, SharedTimeline},
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
        let state = State::new(window, every, step, heap);
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

#[cfg(test)]
mod tests;
