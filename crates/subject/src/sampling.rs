//! Samples of a program's memory, taken on a separate thread, so that a busy transfer does not delay them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use metrics::Stamp;
use nix::sys::prctl;
use record::{Case, End};
use run::Observer;

use crate::{
    processes::Processes,
    watch::{HEARTBEAT, Watch, report},
};

/// A running series of samples. Dropping it ends the series.
pub(crate) struct Sampling {
    has_begun: Arc<AtomicBool>,
    state: Arc<State>,
    thread: Option<JoinHandle<Watch>>,
}

#[derive(Default)]
struct State {
    is_over: AtomicBool,
    /// The latest resident memory, in bytes; 0 before the first sample.
    rss_bytes: AtomicU64,
}

impl Sampling {
    /// Starts to sample. All samples before [`begin`](Self::begin) are the baseline.
    pub(crate) fn start(processes: Processes) -> Self {
        let has_begun = Arc::<AtomicBool>::default();
        let begun = has_begun.clone();
        Self::run(processes, has_begun, move || begun.load(Relaxed).into())
    }

    /// Starts to sample. `progress` returns the body bytes that have moved so far. All samples at zero bytes are the
    /// baseline.
    pub(crate) fn following(processes: Processes, progress: impl Fn() -> u64 + Send + 'static) -> Self {
        Self::run(processes, Arc::default(), progress)
    }

    fn run(
        processes: Processes,
        has_begun: Arc<AtomicBool>,
        progress: impl Fn() -> u64 + Send + 'static,
    ) -> Self {
        let state = Arc::<State>::default();
        let shared = state.clone();
        let thread = thread::spawn(move || {
            // The name distinguishes the cost of sampling from that of the transfer, for instance in top(1).
            let _ = prctl::set_name(c"sampler");
            let mut watch = Watch::default();
            while !shared.is_over.load(Relaxed) {
                let pause = watch.sample(&processes, progress());
                shared.rss_bytes.store(watch.rss_bytes().unwrap_or(0), Relaxed);
                thread::park_timeout(pause);
            }
            watch
        });
        Self { has_begun, state, thread: Some(thread) }
    }

    /// Notes that the transfer has begun.
    pub(crate) fn begin(&self) {
        self.has_begun.store(true, Relaxed);
    }

    /// Returns the latest resident memory of the program, in bytes; `None` before the first sample, and without a process.
    pub(crate) fn rss_bytes(&self) -> Option<u64> {
        Some(self.state.rss_bytes.load(Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Ends the series, and returns its samples.
    pub(crate) fn finish(mut self) -> Watch {
        self.end().unwrap_or_default()
    }

    fn end(&mut self) -> Option<Watch> {
        self.state.is_over.store(true, Relaxed);
        let thread = self.thread.take()?;
        thread.thread().unpark();
        thread.join().ok()
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        self.end();
    }
}

/// The heartbeats of a program that is one end of a body.
pub(crate) struct Heartbeats<'a> {
    pub(crate) case: &'a Case,
    pub(crate) end: End,
    pub(crate) sampling: &'a Sampling,
    last: Option<Stamp>,
}

impl<'a> Heartbeats<'a> {
    pub(crate) fn new(case: &'a Case, end: End, sampling: &'a Sampling) -> Self {
        Self { case, end, sampling, last: None }
    }

    /// Reports the latest sample after `bytes` of the body, if a heartbeat is due.
    pub(crate) fn report(&mut self, bytes: u64, observer: &mut dyn Observer) {
        if self.last.is_none_or(|last| last.elapsed() >= HEARTBEAT) {
            report(self.case, self.end, bytes, self.sampling.rss_bytes(), observer);
            self.last = Some(Stamp::now());
        }
    }
}
