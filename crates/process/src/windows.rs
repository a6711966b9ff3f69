//! Memory figures of Windows, from `GetProcessMemoryInfo` (psapi.h).
#![allow(unsafe_code, reason = "the figures come from a function of C")]

use std::{io, ptr::from_mut};

use windows_sys::Win32::System::{
    ProcessStatus::{GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS_EX},
    Threading::GetCurrentProcess,
};

use crate::{Holdings, Memory};

/// A reader of the current process's memory.
#[derive(Debug)]
pub struct MemoryReader(());

impl MemoryReader {
    /// Creates a reader.
    ///
    /// # Errors
    /// Fails if the system does not report the figures.
    pub fn new() -> io::Result<Self> {
        counters().map(|_| Self(()))
    }

    /// Returns resident memory now, like [`read`](Self::read).
    pub fn read_exact(&self) -> Option<Memory> {
        self.read()
    }

    /// Returns resident memory now: the working set. `anon_bytes` is the private memory that is committed, whether
    /// resident or not. `None` if the system does not report the figures.
    pub fn read(&self) -> Option<Memory> {
        let counters = counters().ok()?;
        Some(Memory { rss_bytes: counters.WorkingSetSize as u64, anon_bytes: counters.PrivateUsage as u64 })
    }

    /// Returns `None` always: these figures are read on Linux only.
    pub fn holdings(&self) -> Option<Holdings> {
        None
    }
}

/// Returns the peak of resident memory since the process started, in bytes: the peak of the working set.
pub fn peak_rss_bytes() -> Option<u64> {
    Some(counters().ok()?.PeakWorkingSetSize as u64)
}

fn counters() -> io::Result<PROCESS_MEMORY_COUNTERS_EX> {
    const SIZE: u32 = size_of::<PROCESS_MEMORY_COUNTERS_EX>() as u32;
    let mut counters = PROCESS_MEMORY_COUNTERS_EX { cb: SIZE, ..Default::default() };
    // SAFETY: the structure is of the size that is passed, and begins with the fields of PROCESS_MEMORY_COUNTERS.
    let is_done = unsafe { GetProcessMemoryInfo(GetCurrentProcess(), from_mut(&mut counters).cast(), SIZE) };
    if is_done == 0 { Err(io::Error::last_os_error()) } else { Ok(counters) }
}

/// Returns `None` always, because no times of single threads are read on this system.
pub(crate) fn thread_id() -> Option<u64> {
    None
}

/// Returns `None` always, because no times of single threads are read on this system.
pub(crate) fn thread_times(_: u64) -> Option<crate::ThreadTimes> {
    None
}
