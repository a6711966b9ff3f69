//! The fallback for systems without Linux's `/proc`: no memory figures.

use std::{io, time::Duration};

use crate::{Holdings, Memory, ProcessorTime};

/// A reader of memory without figures, for systems without Linux's `/proc`.
#[derive(Debug)]
pub struct MemoryReader(());

impl MemoryReader {
    /// Creates a reader whose readings are all `None`.
    ///
    /// # Errors
    /// Never fails on this system. On Linux, a missing `/proc` is an error.
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
pub(crate) fn run_delay() -> Option<Duration> {
    None
}

/// A tree without figures: this system has no Linux `/proc`.
#[derive(Debug)]
pub struct ProcessTree(());

impl ProcessTree {
    /// Never succeeds on this system.
    ///
    /// # Errors
    /// Always on this system. On Linux, a process that does not exist is an error.
    pub fn of(_: u32) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Does nothing on this system.
    pub fn restart_peak(&mut self) {}

    /// Always false on this system.
    pub fn is_peak_of_readings(&self) -> bool {
        false
    }

    /// Finds nothing on this system.
    pub fn find_descendants(&mut self) {}

    /// Adds nothing on this system.
    pub fn adopt_children_marked(&mut self, _: &str, _: &str) {}

    /// Always `None` on this system.
    pub fn read(&mut self) -> Option<Memory> {
        None
    }

    /// Always `None` on this system.
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        None
    }

    /// Always 0 on this system.
    pub fn processor_ticks(&self) -> u64 {
        0
    }

    /// Always zero on this system.
    pub fn processor_time(&self) -> ProcessorTime {
        ProcessorTime::default()
    }

    /// Always empty on this system.
    pub fn ids(&self) -> Vec<u32> {
        Vec::new()
    }
}
