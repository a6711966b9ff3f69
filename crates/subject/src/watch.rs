//! The memory of a program during one transfer, with reports on its progress.

use std::time::Duration;

use metrics::Stamp;
use process::Sampler;
use record::{Case, End, EndRecord, TimelinePoint};
use run::{Heartbeat, Observer};

use crate::processes::Processes;

/// The interval of heartbeats.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(250);

/// The samples of a program's memory, against the body bytes that have moved.
#[derive(Default)]
pub(crate) struct Watch {
    sampler: Sampler,
}

impl Watch {
    /// Takes a sample after `bytes` of the body. Returns the time until the next one is due.
    pub(crate) fn sample(&mut self, processes: &Processes, bytes: u64) -> Duration {
        self.sampler.look(|| processes.find_descendants());
        self.sampler.sample(&mut processes.tree(), bytes)
    }

    /// Returns the resident memory in the latest sample, in bytes; `None` if no process was alive.
    pub(crate) fn rss_bytes(&self) -> Option<u64> {
        self.sampler.latest().map(|memory| memory.rss_bytes)
    }

    /// Returns the time of the first sample after the first byte; `None` before that sample.
    pub(crate) fn began(&self) -> Option<Stamp> {
        self.sampler.began()
    }

    /// Returns the samples with body bytes in proportion to time, up to `total`. The progress of a program that reads its
    /// own input is unknown.
    pub(crate) fn points_by_time(&self, total: u64) -> Vec<TimelinePoint> {
        self.sampler.points_by_time(total)
    }

    /// Returns the samples, each with the body bytes that had moved at its time. `bytes` gives them for a time in
    /// seconds since the first sample after the first byte.
    pub(crate) fn points_at(&self, bytes: impl Fn(f64) -> u64) -> Vec<TimelinePoint> {
        self.sampler.points_at(bytes)
    }

    /// Makes the record of the program as one end of a body. `bytes` of the body have moved.
    pub(crate) fn record(&self, processes: &Processes, bytes: u64) -> EndRecord {
        let mut end = EndRecord::default();
        (end.bytes, end.memory) = (bytes, self.sampler.record(&processes.tree()));
        end
    }
}

/// Reports the memory of a program, which is one end of the body. The heartbeat states no baseline, because the buffers
/// of the program are unknown, and so is the bound. The bytes are always reported for the receiver.
pub(crate) fn report(case: &Case, end: End, bytes: u64, rss_bytes: Option<u64>, observer: &mut dyn Observer) {
    let heartbeat = |rss_bytes| Heartbeat { bytes, rss_bytes, baseline_rss_bytes: None };
    if end == End::Sender {
        observer.progress(case, End::Receiver, heartbeat(None));
    }
    observer.progress(case, end, heartbeat(rss_bytes));
}
