//! The state of a meter, which all its flows share, and its sum over the meters of several threads.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Readings;
use crate::{
    Stamp,
    heap::{HeapTimeline, SharedTimeline},
    histogram::{Rates, Times},
    trace::Trace,
};

/// The state that all flows of a meter share. Flows take the lock when they stamp, never for each chunk.
#[derive(Debug)]
pub(crate) struct State {
    /// The number of bytes of all flows that have ended.
    ended: u64,
    /// The counters of the flows under way, in bytes.
    pub(super) flows: Vec<Arc<AtomicU64>>,
    /// The number of chunks per stamp, a reading of the clock; `None` if the meter only counts.
    every: Option<u64>,
    /// The number of body bytes between two stamps.
    pub(super) step: u64,
    pub(super) first: Option<Stamp>,
    last: Option<Stamp>,
    silence: Duration,
    /// The number of body bytes that one throughput sample covers.
    window: u64,
    pub(super) window_began: Stamp,
    /// The number of bytes that had passed when the current window began.
    window_from: u64,
    /// The number of bytes that all flows had passed at their last stamps.
    stamped: u64,
    /// The distribution of throughput; `None` if the meter only counts.
    pub(super) rates: Option<Rates>,
    /// The distribution of a sender's waits; `None` until the first wait. A receiver has no waits.
    pub(super) waits: Option<Times>,
    /// The distribution of lateness; `None` until the first value. Only a body that is held to a rate can be late.
    lateness: Option<Times>,
    /// The time that bodies waited for the application, summed over all bodies.
    application: Duration,
    /// The traces of the bodies, by their numbers; empty if there are none.
    pub(super) traces: Vec<Trace>,
    pub(super) heap: HeapLog,
}

/// The timeline of the heap to which a meter adds points.
#[derive(Debug)]
pub(super) enum HeapLog {
    /// No timeline: the meter only counts, or the heap of this process is not counted.
    Absent,
    /// A timeline of this meter alone.
    Own(HeapTimeline),
    /// One timeline of all meters of an end.
    Shared(Arc<SharedTimeline>),
}

impl State {
    /// Creates the state of a meter without any byte, whose first window begins now.
    pub(super) fn new(window: u64, every: Option<u64>, step: u64, heap: HeapLog) -> Self {
        Self {
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
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.flows.iter().map(|flow| flow.load(Ordering::Relaxed)).sum::<u64>() + self.ended
    }

    /// Notes that a flow had passed `to` bytes at the time `now`, of which the first `from` were noted before. Returns
    /// the number of bytes at which the next stamp of the flow is due.
    pub(super) fn reached(&mut self, from: u64, to: u64, now: Stamp) -> u64 {
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
    pub(super) fn trace(&mut self, body: u32, from: u64, to: u64, now: Stamp) {
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
    pub(super) fn close_last_window(&mut self) {
        if let Some(last) = self.last {
            self.close_window(last);
        }
    }

    /// Returns the measurements of this meter and `others`. The last window of each must be closed.
    pub(super) fn readings(&self, others: &[&Self]) -> Readings {
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
