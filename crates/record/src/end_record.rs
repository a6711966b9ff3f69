//! The measurements of one end, taken by itself.

use serde::{Deserialize, Serialize};

use crate::{Latency, Throughput};

/// The measurements of one end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EndRecord {
    /// Body bytes that passed the meter of the end.
    pub bytes: u64,
    /// Memory of the end's process.
    pub memory: MemoryRecord,
    /// Processor time of the end's process.
    pub cpu: CpuRecord,
    /// Page faults of the end's process.
    pub faults: Option<PageFaults>,
    /// Context switches of the end's process.
    pub context_switches: Option<ContextSwitches>,
    /// Seconds that the end's main thread was ready to run and waited for its core (`/proc/self/schedstat`), from the
    /// baseline to the report; null in records written before 2026-11-27.
    #[serde(default)]
    pub run_delay_s: Option<f64>,
    /// The meter reads the clock for one chunk in this many, so that it costs little with small chunks; null in records
    /// written before 2026-11-27, whose senders read it for each chunk.
    #[serde(default)]
    pub stamp_every_chunks: Option<u64>,
    /// Throughput by windows of body; null under 20 windows.
    pub throughput: Option<Throughput>,
    /// The longest time in seconds, from the first body byte on, between two readings of the meter's clock. Less than
    /// `stamp_every_chunks` chunks of each body passed in it. Null in records written before 2026-11-27.
    #[serde(default)]
    pub longest_silence_s: Option<f64>,
    /// The sender's time from handing over a chunk to the request for the next one, which is backpressure and no
    /// latency of delivery; null on the receiver. Records written before 2026-11-27 have `chunk_latency` only.
    #[serde(default)]
    pub pull_wait: Option<Latency>,
    /// The earlier name of `pull_wait`, with the same value.
    #[serde(default)]
    pub chunk_latency: Option<Latency>,
    /// The time from the point of the schedule at which a chunk was due until it was handed over; null unless the
    /// sender was held to a rate (`--limit-rate`). The schedule begins with the body and never shifts: a chunk that
    /// waits behind a late one is late itself.
    #[serde(default)]
    pub lateness: Option<Latency>,
    /// Counters of the end's connections.
    pub transport: Option<TransportStats>,
    /// Open file descriptors of the end's process; null where they were not counted.
    #[serde(default)]
    pub descriptors: Option<Held>,
    /// Threads of the end's process; null where they were not counted.
    #[serde(default)]
    pub threads: Option<Held>,
}

/// A resource that a process holds, over its transfer: at the baseline, at most, and at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Held {
    /// Before the first body byte.
    pub baseline: u64,
    /// The most of any sample.
    pub peak: u64,
    /// After the last body byte.
    pub end: u64,
}

impl Held {
    /// A resource of which a process holds `baseline` at first.
    pub fn of(baseline: u64) -> Self {
        Self { baseline, peak: baseline, end: baseline }
    }

    /// Adds a sample, which is the last one so far.
    pub fn sample(&mut self, now: u64) {
        (self.peak, self.end) = (self.peak.max(now), now);
    }
}

impl EndRecord {
    /// The pull wait, also that of a record which has it under its earlier name.
    pub fn pull_wait(&self) -> Option<&Latency> {
        self.pull_wait.as_ref().or(self.chunk_latency.as_ref())
    }
}

/// Memory of one end, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MemoryRecord {
    /// VmRSS after the handshake, before the first body byte and before payload block and histograms exist.
    pub baseline_rss_bytes: Option<u64>,
    /// The higher of VmHWM at the end and the highest sample. Up to schema version 1 it was VmHWM alone, which may lie
    /// below a sample: the kernel keeps it from a counter that lags behind.
    pub peak_rss_bytes: Option<u64>,
    /// The baseline without pages that a file backs.
    pub baseline_anon_bytes: Option<u64>,
    /// The most anonymous memory of any sample.
    pub peak_anon_bytes: Option<u64>,
    /// The most that the end may add to its baseline.
    pub budget_bytes: Option<u64>,
    /// True if the growth stayed within the budget.
    pub within_budget: Option<bool>,
    /// The most kernel memory of any sample in the sockets' queues, which RSS does not see.
    pub socket_peak_bytes: Option<u64>,
    /// At most 256 samples, each `[seconds, RSS, anonymous RSS, body bytes]`.
    pub timeline: Vec<TimelinePoint>,
    /// The most live heap at any stamp of the meter (`stamp_every_chunks`); null where the heap was not counted.
    #[serde(default)]
    pub heap_bytes: Option<u64>,
    /// Live heap at body offsets of 2^k and at equal distances, which are 64 MiB or less up to 16 GiB. Each point is
    /// `[body bytes, bytes, allocations, bytes in use in the heap of C]`; null where the heap was not counted. The bytes
    /// are the least at any stamp of the meter since the point before, so that what is queued for a moment shows little.
    #[serde(default)]
    pub heap_timeline: Option<Vec<HeapPoint>>,
    /// Anonymous memory that was swapped out, which leaves RSS; null where it was not read.
    #[serde(default)]
    pub swap_bytes: Option<Held>,
    /// Page tables, which are not in RSS; null where they were not read.
    #[serde(default)]
    pub page_table_bytes: Option<Held>,
    /// The most kernel memory of any sample that was charged to a cgroup of the end's own: sockets, slabs, page tables,
    /// kernel stacks. Null without such a cgroup, which only `prove` makes, where it may.
    #[serde(default)]
    pub kernel_bytes: Option<u64>,
}

impl EndRecord {
    /// The memory of the timeline and of the distributions, in bytes.
    pub fn detail_bytes(&self) -> usize {
        let hdr = |hdr: Option<&String>| hdr.map_or(0, String::len);
        let latencies = [&self.chunk_latency, &self.pull_wait, &self.lateness].into_iter().flatten();
        let distributions = latencies.map(|latency| hdr(latency.hdr.as_ref())).sum::<usize>()
            + hdr(self.throughput.as_ref().and_then(|throughput| throughput.hdr.as_ref()));
        distributions + self.memory.timeline.len() * size_of::<TimelinePoint>()
    }

    /// Drops the timeline and the distributions; their percentiles stay.
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
    /// The growth of peak RSS over the baseline, in bytes.
    pub fn growth(&self) -> Option<u64> {
        Some(self.peak_rss_bytes?.saturating_sub(self.baseline_rss_bytes?))
    }

    /// Growth and budget in bytes, if the growth exceeds the budget.
    pub fn over_budget(&self) -> Option<(u64, u64)> {
        let (growth, budget) = (self.growth()?, self.budget_bytes?);
        (growth > budget || self.within_budget == Some(false)).then_some((growth, budget))
    }

    /// Sets the budget, and whether the growth stayed within it.
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
    /// Seconds since the transfer began.
    pub seconds: f64,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// Resident memory that no file backs, in bytes.
    pub anon_bytes: u64,
    /// Body bytes that had passed.
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

/// Live heap as a body offset passed the meter; an array of four numbers in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "(u64, u64, u64, Option<u64>)"))]
#[serde(from = "(u64, u64, u64, Option<u64>)", into = "(u64, u64, u64, Option<u64>)")]
pub struct HeapPoint {
    /// Body bytes that had passed.
    pub body_bytes: u64,
    /// The least bytes that Rust code had allocated and not freed since the point before, as they were asked for.
    pub bytes: u64,
    /// Allocations that were not freed.
    pub allocations: u64,
    /// Bytes in use in the heap of C, where aws-lc allocates; null where the C library does not tell.
    pub c_bytes: Option<u64>,
}

impl HeapPoint {
    /// The bytes in use in both heaps.
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

/// Processor time from the end of the preparation to the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CpuRecord {
    /// Time in user mode.
    pub user_s: Option<f64>,
    /// Time in the kernel.
    pub system_s: Option<f64>,
    /// The part of user and system time that a receiver spent on busy-polling; 0 for an end that does not busy-poll,
    /// null in records of schema version 1.
    #[serde(default)]
    pub spin_s: Option<f64>,
    /// User and system time without busy-polling, per GiB of body; null without a body.
    pub s_per_gib: Option<f64>,
}

impl CpuRecord {
    /// The times of a process that has moved `bytes` of body, and busy-polled for `spin_s` of them.
    pub fn of(user_s: f64, system_s: f64, spin_s: f64, bytes: u64) -> Self {
        let gib = bytes as f64 / f64::from(1 << 30);
        // Each time has an error of its own, so that the difference of two small ones may be negative.
        let s_per_gib = (bytes > 0).then(|| (user_s + system_s - spin_s).max(0.0) / gib);
        Self { user_s: Some(user_s), system_s: Some(system_s), spin_s: Some(spin_s), s_per_gib }
    }
}

/// Page faults of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PageFaults {
    /// Faults served without reading a disk: fresh pages, above all.
    pub minor: u64,
    /// Faults served from a disk.
    pub major: u64,
}

/// Context switches of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContextSwitches {
    /// The process waited for something.
    pub voluntary: u64,
    /// The kernel preempted the process.
    pub involuntary: u64,
}

/// The counters of a connection, or of all connections of an end together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TransportStats {
    /// The counters of the kernel, for TCP.
    Tcp(TcpStats),
    /// The counters of quinn, for QUIC.
    Quic(QuicStats),
}

/// The kernel's counters of a TCP connection (TCP_INFO).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TcpStats {
    /// Segments sent again.
    pub retransmits: u64,
    /// Smoothed round-trip time, in microseconds.
    pub rtt_us: u64,
    /// Congestion window, in segments.
    pub cwnd: u64,
    /// The largest segment sent, in bytes.
    pub mss: u64,
    /// Payload bytes sent and acknowledged.
    pub bytes_acked: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
}

/// quinn's counters of a QUIC connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QuicStats {
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// Bytes in the datagrams sent.
    pub bytes_sent: u64,
    /// Bytes in the datagrams received.
    pub bytes_received: u64,
    /// System calls that sent datagrams.
    pub sends: u64,
    /// System calls that received datagrams.
    pub receives: u64,
    /// Packets declared lost.
    pub lost_packets: u64,
    /// Times that the congestion controller backed off.
    pub congestion_events: u64,
    /// The largest UDP payload of the path, in bytes.
    pub mtu: u64,
    /// Smoothed round-trip time, in microseconds.
    pub rtt_us: u64,
    /// Congestion window, in bytes.
    pub cwnd: u64,
}

impl TransportStats {
    /// Adds the counters of another connection of the same end. Round-trip time, windows and sizes stay those of the
    /// first connection.
    pub fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Tcp(mine), Self::Tcp(theirs)) => {
                mine.retransmits += theirs.retransmits;
                mine.bytes_acked += theirs.bytes_acked;
                mine.bytes_received += theirs.bytes_received;
            }
            (Self::Quic(mine), Self::Quic(theirs)) => {
                mine.datagrams_sent += theirs.datagrams_sent;
                mine.datagrams_received += theirs.datagrams_received;
                mine.bytes_sent += theirs.bytes_sent;
                mine.bytes_received += theirs.bytes_received;
                mine.sends += theirs.sends;
                mine.receives += theirs.receives;
                mine.lost_packets += theirs.lost_packets;
                mine.congestion_events += theirs.congestion_events;
            }
            _ => {}
        }
    }
}
