//! The memory and the processor time of a peer during one transfer.

use std::time::Duration;

use process::ProcessorTime;
use record::{CpuRecord, EndRecord, TimelinePoint};

use crate::{exchange::bytes_at, processes::Processes, sampling::Sampling};

/// A running measurement of a peer.
pub(super) struct Watched {
    processes: Processes,
    sampling: Sampling,
    /// The processor time before the transfer.
    before: ProcessorTime,
}

impl Watched {
    /// Begins to sample the memory of a peer.
    pub(super) fn start(processes: Processes) -> Self {
        let sampling = Sampling::start(processes.clone());
        Self { processes, sampling, before: ProcessorTime::default() }
    }

    /// Begins the transfer: memory and processor time until now are the baseline.
    pub(super) fn begin(&mut self) {
        self.processes.find_descendants();
        self.before = self.processes.tree().processor_time();
        self.sampling.begin();
    }

    /// Ends the measurement. If the program has ended, nothing may have waited for it yet, because its processor time
    /// would be lost.
    pub(super) fn end(self) -> Measured {
        let used = self.processes.tree().processor_time().since(self.before);
        self.processes.sample();
        let watch = self.sampling.finish();
        Measured { processes: self.processes, watch, used }
    }
}

/// The finished measurement of a peer.
pub(super) struct Measured {
    processes: Processes,
    watch: crate::watch::Watch,
    used: ProcessorTime,
}

impl Measured {
    /// Returns the record of the peer's end. The samples of longhaul's own end, which began at `began` on
    /// CLOCK_MONOTONIC, give the body bytes at the time of each sample.
    pub(super) fn record(&self, own: &EndRecord, began: Option<Duration>) -> EndRecord {
        let mut end = self.watch.record(&self.processes, own.bytes);
        let sampled = self.watch.began().and_then(metrics::Stamp::monotonic);
        let offset =
            sampled.zip(began).map_or(0.0, |(sampled, began)| sampled.as_secs_f64() - began.as_secs_f64());
        let timeline: &[TimelinePoint] = &own.memory.timeline;
        end.memory.timeline = self.watch.points_at(|seconds| bytes_at(timeline, seconds + offset));
        let (user, system) = (self.used.user.as_secs_f64(), self.used.system.as_secs_f64());
        end.cpu = CpuRecord::of(user, system, 0.0, own.bytes);
        end
    }
}
