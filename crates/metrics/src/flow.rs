//! The counter of one body at a meter.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{Meter, Stamp};

/// The counter of one body at a [`Meter`].
///
/// A sender counts each chunk when handing it over, and a receiver counts each piece when getting it. Counting takes no
/// lock and reads no clock, except at stamps: at the first byte, once per stamp distance (see [`Meter::new`]), and at
/// the points of a heap timeline.
#[derive(Debug)]
pub struct Flow {
    meter: Meter,
    passed: u64,
    /// A copy of `passed` that the meter reads. Only this flow writes the counter.
    counter: Arc<AtomicU64>,
    /// The number of bytes that had passed at the last stamp.
    stamped: u64,
    /// The number of passed bytes at which the next stamp is due.
    due: u64,
    /// The sender's last wait, which the next stamp reports to the meter.
    waited: Option<Duration>,
}

impl Flow {
    pub(crate) fn new(meter: Meter, counter: Arc<AtomicU64>) -> Self {
        Self { meter, passed: 0, counter, stamped: 0, due: 1, waited: None }
    }

    /// Counts `bytes` that pass now. Returns the time if this call read the clock.
    #[inline]
    pub fn pass(&mut self, bytes: usize) -> Option<Stamp> {
        self.passed += bytes as u64;
        self.counter.store(self.passed, Ordering::Relaxed);
        if self.passed < self.due { None } else { Some(self.stamp()) }
    }

    /// Reports the bytes so far and the present time to the meter. The function is apart from `pass`, because most
    /// chunks are only counted.
    #[cold]
    #[inline(never)]
    fn stamp(&mut self) -> Stamp {
        let now = Stamp::now();
        self.due = self.meter.reached(self.stamped, self.passed, now, self.waited.take());
        self.stamped = self.passed;
        now
    }

    /// Records the wait after a stamped chunk: from handing the chunk to the protocol until the protocol requests the
    /// next one.
    pub fn waited(&mut self, wait: Duration) {
        self.waited = Some(wait);
    }

    /// Records a wait for the application: for the payload, the sink or a rate.
    pub fn waited_for_application(&mut self, wait: Duration) {
        self.meter.state().waited_for_application(wait);
    }

    /// Records the time by which a stamped chunk was behind its schedule.
    pub fn late(&mut self, lateness: Duration) {
        self.meter.state().late(lateness);
    }

    /// Stamps the end of the body. A flow that is dropped without this call leaves its bytes in the meter, but not the
    /// time of the last ones.
    pub fn finish(&mut self) {
        if self.passed > self.stamped {
            self.stamp();
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        let mut state = self.meter.state();
        if let Some(wait) = self.waited.take() {
            state.waited(wait);
        }
        state.end(&self.counter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the numbers, counted from 1, of the chunks for which the clock was read.
    fn stamped(chunk: usize, chunks: usize) -> Vec<usize> {
        let meter = Meter::new(chunk as u64);
        let mut flow = meter.flow();
        (1..=chunks).filter(|_| flow.pass(chunk).is_some()).collect()
    }

    #[test]
    fn the_clock_is_read_for_the_first_chunk_and_then_for_one_in_an_odd_number() {
        assert_eq!(stamped(64, 3100), [1, 1025, 2050, 3075]);
        assert_eq!(stamped(1 << 10, 200), [1, 65, 130, 195]);
        assert_eq!(stamped(16 << 10, 11), [1, 5, 10]);
        assert_eq!(stamped(64 << 10, 4), [1, 2, 3, 4]);
        assert_eq!(stamped(1 << 20, 2), [1, 2]);
    }

    #[test]
    fn every_byte_is_counted_at_once_and_stays_counted() {
        let meter = Meter::new(64);
        let (mut one, mut other) = (meter.flow(), meter.flow());
        for passed in 1..=5000 {
            one.pass(64);
            other.pass(1);
            assert_eq!(meter.bytes(), 65 * passed);
        }
        drop(one);
        assert_eq!(meter.bytes(), 65 * 5000);
        other.pass(7);
        other.finish();
        drop(other);
        assert_eq!((meter.bytes(), meter.readings().bytes), (65 * 5000 + 7, 65 * 5000 + 7));
    }

    #[test]
    fn waits_and_lateness_are_those_that_were_reported() {
        let meter = Meter::new(64 << 10);
        assert!(meter.readings().pull_wait.is_none() && meter.readings().lateness.is_none());
        let mut flow = meter.flow();
        for _ in 0..3 {
            flow.pass(64 << 10);
            flow.waited(Duration::from_micros(5));
            flow.late(Duration::from_micros(1));
        }
        drop(flow);
        let readings = meter.readings();
        let (wait, lateness) = (readings.pull_wait.unwrap(), readings.lateness.unwrap());
        assert!((4_990..5_010).contains(&wait.max) && (990..=1_010).contains(&lateness.max));
        assert_eq!(readings.stamp_every_chunks, Some(1));
    }

    #[test]
    fn waits_for_the_application_add_up_over_all_bodies() {
        let meter = Meter::counting();
        let (mut one, mut other) = (meter.flow(), meter.flow());
        assert_eq!(meter.readings().application_wait, Duration::ZERO);
        for _ in 0..2 {
            one.waited_for_application(Duration::from_millis(7));
        }
        other.waited_for_application(Duration::from_millis(7));
        assert_eq!(meter.readings().application_wait, Duration::from_millis(21));
    }

    #[test]
    fn an_empty_piece_is_no_first_byte() {
        let meter = Meter::new(1);
        let mut flow = meter.flow();
        assert!(flow.pass(0).is_none() && meter.first_byte().is_none());
        assert!(flow.pass(1).is_some() && meter.first_byte().is_some());
    }
}
