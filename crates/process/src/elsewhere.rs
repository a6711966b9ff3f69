//! The fallback for systems without Linux's `/proc`: no memory figures.

use std::{io, time::Duration};

use crate::{Holdings, Memory};

/// A reader without figures: this system has no Linux `/proc`.
#[derive(Debug)]
pub struct MemoryReader(());

impl MemoryReader {
    /// Makes a reader whose readings are all `None`.
    ///
    /// # Errors
    /// Never on this system. On Linux, a missing `/proc` is an error.
    pub fn new() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Always `None` on this system.
    pub fn read_exact(&self) -> Option<Memory> {
        None
    }

    /// Always `None` on this system.
    pub fn read(&self) -> Option<Memory> {
        None
    }

    /// Always `None` on this system.
    pub fn holdings(&self) -> Option<Holdings> {
        None
    }
}

/// Always `None` on this system. On Linux, the peak of resident memory in bytes.
pub fn peak_rss_bytes() -> Option<u64> {
    None
}

/// Always `None` on this system. On Linux, the time that the main thread waited for a core.
pub(crate) fn run_delay() -> Option<Duration> {
    None
}
