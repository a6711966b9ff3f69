//! Memory figures that only Linux gives, from `/proc/self`.

use std::io;

use procfs::{ProcError, page_size, process::Process};

use super::Memory;

/// Reads the process's own memory; keeps `/proc/self` open between readings.
#[derive(Debug)]
pub struct MemoryReader {
    process: Process,
    page: u64,
}

impl MemoryReader {
    /// # Errors
    /// `/proc` is not there.
    pub fn new() -> io::Result<Self> {
        let process = Process::myself().map_err(into_io)?;
        Ok(Self { process, page: page_size() })
    }

    /// What is resident now, from `statm`: its `shared` pages are those that a file or shared memory backs,
    /// so what is left of `resident` is anonymous (proc_pid_statm(5)).
    pub fn read(&self) -> Option<Memory> {
        let statm = self.process.statm().ok()?;
        Some(Memory {
            rss_bytes: statm.resident * self.page,
            anon_bytes: statm.resident.saturating_sub(statm.shared) * self.page,
        })
    }
}

/// The most that was ever resident (VmHWM), in bytes. Unlike `ru_maxrss` it does not inherit the peak of
/// the process that started this one.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = Process::myself().and_then(|process| process.status()).ok()?;
    status.vmhwm.map(|kib| kib * 1024)
}

fn into_io(error: ProcError) -> io::Error {
    io::Error::other(error)
}
