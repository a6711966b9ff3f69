//! The trace of a body: the times at which it reached evenly spaced offsets. The traces of both ends can be compared.

use std::time::Duration;

use record::Latency;

use crate::{Stamp, histogram::Times};

/// The time at which a body reached an offset, in nanoseconds of the clock that all processes of a machine share.
///
/// The first number is the offset, in a unit that is the same at both ends. The second number is the time.
pub type Mark = (u64, u64);

/// The marks of one body, at most 4,096. Whenever the trace is full, it drops every second mark and doubles the
/// distance between further marks. Two traces of bodies of the same length have the same offsets.
#[derive(Debug)]
pub(crate) struct Trace {
    stride: u64,
    marks: Vec<Mark>,
}

impl Trace {
    /// The largest number of marks. A long body has at least 2,048, of which 20 lie beyond the 99th percentile.
    pub(crate) const CAPACITY: usize = 4096;

    /// The most memory that the marks take, in bytes.
    pub(crate) const FOOTPRINT: u64 = (Self::CAPACITY * size_of::<Mark>()) as u64;

    pub(crate) fn new() -> Self {
        Self { stride: 1, marks: Vec::with_capacity(Self::CAPACITY) }
    }

    /// Notes that the body reached the offsets from `first` to `last` at the time `now`.
    pub(crate) fn reached(&mut self, first: u64, last: u64, now: Stamp) {
        let Some(now) = now.monotonic().and_then(|now| u64::try_from(now.as_nanos()).ok()) else { return };
        let mut next = first.next_multiple_of(self.stride);
        while next <= last {
            if self.marks.len() == Self::CAPACITY {
                self.stride *= 2;
                let stride = self.stride;
                self.marks.retain(|(offset, _)| offset % stride == 0);
                next = next.next_multiple_of(stride);
                continue;
            }
            self.marks.push((next, now));
            next += self.stride;
        }
    }

    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }
}

/// Returns the distribution of delivery times: from the `sent` mark to the `received` mark of each offset that has
/// both. `None` if no offset has both.
pub fn delivery(sent: &[Mark], received: &[Mark]) -> Option<Latency> {
    let mut times = Times::new();
    let mut arrivals = received.iter().peekable();
    for (offset, handed) in sent {
        while arrivals.next_if(|(other, _)| other < offset).is_some() {}
        if let Some((_, arrived)) = arrivals.next_if(|(other, _)| other == offset) {
            times.record(Duration::from_nanos(arrived.saturating_sub(*handed)));
        }
    }
    times.latency()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a trace of `offsets` offsets, of which each piece reaches `per_piece`.
    fn trace(offsets: u64, per_piece: u64) -> Trace {
        let mut trace = Trace::new();
        let mut first = 1;
        while first <= offsets {
            let last = (first + per_piece - 1).min(offsets);
            trace.reached(first, last, Stamp::now());
            first = last + 1;
        }
        trace
    }

    #[test]
    fn two_ends_keep_the_same_offsets_whatever_the_pieces() {
        for offsets in [0, 1, 4096, 4097, 100_000] {
            let offsets_of = |trace: Trace| trace.marks().iter().map(|mark| mark.0).collect::<Vec<_>>();
            let sent = offsets_of(trace(offsets, 1));
            assert_eq!(sent, offsets_of(trace(offsets, 7)), "{offsets}");
            assert_eq!(sent, offsets_of(trace(offsets, 5000)), "{offsets}");
            assert!(sent.len() <= Trace::CAPACITY && sent.len() as u64 >= offsets.min(2000));
        }
    }

    #[test]
    fn a_trace_takes_no_more_memory_than_its_footprint() {
        let trace = trace(100_000, 3);
        assert!((trace.marks.capacity() * size_of::<Mark>()) as u64 <= Trace::FOOTPRINT);
    }

    #[test]
    fn delivery_is_the_time_between_the_marks_of_one_offset() {
        let sent = [(1, 100), (2, 200), (4, 400)];
        let received = [(1, 1100), (3, 9), (4, 2400), (5, 9)];
        let delivery = delivery(&sent, &received).unwrap();
        assert_eq!((delivery.p50, delivery.max), (1000, 2000));
        assert_eq!(super::delivery(&sent, &[(3, 9)]), None);
    }
}
