//! Memory figures of macOS, from `proc_pid_rusage` (libproc.h).
#![allow(unsafe_code, reason = "the figures come from a function of C")]

use std::{io, mem::MaybeUninit, time::Duration};

use libc::{RUSAGE_INFO_V4, c_int, proc_pid_rusage, rusage_info_v4};
use nix::sys::resource::{UsageWho, getrusage};

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
        usage().map(|_| Self(()))
    }

    /// Returns resident memory now, like [`read`](Self::read).
    pub fn read_exact(&self) -> Option<Memory> {
        self.read()
    }

    /// Returns resident memory now. `anon_bytes` is the footprint of the process: memory that no file backs, including
    /// pages that the system has compressed or swapped out. `None` if the system does not report the figures.
    pub fn read(&self) -> Option<Memory> {
        let usage = usage().ok()?;
        Some(Memory { rss_bytes: usage.ri_resident_size, anon_bytes: usage.ri_phys_footprint })
    }

    /// Returns `None` always: these figures are read on Linux only.
    pub fn holdings(&self) -> Option<Holdings> {
        None
    }
}

/// Returns the peak of resident memory since the process started, in bytes. It comes from `getrusage`, because the peak
/// of `proc_pid_rusage` is one of the footprint. Unlike on Linux, it does not include the peak of the parent process.
pub fn peak_rss_bytes() -> Option<u64> {
    u64::try_from(getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss()).ok()
}

/// Returns `None` always: macOS does not report for how long a thread waited for a core.
pub(crate) fn run_delay() -> Option<Duration> {
    None
}

fn usage() -> io::Result<rusage_info_v4> {
    let process = c_int::try_from(std::process::id()).map_err(io::Error::other)?;
    let mut usage = MaybeUninit::<rusage_info_v4>::zeroed();
    // SAFETY: a buffer of this type belongs to this version of the figures.
    let code = unsafe { proc_pid_rusage(process, RUSAGE_INFO_V4, usage.as_mut_ptr().cast()) };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeros are a value of this type, and the call has succeeded.
    Ok(unsafe { usage.assume_init() })
}

/// Returns `None` always, because no times of single threads are read on this system.
pub(crate) fn thread_id() -> Option<u64> {
    None
}

/// Returns `None` always, because no times of single threads are read on this system.
pub(crate) fn thread_times(_: u64) -> Option<crate::ThreadTimes> {
    None
}
