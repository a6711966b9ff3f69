//! The trace of a body: the times at which it reached evenly spaced offsets. A comparison of the traces of both ends
//! yields the times of delivery.

use std::time::Duration;

use record::Latency;

use crate::{Stamp, histogram::Times};

/// A body offset and the time at which the body reached it.
///
/// The first number is the offset, in a unit that is the same at both ends. The second number is the time, in
/// nanoseconds of the clock that all processes of a machine share.
pub type Mark = (u64, u64);

/// The marks of one body: at most 4,096, or an equal share of them if there are several bodies. A full trace drops
/// every second mark and doubles the distance between further marks. Two traces of bodies of the same length have the
/// same offsets.
#[derive(Debug)]
pub(crate) struct Trace {
    stride: u64,
    marks: Vec<Mark>,
    capacity: usize,
}

impl Trace {
    /// The largest number of marks of all bodies together. A single long body has at least 2,048, of which 20 lie
    /// beyond the 99th percentile.
    pub(crate) const CAPACITY: usize = 4096;

    /// The most memory that the marks of all bodies take, in bytes.
    pub(crate) const FOOTPRINT: u64 = (Self::CAPACITY * size_of::<Mark>()) as u64;

    /// Creates the trace of one of `bodies` bodies, which share the capacity.
    pub(crate) fn one_of(bodies: u32) -> Self {
        let capacity = Self::CAPACITY.checked_div(bodies as usize).unwrap_or_default().max(1);
        Self { stride: 1, marks: Vec::new(), capacity }
    }

    /// Notes that the body had reached the offsets from `first` to `last` at the time `now`.
    pub(crate) fn reached(&mut self, first: u64, last: u64, now: Stamp) {
        let Some(now) = now.monotonic().and_then(|now| u64::try_from(now.as_nanos()).ok()) else { return };
        // Memory is allocated at the first mark, because a body passes the meter of one thread only. The traces of that
        // body at the meters of other threads stay empty.
        self.marks.reserve_exact(self.capacity.saturating_sub(self.marks.len()));
        let mut next = first.next_multiple_of(self.stride);
        while next <= last {
            if self.marks.len() == self.capacity {
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

/// Returns the distribution of delivery times. The delivery time of an offset is the time from its mark in `sent` to
/// its mark in `received`, of one body. Returns `None` if no offset has both marks.
pub fn delivery(sent: &[Vec<Mark>], received: &[Vec<Mark>]) -> Option<Latency> {
    let mut times = Times::new();
    for (sent, received) in sent.iter().zip(received) {
        let mut arrivals = received.iter().peekable();
        for (offset, handed) in sent {
            while arrivals.next_if(|(other, _)| other < offset).is_some() {}
            if let Some((_, arrived)) = arrivals.next_if(|(other, _)| other == offset) {
                times.record(Duration::from_nanos(arrived.saturating_sub(*handed)));
            }
        }
    }
    times.latency()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the trace of one of `bodies` bodies with `offsets` offsets. Each piece of the body reaches `per_piece`
    /// offsets.
    fn trace(bodies: u32, offsets: u64, per_piece: u64) -> Trace {
        let mut trace = Trace::one_of(bodies);
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
            for (bodies, most) in [(1, 4096), (8, 512)] {
                let sent = offsets_of(trace(bodies, offsets, 1));
                assert_eq!(sent, offsets_of(trace(bodies, offsets, 7)), "{offsets}");
                assert_eq!(sent, offsets_of(trace(bodies, offsets, 5000)), "{offsets}");
                assert!(sent.len() <= most && sent.len() as u64 >= offsets.min(most as u64 / 2));
            }
        }
    }

    #[test]
    fn a_trace_takes_no_more_memory_than_its_footprint() {
        for bodies in [1, 8, 64] {
            let trace = trace(bodies, 100_000, 3);
            let taken = (trace.marks.capacity() * size_of::<Mark>()) as u64;
            assert!(u64::from(bodies) * taken <= Trace::FOOTPRINT, "{bodies} bodies");
        }
    }

    #[test]
    fn delivery_is_the_time_between_the_marks_of_one_offset_of_a_body() {
        let sent = [vec![(1, 100), (2, 200), (4, 400)], vec![(1, 100)]];
        let received = [vec![(1, 1100), (3, 9), (4, 2400), (5, 9)], vec![(1, 1600)]];
        let of_first = delivery(&sent[..1], &received[..1]).unwrap();
        assert_eq!((of_first.p50, of_first.max), (1000, 2000));
        let of_all = delivery(&sent, &received).unwrap();
        assert_eq!((of_all.p50, of_all.max), (1500, 2000));
        assert_eq!(delivery(&sent, &[vec![(3, 9)]]), None);
    }
}
