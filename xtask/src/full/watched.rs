//! The resources of a running process, as `/proc` shows them.

use std::fs;

use anyhow::{Context as _, Result};

/// The figures of a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    /// Resident memory, in bytes.
    pub(super) rss: u64,
    /// Open file descriptors.
    pub(super) descriptors: u64,
    pub(super) threads: u64,
}

impl Holding {
    /// Reads the figures of a process from `/proc`.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let figure = |field: &str| field_of(&status, field).with_context(|| format!("{path} has no {field}"));
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
        // VmRSS is in KiB (proc_pid_status(5)).
        Ok(Self { rss: figure("VmRSS:")? << 10, descriptors, threads: figure("Threads:")? })
    }
}

fn field_of(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_memory_descriptors_and_threads() {
        let held = Holding::of(std::process::id()).unwrap();
        assert!(held.rss > 1 << 20 && held.descriptors >= 3 && held.threads >= 2, "{held:?}");
    }
}
