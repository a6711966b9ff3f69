//! The measurement of one end of a run by itself: baseline, meter, watch for progress, and final reading.

use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use metrics::{Mark, Meter, Readings, Stamp, Timeline};
use process::{CallSite, Memory, MemoryReader, Resources, heap_tracer, peak_rss_bytes};
use record::{ChunkSize, EndRecord, Fault, FaultKind, LinkRecord, MemoryRecord, Rate};
use tokio::time::sleep;
use transport::{FramingObserver, Link};

use crate::{
    Baseline, Heartbeat, Links, Place, ThreadShare, Threads, growth_trace::GrowthTrace,
    holdings::HoldingsLog, machine::KernelMemory, messages::Job, thread_share,
};

/// The initial interval of memory samples, short enough for a memory curve of a transfer of half a second. A sample
/// takes some 20 µs, 0.2 % of a core.
const SAMPLE: Duration = Duration::from_millis(10);

/// The longest interval of memory samples. At a fixed short interval, hundreds of clients on one machine would measure
/// the cost of their own samples.
const SLOWEST_SAMPLE: Duration = Duration::from_millis(100);

/// The delay of a sample that shows an overloaded machine. On two cores, 500 waiting clients spent most of both cores
/// on samples, and left little to their server.
const LATE: Duration = Duration::from_millis(50);

/// The interval after a late sample, as a multiple of the delay of that sample.
const LATE_INTERVAL: u32 = 4;

/// The longest interval after a late sample.
const SLOWEST_LATE_SAMPLE: Duration = Duration::from_secs(1);

/// The interval of heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// The measurement of one end during its transfer.
pub struct Measurement {
    baseline: Baseline,
    /// The resources that the process had used at the end of the preparation.
    prepared: OnceLock<Option<Resources>>,
    /// The instruments of the first thread.
    first: ThreadShare,
    /// The instruments of further threads.
    others: Vec<ThreadShare>,
    began: OnceLock<Stamp>,
    links: Links,
    /// The reader of the kernel's memory for this process; `None` without a cgroup of its own.
    kernel: Option<KernelMemory>,
    /// The observer of the framing that arrives at this end; `None` observes nothing.
    framing: Option<FramingObserver>,
    samples: Mutex<Samples>,
}

#[derive(Default)]
struct Samples {
    timeline: Timeline,
    socket_peak: Option<u64>,
    kernel_peak: Option<u64>,
    trace: Option<GrowthTrace>,
    holdings: Option<HoldingsLog>,
}

impl Measurement {
    /// Returns the measurement of an end with one thread. Bodies come in chunks of `chunk`, over the connections that
    /// `links` reports on.
    pub fn new(baseline: Baseline, chunk: ChunkSize, links: Links) -> Self {
        let first = ThreadShare::new(Place::default(), Meter::new(chunk.into()));
        Self::with(baseline, first, Vec::new(), links)
    }

    /// Returns the measurement of an end with these threads. `rate` is the offered rate of each body; `None` is
    /// unlimited. The other arguments are those of [`new`](Self::new).
    pub fn of_threads(
        baseline: Baseline,
        chunk: ChunkSize,
        rate: Option<Rate>,
        links: Links,
        threads: &Threads,
    ) -> Self {
        let meters = Meter::of_threads(chunk.into(), rate.map(Rate::bytes_per_s), threads.count());
        let mut shares = threads.places().zip(meters).map(|(place, meter)| ThreadShare::new(place, meter));
        match shares.next() {
            Some(first) => Self::with(baseline, first, shares.collect(), links),
            None => Self::new(baseline, chunk, links),
        }
    }

    fn with(baseline: Baseline, first: ThreadShare, others: Vec<ThreadShare>, links: Links) -> Self {
        let samples = Samples { holdings: baseline.holdings, ..Samples::default() };
        Self {
            baseline,
            prepared: OnceLock::new(),
            first,
            others,
            began: OnceLock::new(),
            links,
            kernel: None,
            framing: None,
            samples: Mutex::new(samples),
        }
    }

    /// Samples the kernel's memory of this process as well, if the process has its own cgroup.
    #[must_use]
    pub(crate) fn charged_to(self, kernel: Option<KernelMemory>) -> Self {
        Self { kernel, ..self }
    }

    /// Adds the counts of `framing` to the record of the end.
    #[must_use]
    pub(crate) fn observing(self, framing: Option<FramingObserver>) -> Self {
        Self { framing, ..self }
    }

    /// Begins to trace memory that stays allocated, if the job requests a trace and this program can make one.
    #[must_use]
    pub(crate) fn tracing(self, job: &Job) -> Self {
        let begin = |tracer| GrowthTrace::begin(tracer, job.case.total_bytes());
        self.samples().trace = heap_tracer().filter(|_| job.traces).map(begin);
        self
    }

    /// Ends the trace. Returns the call sites of memory that stays allocated; empty without a trace.
    pub(crate) fn call_sites(&self) -> Vec<CallSite> {
        // The lock is released first, since resolving symbols takes time.
        let trace = self.samples().trace.take();
        trace.map_or_else(Vec::new, |trace| trace.sites())
    }

    fn samples(&self) -> MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the instruments of the thread with this number, counted from 0. A number beyond the last thread returns
    /// those of the first.
    pub fn share(&self, thread: usize) -> &ThreadShare {
        thread.checked_sub(1).and_then(|further| self.others.get(further)).unwrap_or(&self.first)
    }

    /// Returns the instruments of all threads, the first one first.
    pub fn shares(&self) -> impl Iterator<Item = &ThreadShare> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns the stamped offsets of each body with their times, in the order of the numbers of the bodies.
    pub(crate) fn marks(&self) -> Vec<Vec<Mark>> {
        let mut all: Vec<Vec<Mark>> = Vec::new();
        for share in self.shares() {
            let marks = share.meter().marks();
            all.resize_with(all.len().max(marks.len()), Vec::new);
            // Each body passes the meter of one thread, so only that thread has marks of it.
            all.iter_mut().zip(marks).for_each(|(body, marks)| body.extend(marks));
        }
        all
    }

    /// Returns the meter that all bodies of the first thread pass.
    pub fn meter(&self) -> &Meter {
        self.first.meter()
    }

    /// Returns the number of body bytes of all threads so far.
    pub fn bytes(&self) -> u64 {
        self.shares().map(|share| share.meter().bytes()).sum()
    }

    /// Ends the preparation. The processor time of the end counts from now on. Later calls have no effect.
    pub fn prepared(&self) {
        self.prepared.get_or_init(|| {
            if !self.others.is_empty() {
                self.shares().for_each(ThreadShare::prepare);
            }
            Resources::used()
        });
    }

    /// Begins the transfer, and returns the time of the beginning. Later calls return the same time.
    pub fn begin(&self) -> Stamp {
        self.prepared();
        *self.began.get_or_init(|| {
            self.shares().for_each(|share| share.meter().start());
            Stamp::now()
        })
    }

    /// Returns the time of the first body byte, or `None` before that byte.
    pub fn first_byte(&self) -> Option<Stamp> {
        self.shares().filter_map(|share| share.meter().first_byte()).min()
    }

    /// Returns the time from the beginning of the transfer to the first body byte, or `None` before that byte.
    pub fn until_first_byte(&self) -> Option<Duration> {
        Some(self.first_byte()?.since(*self.began.get()?))
    }

    fn elapsed(&self) -> Duration {
        self.began.get().map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// Runs `work` until it ends or stalls, and passes heartbeats to `progress`.
    ///
    /// # Errors
    /// Fails with the fault of the work, or with a timeout if no byte has moved for `timeout`.
    pub async fn watch_over<T>(
        &self,
        timeout: Duration,
        progress: impl Fn(Heartbeat),
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.watch_pulse(timeout, || Some(self.bytes()), progress, work).await
    }

    /// Runs `work` until it ends or its `pulse` stops, and passes heartbeats to `progress`. The pulse is a number that
    /// changes as bytes move, or `None` while no byte can move.
    ///
    /// # Errors
    /// Fails with the error of the work, or with a timeout if the pulse has been the same number for `timeout`.
    pub async fn watch_pulse<T, E: From<Fault>>(
        &self,
        timeout: Duration,
        pulse: impl Fn() -> Option<u64>,
        progress: impl Fn(Heartbeat),
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            done = work => done,
            () = self.watch(timeout, pulse, progress) => {
                let message = format!("no byte moved for {} s", timeout.as_secs_f64());
                Err(Fault::new(FaultKind::Timeout, message).into())
            }
        }
    }

    /// Takes samples and passes heartbeats to `progress`. Returns once the pulse has been the same number for
    /// `timeout`.
    async fn watch(&self, timeout: Duration, pulse: impl Fn() -> Option<u64>, progress: impl Fn(Heartbeat)) {
        let (mut moved, mut seen, mut reported) = (Stamp::now(), Some(0), None::<Stamp>);
        let mut delay = Duration::ZERO;
        loop {
            let bytes = self.bytes();
            let (memory, pause) = self.sample(bytes);
            if reported.is_none_or(|reported| reported.elapsed() >= HEARTBEAT) {
                let rss = |memory: &Memory| memory.rss_bytes;
                let baseline_rss_bytes = self.baseline.memory.as_ref().map(rss);
                progress(Heartbeat { bytes, rss_bytes: memory.as_ref().map(rss), baseline_rss_bytes });
                self.sample_holdings();
                reported = Some(Stamp::now());
            }
            let pulse = pulse();
            if pulse.is_none() || pulse != seen {
                (seen, moved) = (pulse, Stamp::now());
            } else if moved.elapsed() >= timeout {
                return;
            }
            let (pause, asleep) = (spaced(pause, delay), Stamp::now());
            sleep(pause).await;
            delay = asleep.elapsed().saturating_sub(pause);
        }
    }

    /// Takes a sample of memory. Returns the sample, and the interval until the next one.
    fn sample(&self, bytes: u64) -> (Option<Memory>, Duration) {
        let memory = self.baseline.reader.as_ref().and_then(MemoryReader::read);
        let socket = (self.links)().socket_memory_bytes;
        let kernel = self.kernel.as_ref().and_then(KernelMemory::bytes);
        let mut samples = self.samples();
        samples.socket_peak = samples.socket_peak.max(socket);
        samples.kernel_peak = samples.kernel_peak.max(kernel);
        if let Some(trace) = &mut samples.trace {
            trace.pass(bytes);
        }
        if let Some(memory) = memory.filter(|_| self.began.get().is_some()) {
            samples.timeline.sample(self.elapsed(), memory, bytes);
        }
        (memory, samples.timeline.step().clamp(SAMPLE, SLOWEST_SAMPLE))
    }

    /// Takes a sample of the process's descriptors, threads, swap and page tables. It takes longer than a sample of
    /// memory, so it is taken with each heartbeat only.
    fn sample_holdings(&self) {
        let now = self.baseline.reader.as_ref().and_then(MemoryReader::holdings);
        let mut samples = self.samples();
        if let Some((log, now)) = samples.holdings.as_mut().zip(now) {
            log.sample(now);
        }
    }

    /// Returns the records of the end and of its connections, as of now.
    pub fn read(&self) -> (EndRecord, LinkRecord) {
        let prepared = self.prepared.get().copied().flatten();
        let resources = Resources::used().zip(prepared).map(|(now, then)| now.since(then));
        let link = (self.links)();
        // The memory is read first, because encoding the distributions takes memory.
        let memory = self.memory(&link, self.bytes());
        let readings = self.readings();
        let mut end = EndRecord::default();
        (end.bytes, end.memory) = (readings.bytes, memory);
        end.memory.heap_bytes = readings.most_heap_bytes;
        end.memory.heap_timeline = readings.heap;
        self.state_holdings(&mut end);
        if let Some(resources) = resources {
            let spun = self.shares().map(|share| share.spin_time().total()).sum();
            end.cpu = resources.cpu(readings.bytes, spun);
            (end.faults, end.context_switches) = (Some(resources.faults), Some(resources.switches));
            end.run_delay_s = resources.run_delay.map(|delay| delay.as_secs_f64());
        }
        if !self.others.is_empty() {
            end.run_delay_s = thread_share::run_delay(self.shares()).map(|delay| delay.as_secs_f64());
            end.worker_threads = Some(self.shares().map(ThreadShare::record).collect());
        }
        end.stamp_every_chunks = readings.stamp_every_chunks;
        end.longest_silence_s = readings.longest_silence.map(|silence| silence.as_secs_f64());
        (end.throughput, end.lateness) = (readings.throughput, readings.lateness);
        (end.pull_wait, end.chunk_latency) = (readings.pull_wait.clone(), readings.pull_wait);
        end.application_wait_s = Some(readings.application_wait.as_secs_f64());
        (end.send_waits, end.receive_window_bytes) = (link.send_waits, link.receive_window_bytes);
        end.transport = link.stats.clone();
        end.framing = self.framing.as_ref().map(FramingObserver::record).map(Box::new);
        (end, link.record())
    }

    /// Returns the measurements of the meters of all threads together.
    fn readings(&self) -> Readings {
        let meters: Vec<Meter> = self.shares().map(|share| share.meter().clone()).collect();
        Meter::merged(&meters).unwrap_or_else(|| self.first.meter().readings())
    }

    fn state_holdings(&self, end: &mut EndRecord) {
        self.sample_holdings();
        let holdings = self.samples().holdings;
        if let Some(holdings) = holdings {
            holdings.state(end);
        }
    }

    fn memory(&self, link: &Link, bytes: u64) -> MemoryRecord {
        let mut samples = self.samples();
        if let Some(memory) = self.baseline.reader.as_ref().and_then(MemoryReader::read_exact) {
            samples.timeline.finish(self.elapsed(), memory, bytes);
        }
        let mut record = MemoryRecord::default();
        record.baseline_rss_bytes = self.baseline.memory.map(|memory| memory.rss_bytes);
        let highest = samples.timeline.peak_rss_bytes().max(record.baseline_rss_bytes);
        record.peak_rss_bytes = peak_rss_bytes().max(highest);
        record.baseline_anon_bytes = self.baseline.memory.map(|memory| memory.anon_bytes);
        record.peak_anon_bytes = samples.timeline.peak_anon_bytes();
        record.socket_peak_bytes = samples.socket_peak.max(link.socket_memory_bytes);
        record.kernel_bytes = samples.kernel_peak;
        record.timeline = samples.timeline.points().to_vec();
        record
    }
}

/// Returns the interval until the next sample. It is `pause`, or longer if the last sample was late by [`LATE`] or
/// more.
fn spaced(pause: Duration, delay: Duration) -> Duration {
    if delay < LATE {
        return pause;
    }
    pause.max(delay.saturating_mul(LATE_INTERVAL).min(SLOWEST_LATE_SAMPLE))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn samples_are_rarer_while_they_come_late() {
        let millis = Duration::from_millis;
        assert_eq!(spaced(millis(10), millis(49)), millis(10));
        assert_eq!(spaced(millis(10), millis(50)), millis(200));
        assert_eq!(spaced(millis(100), millis(50)), millis(200));
        assert_eq!(spaced(millis(10), Duration::MAX), millis(1000));
    }

    #[test]
    fn a_sample_above_the_kernels_own_peak_is_the_peak() {
        let measurement = Measurement::new(Baseline::take(), ChunkSize::DEFAULT, Arc::new(Link::default));
        let own = measurement.read().0.memory;
        assert!(
            own.peak_rss_bytes >= own.baseline_rss_bytes && own.peak_rss_bytes < Some(1 << 40),
            "{own:?}"
        );
        let mut memory = Memory::default();
        memory.rss_bytes = 1 << 40;
        measurement.samples.lock().unwrap().timeline.sample(Duration::ZERO, memory, 0);
        assert_eq!(measurement.read().0.memory.peak_rss_bytes, Some(1 << 40));
    }
}
