//! The memory of a program during one transfer.

use std::time::Duration;

use metrics::{Stamp, Timeline};
use process::Memory;
use record::{Case, End, EndRecord, MemoryRecord, TimelinePoint};
use run::{Heartbeat, Observer};

use crate::program::Program;

/// The shortest interval of samples: often enough for a curve of a transfer of a quarter of a second.
const SAMPLE: Duration = Duration::from_millis(2);

/// The interval of samples of a long transfer, whose timeline has no room for more. Shorter intervals find no other peak of
/// a single process, since the kernel keeps that.
const LONG: Duration = Duration::from_millis(20);

/// The longest interval of samples.
const SLOWEST: Duration = Duration::from_secs(1);

/// The interval of heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// The interval at which descendants are looked for.
const LOOK: Duration = Duration::from_millis(100);

/// The least time from one sample to the next, as a multiple of the time that a sample takes: reading the memory of a
/// large tree takes milliseconds.
const COST: u32 = 150;

/// The number of latest samples that are timed. The shortest time counts, because longer ones were interrupted.
const RECENT: usize = 8;

/// The samples of a program's memory, against the body bytes that have moved.
#[derive(Default)]
pub(crate) struct Watch {
    timeline: Timeline,
    /// Memory before the first body byte, or at the first sample after it.
    baseline: Option<Memory>,
    began: Option<Stamp>,
    latest: Option<Memory>,
    looked: Option<Stamp>,
    reported: Option<Stamp>,
    /// The times that the latest samples took.
    costs: [Duration; RECENT],
    samples: usize,
}

impl Watch {
    /// Takes a sample after `bytes` of the body. Returns the time until the next one is due.
    pub(crate) fn sample(&mut self, program: &Program, bytes: u64) -> Duration {
        let now = Stamp::now();
        if self.looked.is_none_or(|looked| now.since(looked) >= LOOK) {
            program.find_descendants();
            self.looked = Some(now);
        }
        self.latest = self.read(program);
        if let Some(memory) = self.latest {
            if bytes == 0 || self.baseline.is_none() {
                self.baseline = Some(memory);
            }
            if bytes > 0 {
                let began = *self.began.get_or_insert(now);
                self.timeline.sample(now.since(began), memory, bytes);
            }
        }
        let cost = self.costs.iter().take(self.samples).min().copied().unwrap_or_default();
        let interval = self.timeline.step().clamp(SAMPLE, LONG);
        cost.saturating_mul(COST).clamp(interval, SLOWEST)
    }

    /// Reads the memory, and notes how long that took.
    fn read(&mut self, program: &Program) -> Option<Memory> {
        let began = Stamp::now();
        let memory = program.tree().read();
        self.costs[self.samples % RECENT] = began.elapsed();
        self.samples += 1;
        memory
    }

    /// Reports the latest sample of the program, which is one end of the body, if a heartbeat is due. No bound stands
    /// beside it, because the buffers of the program are unknown. The receiver always reports the bytes.
    pub(crate) fn report(&mut self, case: &Case, end: End, bytes: u64, observer: &mut dyn Observer) {
        if self.reported.is_some_and(|reported| reported.elapsed() < HEARTBEAT) {
            return;
        }
        let heartbeat = |rss_bytes| Heartbeat { bytes, rss_bytes, baseline_rss_bytes: None };
        if end == End::Sender {
            observer.progress(case, End::Receiver, heartbeat(None));
        }
        observer.progress(case, end, heartbeat(self.latest.map(|memory| memory.rss_bytes)));
        self.reported = Some(Stamp::now());
    }

    /// Returns the time since the first sample after the first byte; `None` before that sample.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        self.began.map(Stamp::elapsed)
    }

    /// Returns the samples with body bytes in proportion to time, up to `total`. The progress of a program that reads its
    /// own input is unknown.
    pub(crate) fn points_by_time(&self, total: u64) -> Vec<TimelinePoint> {
        let points = self.timeline.points();
        let whole = points.last().map_or(1.0, |last| last.seconds.max(f64::MIN_POSITIVE));
        let placed = |point: &TimelinePoint| TimelinePoint {
            body_bytes: (total as f64 * point.seconds / whole) as u64,
            ..*point
        };
        points.iter().map(placed).collect()
    }

    /// Makes the record of the program as one end of a body. `bytes` of the body have moved.
    pub(crate) fn record(&self, program: &Program, bytes: u64) -> EndRecord {
        let mut memory = MemoryRecord::default();
        memory.baseline_rss_bytes = self.baseline.map(|memory| memory.rss_bytes);
        memory.baseline_anon_bytes = self.baseline.map(|memory| memory.anon_bytes);
        memory.peak_rss_bytes = program.tree().peak_rss_bytes().max(memory.baseline_rss_bytes);
        memory.peak_anon_bytes = self.timeline.peak_anon_bytes().max(memory.baseline_anon_bytes);
        memory.timeline = self.timeline.points().to_vec();
        let mut end = EndRecord::default();
        (end.bytes, end.memory) = (bytes, memory);
        end
    }
}
