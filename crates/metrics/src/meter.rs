//! The meter that body bytes pass on their way in or out.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    clock::Stamp,
    histogram::{Distribution, Latency, Throughput},
    timeline::Timeline,
};

/// The smallest window of one throughput sample, in bytes: shorter ones would time single system calls.
const MIN_WINDOW: u64 = 1 << 20;

/// Counts and times the body bytes of one end. Clones are the same meter: all bodies of an end share it.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    bytes: u64,
    first: Option<Stamp>,
    window: u64,
    window_began: Stamp,
    in_window: u64,
    rates: Distribution,
    /// A receiver has none.
    latencies: Option<Distribution>,
}

impl Meter {
    /// A meter for bodies in chunks of `chunk_bytes`, whose first window begins now.
    pub fn new(chunk_bytes: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            bytes: 0,
            first: None,
            window: chunk_bytes.max(MIN_WINDOW),
            window_began: Stamp::now(),
            in_window: 0,
            rates: Distribution::of_rates(),
            latencies: None,
        })))
    }

    /// What a meter and the timeline beside it take at most, in bytes.
    pub fn footprint() -> u64 {
        let distributions = [Distribution::of_rates(), Distribution::of_latencies()];
        distributions.iter().map(Distribution::footprint).sum::<u64>() + Timeline::FOOTPRINT
    }

    /// Begins the first window anew, so that waiting before the transfer does not count.
    pub fn start(&self) {
        self.state().window_began = Stamp::now();
    }

    /// Counts `bytes` that pass. Reads the clock only for the first byte and where a window ends.
    pub fn pass(&self, bytes: usize) {
        let mut state = self.state();
        state.bytes += bytes as u64;
        state.in_window += bytes as u64;
        if state.first.is_some() && state.in_window < state.window {
            return;
        }
        let now = Stamp::now();
        state.first.get_or_insert(now);
        if state.in_window >= state.window {
            let (in_window, elapsed) = (state.in_window, now.since(state.window_began));
            state.rates.record_rate(in_window, elapsed);
            state.in_window = 0;
            state.window_began = now;
        }
    }

    /// Counts how long the protocol took from being handed a chunk to asking for the next.
    pub fn chunk_took(&self, latency: Duration) {
        self.state().latencies.get_or_insert_with(Distribution::of_latencies).record_latency(latency);
    }

    /// The body bytes that have passed.
    pub fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// Everything measured so far.
    pub fn readings(&self) -> Readings {
        let state = self.state();
        Readings {
            bytes: state.bytes,
            first_byte: state.first,
            throughput: state.rates.throughput(state.window),
            chunk_latency: state.latencies.as_ref().and_then(Distribution::latency),
        }
    }

    /// A panic elsewhere must not lose the figures: every update leaves the state consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a meter has measured.
#[derive(Clone, Debug)]
pub struct Readings {
    /// Body bytes that passed.
    pub bytes: u64,
    /// When the first of them passed.
    pub first_byte: Option<Stamp>,
    /// The rate window by window; `None` under 20 windows.
    pub throughput: Option<Throughput>,
    /// The time per chunk; `None` where chunks are not handed over (the receiver).
    pub chunk_latency: Option<Latency>,
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
    fn clones_are_one_meter() {
        let meter = Meter::new(1);
        meter.clone().pass(3);
        meter.clone().chunk_took(Duration::from_micros(5));
        assert_eq!(meter.bytes(), 3);
        assert!(meter.readings().first_byte.is_some());
        assert!(meter.readings().chunk_latency.unwrap().max >= 4_990);
    }
}
