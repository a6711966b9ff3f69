//! What an end measures of itself, and the watch over its progress.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use metrics::{
    Meter, Stamp, Timeline,
    process::{Memory, MemoryReader, Resources, peak_rss_bytes},
};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use transport::Link;

use crate::record::{CpuRecord, EndRecord, LinkRecord, MemoryRecord};

/// How often memory is sampled at first: often enough for a curve of a transfer of half a second, and a
/// reading of some 20 µs costs a core 0.2 %.
const SAMPLE: Duration = Duration::from_millis(10);

/// How often it is sampled at least, however long the transfer: hundreds of clients on one machine must not
/// measure their own sampling.
const SLOWEST_SAMPLE: Duration = Duration::from_millis(100);

/// How often whoever watches is told.
const PROGRESS: Duration = Duration::from_millis(250);

/// A sign of life of an end: how far it has come, and what it holds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sign {
    /// Body bytes so far.
    pub(crate) bytes: u64,
    /// Resident memory now.
    pub(crate) rss_bytes: Option<u64>,
    /// Resident memory before the first byte.
    pub(crate) baseline_rss_bytes: Option<u64>,
}

/// Memory and time before the transfer.
pub(crate) struct Baseline {
    memory: Option<Memory>,
    resources: Option<Resources>,
    reader: Option<MemoryReader>,
}

impl Baseline {
    /// To be taken after the handshake, before payload and meters are made.
    pub(crate) fn take() -> Self {
        let reader = MemoryReader::new().ok();
        let memory = reader.as_ref().and_then(MemoryReader::read);
        Self { memory, resources: Resources::used(), reader }
    }
}

/// Tells the current state of the connections that an end has, all together.
pub(crate) type Links = Arc<dyn Fn() -> Link + Send + Sync>;

/// The instruments of one end during its transfer.
pub(crate) struct Instruments {
    baseline: Baseline,
    pub(crate) meter: Meter,
    began: OnceLock<Stamp>,
    links: Links,
    samples: Mutex<Samples>,
}

#[derive(Default)]
struct Samples {
    timeline: Timeline,
    socket_peak: Option<u64>,
}

impl Instruments {
    pub(crate) fn new(baseline: Baseline, chunk_bytes: u64, links: Links) -> Self {
        let meter = Meter::new(chunk_bytes);
        Self { baseline, meter, began: OnceLock::new(), links, samples: Mutex::default() }
    }

    /// The transfer begins, unless it has begun already: tells when.
    pub(crate) fn begin(&self) -> Stamp {
        *self.began.get_or_init(|| {
            self.meter.start();
            Stamp::now()
        })
    }

    /// From the beginning to the first body byte.
    pub(crate) fn first_byte(&self) -> Option<Duration> {
        Some(self.meter.readings().first_byte?.since(*self.began.get()?))
    }

    fn elapsed(&self) -> Duration {
        self.began.get().map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// Samples until it is dropped, telling `progress` a few times a second.
    /// Returns when nothing has moved for `timeout`.
    pub(crate) async fn watch(&self, timeout: Duration, progress: impl Fn(Sign)) {
        let (mut moved, mut seen, mut told) = (Stamp::now(), 0, None::<Stamp>);
        loop {
            let bytes = self.meter.bytes();
            let (memory, pause) = self.sample(bytes);
            if told.is_none_or(|told| told.elapsed() >= PROGRESS) {
                let rss = |memory: &Memory| memory.rss_bytes;
                let baseline_rss_bytes = self.baseline.memory.as_ref().map(rss);
                progress(Sign { bytes, rss_bytes: memory.as_ref().map(rss), baseline_rss_bytes });
                told = Some(Stamp::now());
            }
            if bytes != seen {
                (seen, moved) = (bytes, Stamp::now());
            } else if moved.elapsed() >= timeout {
                return;
            }
            sleep(pause).await;
        }
    }

    /// Takes a sample; says after how long the next one is worth taking.
    fn sample(&self, bytes: u64) -> (Option<Memory>, Duration) {
        let memory = self.baseline.reader.as_ref().and_then(MemoryReader::read);
        let socket = (self.links)().socket_memory_bytes;
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.socket_peak = samples.socket_peak.max(socket);
        if let Some(memory) = memory.filter(|_| self.began.get().is_some()) {
            samples.timeline.sample(self.elapsed(), memory, bytes);
        }
        (memory, samples.timeline.step().clamp(SAMPLE, SLOWEST_SAMPLE))
    }

    /// The end's record and its connection, as of now.
    pub(crate) fn read(&self) -> (EndRecord, LinkRecord) {
        let resources = Resources::used().zip(self.baseline.resources).map(|(now, then)| now.since(then));
        let link = (self.links)();
        // Before the distributions are encoded, which takes memory of its own.
        let memory = self.memory(&link, self.meter.bytes());
        let readings = self.meter.readings();
        let end = EndRecord {
            bytes: readings.bytes,
            memory,
            cpu: cpu(resources, readings.bytes),
            faults: resources.map(|resources| resources.faults),
            context_switches: resources.map(|resources| resources.switches),
            throughput: readings.throughput,
            chunk_latency: readings.chunk_latency,
            transport: link.stats,
        };
        let link = LinkRecord {
            alpn: link.alpn,
            cipher: link.cipher,
            socket_send_buffer_bytes: link.socket_send_buffer_bytes,
            socket_receive_buffer_bytes: link.socket_receive_buffer_bytes,
            mtu: link.mtu,
        };
        (end, link)
    }

    fn memory(&self, link: &Link, bytes: u64) -> MemoryRecord {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = self.baseline.reader.as_ref().and_then(MemoryReader::read) {
            samples.timeline.finish(self.elapsed(), memory, bytes);
        }
        MemoryRecord {
            baseline_rss_bytes: self.baseline.memory.map(|memory| memory.rss_bytes),
            peak_rss_bytes: peak_rss_bytes(),
            baseline_anon_bytes: self.baseline.memory.map(|memory| memory.anon_bytes),
            peak_anon_bytes: samples.timeline.peak_anon_bytes(),
            budget_bytes: None,
            within_budget: None,
            socket_peak_bytes: samples.socket_peak.max(link.socket_memory_bytes),
            timeline: samples.timeline.points().to_vec(),
        }
    }
}

/// All connections of an end as one.
pub(crate) fn together(mut links: impl Iterator<Item = Link>) -> Link {
    let mut all = links.next().unwrap_or_default();
    links.for_each(|link| all.add(&link));
    all
}

fn cpu(resources: Option<Resources>, bytes: u64) -> CpuRecord {
    let gib = bytes as f64 / f64::from(1 << 30);
    let used = |resources: Resources| (resources.user + resources.system).as_secs_f64();
    CpuRecord {
        user_s: resources.map(|resources| resources.user.as_secs_f64()),
        system_s: resources.map(|resources| resources.system.as_secs_f64()),
        s_per_gib: resources.filter(|_| bytes > 0).map(|resources| used(resources) / gib),
    }
}
