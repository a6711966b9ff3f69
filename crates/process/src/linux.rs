//! Memory figures that only Linux offers, from `/proc/self`.

use std::{fs, io, time::Duration};

use procfs::{ProcError, page_size, process::Process};

use crate::{Holdings, Memory, ThreadTimes};

/// A reader of the current process's memory, which keeps files of `/proc/self` open between readings.
#[derive(Debug)]
pub struct MemoryReader {
    process: Process,
    page: u64,
}

impl MemoryReader {
    /// Creates a reader, and opens `/proc/self`.
    ///
    /// # Errors
    /// Fails if `/proc` is not mounted.
    pub fn new() -> io::Result<Self> {
        let process = Process::myself().map_err(into_io)?;
        Ok(Self { process, page: page_size() })
    }

    /// Returns resident memory now, exact to the page.
    ///
    /// The source is `smaps_rollup`, for which the kernel walks the page tables. The walk takes longer than
    /// [`read`](Self::read), whose counters may lag behind by some pages per core. Before Linux 4.14 and in some
    /// sandboxes the file does not exist, and the figures come from `read`. `None` if neither file can be read.
    pub fn read_exact(&self) -> Option<Memory> {
        self.rollup().or_else(|| self.read())
    }

    fn rollup(&self) -> Option<Memory> {
        let rollup = self.process.smaps_rollup().ok()?;
        let fields = &rollup.memory_map_rollup.0.first()?.extension.map;
        Some(Memory { rss_bytes: *fields.get("Rss")?, anon_bytes: *fields.get("Anonymous")? })
    }

    /// Returns resident memory now, from `statm`. A file or shared memory backs its `shared` pages, so `resident -
    /// shared` is anonymous memory (proc_pid_statm(5)). `None` if the file cannot be read.
    pub fn read(&self) -> Option<Memory> {
        let statm = self.process.statm().ok()?;
        Some(Memory {
            rss_bytes: statm.resident * self.page,
            anon_bytes: statm.resident.saturating_sub(statm.shared) * self.page,
        })
    }

    /// Returns the numbers of descriptors and threads, and the memory swapped out and in page tables now. `None` unless
    /// `/proc` states all of them.
    pub fn holdings(&self) -> Option<Holdings> {
        let status = self.process.status().ok()?;
        Some(Holdings {
            // The open handle of the listing is itself one of the descriptors.
            descriptors: (fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1),
            threads: status.threads,
            swap_bytes: status.vmswap? * 1024,
            page_table_bytes: status.vmpte? * 1024,
        })
    }
}

/// Returns the peak of resident memory since the process started (VmHWM), in bytes. `ru_maxrss` would include the peak
/// of the parent process.
///
/// The kernel takes the peak from counters that lag behind (see [`MemoryReader::read_exact`]), so a sample may be
/// higher.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = Process::myself().and_then(|process| process.status()).ok()?;
    status.vmhwm.map(|kib| kib * 1024)
}

/// Returns the time for which the main thread was ready to run but waited for a core: the second number of `schedstat`
/// (Documentation/scheduler/sched-stats.rst). `None` if the kernel was built without this file.
pub(crate) fn run_delay() -> Option<Duration> {
    let text = fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// Returns the number of the calling thread, by which `/proc/self/task` names it.
pub(crate) fn thread_id() -> Option<u64> {
    u64::try_from(nix::unistd::gettid().as_raw()).ok()
}

/// Returns the times of a thread of this process: the first two numbers of its `schedstat`, in nanoseconds
/// (Documentation/scheduler/sched-stats.rst). `None` if the thread has ended, or the kernel was built without this file.
pub(crate) fn thread_times(id: u64) -> Option<ThreadTimes> {
    let text = fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).ok()?;
    let mut times = text.split_ascii_whitespace().map_while(|number| number.parse().ok());
    Some(ThreadTimes::new(Duration::from_nanos(times.next()?), Duration::from_nanos(times.next()?)))
}

pub(crate) fn into_io(error: ProcError) -> io::Error {
    io::Error::other(error)
}
