//! The fallback of process trees for systems without Linux's `/proc`: no figures of other processes.

use std::io;

use crate::{Mark, Memory, ProcessorTime, TreeTimes, Unmarked};

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
    pub fn adopt_orphans(&mut self, _: Mark<'_>, _: Unmarked) {}

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

    /// Always without a member on this system.
    pub fn times(&self) -> TreeTimes {
        TreeTimes::default()
    }

    /// Always false on this system.
    pub fn listens_at(&self, _: u16) -> bool {
        false
    }

    /// Always empty on this system.
    pub fn ids(&self) -> Vec<u32> {
        Vec::new()
    }
}
