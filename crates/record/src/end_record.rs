//! The measurements of one end, which the end's own process takes.

use serde::{Deserialize, Serialize};

use crate::{Framing, Latency, SendWaits, Throughput, TransportStats};

/// The measurements of one end of a run. A figure that could not be taken is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EndRecord {
    /// The number of body bytes that passed the meter of the end.
    pub bytes: u64,
    /// The memory of the end's process.
    pub memory: MemoryRecord,
    /// The processor time of the end's process.
    pub cpu: CpuRecord,
    /// The page faults of the end's process; null if they were not counted.
    pub faults: Option<PageFaults>,
    /// The context switches of the end's process; null if they were not counted.
    pub context_switches: Option<ContextSwitches>,
    /// Seconds for which the end's main thread was ready to run but waited for its core (`/proc/self/schedstat`), from
    /// the end of the preparation to the report. At an end of several threads, the longest such time of any thread.
    /// Null in records written before 2026-11-27.
    #[serde(default)]
    pub run_delay_s: Option<f64>,
    /// The number of chunks per reading of the meter's clock: over 1 for small chunks, for which reading the clock each
    /// time costs too much. Null in records written before 2026-11-27, whose senders read the clock for each chunk.
    #[serde(default)]
    pub stamp_every_chunks: Option<u64>,
    /// The distribution of throughput over windows of body; null under 20 windows. At an end of several threads, a
    /// window covers the bytes of one thread, so the rates are those of single threads.
    pub throughput: Option<Throughput>,
    /// The longest time in seconds between two readings of the meter's clock, from the first body byte on. During this
    /// time, fewer than `stamp_every_chunks` chunks of each body passed. At an end of several threads, the longest such
    /// time of any thread. Null in records written before 2026-11-27.
    #[serde(default)]
    pub longest_silence_s: Option<f64>,
    /// The sender's time from handing over a chunk to the request for the next one. This time measures backpressure,
    /// not the latency of delivery. Null on the receiver. Records written before 2026-11-27 have `chunk_latency` only.
    #[serde(default)]
    pub pull_wait: Option<Latency>,
    /// The value of `pull_wait` under the earlier name of that field.
    #[serde(default)]
    pub chunk_latency: Option<Latency>,
    /// The time from the moment at which a chunk was due until the chunk was handed over; null unless the sender was
    /// held to a rate (`--limit-rate`). The schedule starts with the body and never shifts: a chunk that waits behind a
    /// late one is late itself.
    #[serde(default)]
    pub lateness: Option<Latency>,
    /// Seconds for which the bodies of the end waited for the application, summed over all bodies. A sender waits for
    /// the payload and the rate (`--limit-rate`), a receiver for the sink and the rate (`--reader-rate`). Work on the
    /// processor does not count. Null in records written before 2026-11-28.
    #[serde(default)]
    pub application_wait_s: Option<f64>,
    /// The waits of the sender over HTTP/2; null for other protocols, on the receiver, and in records written before
    /// 2026-11-28.
    #[serde(default)]
    pub send_waits: Option<SendWaits>,
    /// The receive window of the end's HTTP/2 connection at the report, in bytes, or the largest one of several
    /// connections. With `--h2-window auto`, it is the size that the window has grown to. Null for other protocols, and
    /// in records written before 2026-11-28.
    #[serde(default)]
    pub receive_window_bytes: Option<u64>,
    /// The counters of the end's connections; null if none could be read.
    pub transport: Option<TransportStats>,
    /// The chunks, frames, records and datagrams in which the bytes arrived; null on the sender, and unless they were
    /// observed (`--observe-framing`). Observation takes processor time, so compare such runs only with each other.
    #[serde(default)]
    pub framing: Option<Box<Framing>>,
    /// The number of open file descriptors of the end's process; null if they were not counted.
    #[serde(default)]
    pub descriptors: Option<Held>,
    /// The number of threads of the end's process; null if they were not counted.
    #[serde(default)]
    pub threads: Option<Held>,
    /// The figures of each thread that carries connections (`--threads`), the first thread first. Null for an end with
    /// one such thread, and in records written before 2026-11-28.
    #[serde(default)]
    pub worker_threads: Option<Vec<ThreadRecord>>,
}

/// The figures of one thread of an end that carries connections. A figure that could not be taken is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ThreadRecord {
    /// The core that the thread is bound to; null if it is not bound.
    pub core: Option<u64>,
    /// The number of connections of the run that the thread carried.
    pub connections: u64,
    /// The number of body bytes that passed the meter of the thread.
    pub bytes: u64,
    /// Seconds of processor time of the thread, busy-polling included, from the end of the preparation to the report;
    /// null if the system does not account it.
    pub cpu_s: Option<f64>,
}

/// The amount of a resource that a process holds: at the baseline, at its peak, and at the end of the transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Held {
    /// The amount of the resource before the first body byte.
    pub baseline: u64,
    /// The largest amount of the resource in any sample.
    pub peak: u64,
    /// The amount of the resource after the last body byte.
    pub end: u64,
}

impl Held {
    /// Creates the figures of a resource of which the process holds the amount `baseline` before the first body byte.
    pub fn of(baseline: u64) -> Self {
        Self { baseline, peak: baseline, end: baseline }
    }

    /// Adds a sample, which becomes the end value and may become the peak.
    pub fn sample(&mut self, now: u64) {
        (self.peak, self.end) = (self.peak.max(now), now);
    }
}

impl EndRecord {
    /// Returns the pull wait, also from a record that states it under the earlier name `chunk_latency`.
    pub fn pull_wait(&self) -> Option<&Latency> {
        self.pull_wait.as_ref().or(self.chunk_latency.as_ref())
    }
}

/// The memory of one end's process, in bytes. A figure that could not be taken is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MemoryRecord {
    /// The baseline of resident memory: VmRSS after the handshake, before the first body byte and before payload block
    /// and histograms exist.
    pub baseline_rss_bytes: Option<u64>,
    /// The peak of resident memory: the higher of VmHWM at the end and the highest sample. VmHWM may lie below a
    /// sample, because the kernel takes it from a counter that lags behind. In schema version 1, the peak is VmHWM
    /// alone.
    pub peak_rss_bytes: Option<u64>,
    /// True if `peak_rss_bytes` is the highest sample only: the kernel keeps no peak of several processes together, or
    /// no peak of this run alone. Null for longhaul's own ends.
    #[serde(default)]
    pub peak_is_of_samples: Option<bool>,
    /// The baseline of anonymous memory: the resident pages that no file backs.
    pub baseline_anon_bytes: Option<u64>,
    /// The most anonymous memory in any sample.
    pub peak_anon_bytes: Option<u64>,
    /// The most memory that the end may add to its baseline RSS.
    pub budget_bytes: Option<u64>,
    /// True if peak RSS exceeded the baseline by no more than the budget; null if a figure is missing.
    pub within_budget: Option<bool>,
    /// The most kernel memory in the queues of the end's sockets, over all samples. RSS does not include it.
    pub socket_peak_bytes: Option<u64>,
    /// The memory during the transfer: at most 256 samples, each `[seconds, RSS, anonymous RSS, body bytes]`.
    pub timeline: Vec<TimelinePoint>,
    /// The most live heap at any reading of the meter's clock (`stamp_every_chunks`); null if the heap was not counted.
    #[serde(default)]
    pub heap_bytes: Option<u64>,
    /// The live heap at body offsets of 2^k bytes and at equal distances. The distance is at most 64 MiB for bodies up
    /// to 16 GiB. Each point is `[body bytes, bytes, allocations, bytes in use in the heap of C]`; null if the heap was
    /// not counted. The bytes are the least at any reading of the meter's clock since the previous point, so that short
    /// queues add little.
    #[serde(default)]
    pub heap_timeline: Option<Vec<HeapPoint>>,
    /// Anonymous memory that was swapped out, which RSS does not include; null if it was not read.
    #[serde(default)]
    pub swap_bytes: Option<Held>,
    /// The memory of page tables, which RSS does not include; null if it was not read.
    #[serde(default)]
    pub page_table_bytes: Option<Held>,
    /// The most kernel memory charged to the end's own cgroup, over all samples: sockets, slabs, page tables, kernel
    /// stacks. Null if the end has no cgroup of its own. Only `prove` makes one, if its user has the permission.
    #[serde(default)]
    pub kernel_bytes: Option<u64>,
}

impl EndRecord {
    /// Returns the memory that the timeline and the distributions occupy in this process, in bytes.
    pub fn detail_bytes(&self) -> usize {
        let hdr = |hdr: Option<&String>| hdr.map_or(0, String::len);
        let latencies = [&self.chunk_latency, &self.pull_wait, &self.lateness].into_iter().flatten();
        let distributions = latencies.map(|latency| hdr(latency.hdr.as_ref())).sum::<usize>()
            + hdr(self.throughput.as_ref().and_then(|throughput| throughput.hdr.as_ref()));
        distributions + self.memory.timeline.len() * size_of::<TimelinePoint>()
    }

    /// Drops the timeline and the distributions. The percentiles of the distributions stay.
    pub fn drop_details(&mut self) {
        self.memory.timeline = Vec::new();
        for latency in
            [&mut self.chunk_latency, &mut self.pull_wait, &mut self.lateness].into_iter().flatten()
        {
            latency.hdr = None;
        }
        if let Some(throughput) = &mut self.throughput {
            throughput.hdr = None;
        }
    }
}

impl MemoryRecord {
    /// Returns the growth of peak RSS over the baseline, in bytes; `None` if a figure is missing.
    pub fn growth(&self) -> Option<u64> {
        Some(self.peak_rss_bytes?.saturating_sub(self.baseline_rss_bytes?))
    }

    /// Returns growth and budget in bytes if the growth exceeds the budget, or if the record states so.
    pub fn over_budget(&self) -> Option<(u64, u64)> {
        let (growth, budget) = (self.growth()?, self.budget_bytes?);
        (growth > budget || self.within_budget == Some(false)).then_some((growth, budget))
    }

    /// Sets the budget, and states whether the growth of peak RSS stayed within the budget.
    pub fn hold_against(&mut self, budget_bytes: u64) {
        self.budget_bytes = Some(budget_bytes);
        self.within_budget = self.growth().map(|growth| growth <= budget_bytes);
    }
}

/// One sample of a transfer's memory; an array of four numbers in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "(f64, u64, u64, u64)"))]
#[serde(from = "(f64, u64, u64, u64)", into = "(f64, u64, u64, u64)")]
pub struct TimelinePoint {
    /// The time in seconds since the transfer began.
    pub seconds: f64,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// Anonymous memory, in bytes: the resident pages that no file backs.
    pub anon_bytes: u64,
    /// The number of body bytes that had passed the meter.
    pub body_bytes: u64,
}

impl From<(f64, u64, u64, u64)> for TimelinePoint {
    fn from((seconds, rss_bytes, anon_bytes, body_bytes): (f64, u64, u64, u64)) -> Self {
        Self { seconds, rss_bytes, anon_bytes, body_bytes }
    }
}

impl From<TimelinePoint> for (f64, u64, u64, u64) {
    fn from(point: TimelinePoint) -> Self {
        (point.seconds, point.rss_bytes, point.anon_bytes, point.body_bytes)
    }
}

/// The live heap when the body had passed an offset; an array of four numbers in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "(u64, u64, u64, Option<u64>)"))]
#[serde(from = "(u64, u64, u64, Option<u64>)", into = "(u64, u64, u64, Option<u64>)")]
pub struct HeapPoint {
    /// The number of body bytes that had passed the meter.
    pub body_bytes: u64,
    /// The least live memory of Rust code since the previous point, in bytes as requested from the allocator.
    pub bytes: u64,
    /// The number of allocations that Rust code had not freed.
    pub allocations: u64,
    /// Bytes in use in the C heap, where aws-lc allocates; null if the C library does not report them.
    pub c_bytes: Option<u64>,
}

impl HeapPoint {
    /// Returns the bytes in use in both heaps.
    pub fn total_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.c_bytes.unwrap_or(0))
    }
}

impl From<(u64, u64, u64, Option<u64>)> for HeapPoint {
    fn from((body_bytes, bytes, allocations, c_bytes): (u64, u64, u64, Option<u64>)) -> Self {
        Self { body_bytes, bytes, allocations, c_bytes }
    }
}

impl From<HeapPoint> for (u64, u64, u64, Option<u64>) {
    fn from(point: HeapPoint) -> Self {
        (point.body_bytes, point.bytes, point.allocations, point.c_bytes)
    }
}

/// Processor time of the end's process, in seconds, from the end of the preparation to the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CpuRecord {
    /// Seconds in user mode.
    pub user_s: Option<f64>,
    /// Seconds in the kernel.
    pub system_s: Option<f64>,
    /// Seconds of user and system time that a receiver spent on busy-polling; 0 for an end that does not busy-poll,
    /// null in records of schema version 1.
    #[serde(default)]
    pub spin_s: Option<f64>,
    /// Seconds of user and system time per GiB of body, without busy-polling; null without a body.
    pub s_per_gib: Option<f64>,
}

impl CpuRecord {
    /// Returns the processor time of an end that moved `bytes` of body. `spin_s` is the part of the processor time that
    /// was spent on busy-polling, in seconds.
    pub fn of(user_s: f64, system_s: f64, spin_s: f64, bytes: u64) -> Self {
        let gib = bytes as f64 / f64::from(1 << 30);
        // Each time has its own measuring error, so the difference of small times may be negative.
        let s_per_gib = (bytes > 0).then(|| (user_s + system_s - spin_s).max(0.0) / gib);
        Self { user_s: Some(user_s), system_s: Some(system_s), spin_s: Some(spin_s), s_per_gib }
    }
}

/// The number of page faults of a process during its transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PageFaults {
    /// Faults served without reading from a disk, mostly for fresh pages.
    pub minor: u64,
    /// Faults for which the kernel read from a disk.
    pub major: u64,
}

/// The number of context switches of a process during its transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContextSwitches {
    /// Switches because the process waited, for example for a socket.
    pub voluntary: u64,
    /// Switches because the kernel preempted the process.
    pub involuntary: u64,
}
