//! The measurements of a meter.

use std::time::Duration;

use record::{HeapPoint, Latency, Throughput};

use crate::Stamp;

/// The measurements of a [`Meter`](crate::Meter).
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
