//! The fallback for systems whose figures this crate does not read.

use std::io;
#[cfg(unix)]
use std::time::Duration;

use crate::{Holdings, Memory};

/// A reader of memory without figures, because none are read on this system.
#[derive(Debug)]
pub struct MemoryReader(());

impl MemoryReader {
    /// Creates a reader whose readings are all `None`.
    ///
    /// # Errors
    /// Never fails on this system.
    pub fn new() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Returns `None` always, because this system does not report the figures.
    pub fn read_exact(&self) -> Option<Memory> {
        None
    }

    /// Returns `None` always, because this system does not report the figures.
    pub fn read(&self) -> Option<Memory> {
        None
    }

    /// Returns `None` always, because this system does not report the figures.
    pub fn holdings(&self) -> Option<Holdings> {
        None
    }
}

/// Returns `None` always on this system. On Linux, returns the peak of resident memory in bytes.
pub fn peak_rss_bytes() -> Option<u64> {
    None
}

/// Returns `None` always on this system. On Linux, returns the time for which the main thread waited for a core.
#[cfg(unix)]
pub(crate) fn run_delay() -> Option<Duration> {
    None
}

/// Returns `None` always, because no times of single threads are read on this system.
pub(crate) fn thread_id() -> Option<u64> {
    None
}

/// Returns `None` always, because no times of single threads are read on this system.
pub(crate) fn thread_times(_: u64) -> Option<crate::ThreadTimes> {
    None
}
