//! Samples of a program's memory from a thread of their own, so that a busy transfer does not delay them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use crate::{processes::Processes, watch::Watch};

/// A running series of samples. Dropping it ends the series.
pub(crate) struct Sampling {
    state: Arc<State>,
    thread: Option<JoinHandle<Watch>>,
}

#[derive(Default)]
struct State {
    has_begun: AtomicBool,
    is_over: AtomicBool,
    /// The latest resident memory, in bytes; 0 before the first sample.
    rss_bytes: AtomicU64,
}

impl Sampling {
    /// Starts to sample. All samples before [`begin`](Self::begin) are the baseline.
    pub(crate) fn start(processes: Processes) -> Self {
        let state = Arc::<State>::default();
        let shared = state.clone();
        let thread = thread::spawn(move || {
            let mut watch = Watch::default();
            while !shared.is_over.load(Relaxed) {
                let pause = watch.sample(&processes, shared.has_begun.load(Relaxed).into());
                shared.rss_bytes.store(watch.rss_bytes().unwrap_or(0), Relaxed);
                thread::park_timeout(pause);
            }
            watch
        });
        Self { state, thread: Some(thread) }
    }

    /// Notes that the transfer has begun.
    pub(crate) fn begin(&self) {
        self.state.has_begun.store(true, Relaxed);
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
