//! Memory, swap, open files.

use nix::sys::resource::{Resource, getrlimit};

use super::{Concerns, Finding};
use crate::size::mib;

/// Two workers and their sockets need some hundred MiB; below this much the kernel starts to reclaim.
const ENOUGH_MIB: f64 = 1024.0;

/// The usual soft limit, which is enough for `--connections 480`.
const USUAL_FILES: u64 = 1024;

/// What an end has open besides its connections.
const OWN_FILES: u64 = 32;

/// `connections` are what an end will have at once.
pub(super) fn findings(connections: u32) -> Vec<Finding> {
    let mut findings = kernel();
    let limit = getrlimit(Resource::RLIMIT_NOFILE).ok();
    findings.extend(limit.map(|(soft, _)| open_files(soft, connections)));
    findings
}

#[cfg(target_os = "linux")]
fn kernel() -> Vec<Finding> {
    use procfs::Current as _;
    let Ok(memory) = procfs::Meminfo::current() else { return Vec::new() };
    vec![
        available(memory.mem_available.unwrap_or(memory.mem_free)),
        swap(memory.swap_total, memory.swap_total.saturating_sub(memory.swap_free)),
    ]
}

#[cfg(not(target_os = "linux"))]
fn kernel() -> Vec<Finding> {
    Vec::new()
}

fn available(bytes: u64) -> Finding {
    let seen = format!("{:.0} MiB available", mib(bytes));
    if mib(bytes) >= ENOUGH_MIB {
        return Finding::good("memory", seen);
    }
    let cost = "the kernel reclaims pages while bodies run, and may kill a worker";
    Finding::bad("memory", seen, Concerns::All, cost, "end what takes the memory: ps aux --sort=-rss | head")
}

fn swap(total: u64, used: u64) -> Finding {
    let seen =
        if total == 0 { "off".into() } else { format!("{:.0} of {:.0} MiB used", mib(used), mib(total)) };
    if used == 0 {
        return Finding::good("swap", seen);
    }
    let cost = "pages of a worker that are swapped out are missing from its RSS";
    Finding::bad("swap", seen, Concerns::All, cost, "sudo swapoff -a")
}

fn open_files(soft: u64, connections: u32) -> Finding {
    let seen = format!("{soft} a process");
    let needed = OWN_FILES + 2 * u64::from(connections);
    if soft >= USUAL_FILES.max(needed) {
        return Finding::good("open files", seen);
    }
    let concerns = if soft < needed { Concerns::All } else { Concerns::Nobody };
    let cost = format!("each connection takes two: over {} at once fail", soft.saturating_sub(OWN_FILES) / 2);
    let mend = format!("ulimit -n {}", (4 * USUAL_FILES).max(needed));
    Finding::bad("open files", seen, concerns, cost, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_and_used_swap_are_trouble() {
        assert!(available(24 << 30).trouble.is_none() && available(512 << 20).trouble.is_some());
        assert!(swap(0, 0).trouble.is_none() && swap(1 << 30, 0).trouble.is_none());
        assert!(swap(1 << 30, 1 << 20).trouble.is_some());
    }

    #[test]
    fn too_few_files_are_trouble_to_who_needs_more() {
        let tcp = [transport::by_name("tcp").unwrap()];
        assert!(open_files(1024, 480).trouble.is_none());
        let few = open_files(256, 1);
        assert!(few.trouble.is_some() && few.note(&tcp).is_none());
        let note = open_files(256, 400).note(&tcp).unwrap();
        assert!(note.contains("over 112 at once fail"), "{note}");
        assert!(open_files(4096, 4000).trouble.unwrap().mend.contains("8032"));
    }
}
