//! The meter that body bytes pass on their way in or out.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use record::{HeapPoint, Latency, Throughput};

use crate::{clock::Stamp, heap::HeapTimeline, histogram::Distribution};

/// The smallest window of one throughput sample, in bytes. A shorter window would time single system calls.
const MIN_WINDOW: u64 = 1 << 20;

/// A counter and timer of the body bytes of one end.
///
/// Clones share one state, so that all bodies of an end are counted together. A sender counts each chunk when handing
/// it over, and a receiver when getting it.
///
/// A [counting](Self::counting) meter has no distributions. It takes some hundred bytes, where the other takes 248 KiB
/// for rates and as much for latencies.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    bytes: u64,
    first: Option<Stamp>,
    /// The bytes of body that one throughput sample covers.
    window: u64,
    window_began: Stamp,
    in_window: u64,
    /// `None` if the meter only counts.
    rates: Option<Distribution>,
    /// `None` until the first chunk latency: a receiver has none.
    latencies: Option<Distribution>,
    /// `None` if the meter only counts, or the heap of this process is not counted.
    heap: Option<HeapTimeline>,
    /// The body offset at which the next point of `heap` is due.
    heap_due: u64,
}

impl Meter {
    /// Makes a meter whose first window begins now. A window covers `chunk_bytes`, and at least 1 MiB.
    pub fn new(chunk_bytes: u64) -> Self {
        Self::with(chunk_bytes.max(MIN_WINDOW), Some(Distribution::of_rates()))
    }

    /// Makes a meter that counts bytes and notes the time of the first one. It keeps no distribution.
    pub fn counting() -> Self {
        Self::with(u64::MAX, None)
    }

    fn with(window: u64, rates: Option<Distribution>) -> Self {
        let heap = rates.as_ref().and_then(|_| HeapTimeline::of_this_process());
        let heap_due = heap.as_ref().map_or(u64::MAX, HeapTimeline::due);
        Self(Arc::new(Mutex::new(State {
            bytes: 0,
            first: None,
            window,
            window_began: Stamp::now(),
            in_window: 0,
            rates,
            latencies: None,
            heap,
            heap_due,
        })))
    }

    /// Restarts the clock of the first window, which excludes the wait before the transfer.
    pub fn start(&self) {
        self.state().window_began = Stamp::now();
    }

    /// Counts `bytes` of body. Reads the clock only for the first byte and at the end of a window.
    pub fn pass(&self, bytes: usize) {
        let mut state = self.state();
        state.bytes += bytes as u64;
        state.in_window += bytes as u64;
        if state.bytes >= state.heap_due {
            state.note_heap();
        }
        if state.first.is_some() && state.in_window < state.window {
            return;
        }
        let now = Stamp::now();
        state.first.get_or_insert(now);
        if state.in_window >= state.window {
            let (in_window, elapsed) = (state.in_window, now.since(state.window_began));
            if let Some(rates) = &mut state.rates {
                rates.record_rate(in_window, elapsed);
            }
            state.in_window = 0;
            state.window_began = now;
        }
    }

    /// Records the time from handing a chunk to the protocol to its request for the next chunk.
    pub fn chunk_took(&self, latency: Duration) {
        let mut state = self.state();
        if state.rates.is_some() {
            state.latencies.get_or_insert_with(Distribution::of_latencies).record_latency(latency);
        }
    }

    /// The body bytes counted so far.
    pub fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// The measurements so far. Encodes the distributions, which allocates.
    pub fn readings(&self) -> Readings {
        let state = self.state();
        Readings {
            bytes: state.bytes,
            first_byte: state.first,
            throughput: state.rates.as_ref().and_then(|rates| rates.throughput(state.window)),
            chunk_latency: state.latencies.as_ref().and_then(Distribution::latency),
            heap: state.heap.as_ref().map(HeapTimeline::points),
        }
    }

    /// A panic elsewhere must not lose the figures. Every update leaves the state consistent, so a poisoned lock is
    /// still good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The measurements of a [`Meter`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Readings {
    /// Body bytes that passed.
    pub bytes: u64,
    /// The time at which the first byte passed.
    pub first_byte: Option<Stamp>,
    /// The distribution of throughput over windows of body; `None` under 20 windows, and of a meter that only counts.
    pub throughput: Option<Throughput>,
    /// The distribution of chunk latencies; `None` on a receiver, which hands over no chunks, and of a meter that only
    /// counts.
    pub chunk_latency: Option<Latency>,
    /// Live heap over body offsets; `None` if the heap of this process is not counted, and of a meter that only counts.
    pub heap: Option<Vec<HeapPoint>>,
}

impl State {
    /// Takes the point of the heap's timeline that is due.
    #[cold]
    fn note_heap(&mut self) {
        let bytes = self.bytes;
        self.heap_due = self.heap.as_mut().map_or(u64::MAX, |heap| {
            heap.pass(bytes);
            heap.due()
        });
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn a_body_of_known_timing_is_measured_as_such() {
        let meter = Meter::new(1 << 20);
        for _ in 0..25 {
            sleep(Duration::from_millis(2));
            meter.pass(1 << 19);
            sleep(Duration::from_millis(2));
            meter.pass(1 << 19);
        }
        let readings = meter.readings();
        let throughput = readings.throughput.unwrap();
        assert_eq!((readings.bytes, throughput.samples), (25 << 20, 25));
        // A sleep never ends early, so no window can be faster than 1 MiB in 4 ms.
        assert!(throughput.max <= 262_144_000 + 262_144, "{throughput:?}");
        assert!(throughput.p50 > 20_000_000, "{throughput:?}");
    }

    #[test]
    fn the_window_is_at_least_a_chunk() {
        let meter = Meter::new(4 << 20);
        (0..80).for_each(|_| meter.pass(1 << 20));
        let throughput = meter.readings().throughput.unwrap();
        assert_eq!((throughput.window_bytes, throughput.samples), (4 << 20, 20));
    }

    #[test]
    fn clones_share_one_state() {
        let meter = Meter::new(1);
        meter.clone().pass(3);
        meter.clone().chunk_took(Duration::from_micros(5));
        assert_eq!(meter.bytes(), 3);
        assert!(meter.readings().first_byte.is_some());
        assert!(meter.readings().chunk_latency.unwrap().max >= 4_990);
    }

    #[test]
    fn a_counting_meter_counts_and_keeps_no_distribution() {
        let meter = Meter::counting();
        (0..100).for_each(|_| meter.pass(1 << 20));
        meter.chunk_took(Duration::from_micros(5));
        let readings = meter.readings();
        assert_eq!((readings.bytes, meter.bytes()), (100 << 20, 100 << 20));
        assert!(readings.first_byte.is_some());
        assert!(readings.throughput.is_none() && readings.chunk_latency.is_none());
        let state = meter.state();
        assert!(state.rates.is_none() && state.latencies.is_none());
    }
}
