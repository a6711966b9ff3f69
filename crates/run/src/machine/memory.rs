//! The diagnoses of memory, swap and open files.

use nix::sys::resource::{Resource, getrlimit};

use super::{Affects, Cgroup, Diagnosis};
use record::mib;

/// The available memory, in MiB, that suffices for runs without reclaim. Two workers and their sockets need a few
/// hundred MiB.
const ENOUGH_MIB: f64 = 1024.0;

/// The usual soft limit of open files, which suffices for `--connections 480`.
const USUAL_FILES: u64 = 1024;

/// The number of files that an end has open besides its connections.
const OWN_FILES: u64 = 32;

/// The effect of too little memory, as the object of "expect".
pub(super) const RECLAIM: &str = "pages to be reclaimed while bodies run, or the end of a worker";

/// Diagnoses memory, swap and open files, for ends in `cgroup` with `connections` concurrent connections.
pub(super) fn diagnoses(cgroup: &Cgroup, connections: u32) -> Vec<Diagnosis> {
    let mut diagnoses = kernel(cgroup);
    let limit = getrlimit(Resource::RLIMIT_NOFILE).ok();
    diagnoses.extend(limit.map(|(soft, _)| open_files(soft, connections)));
    diagnoses
}

#[cfg(target_os = "linux")]
fn kernel(cgroup: &Cgroup) -> Vec<Diagnosis> {
    use procfs::Current as _;
    let Ok(memory) = procfs::Meminfo::current() else { return Vec::new() };
    vec![
        available(left(cgroup, &memory)),
        swap(memory.swap_total, memory.swap_total.saturating_sub(memory.swap_free)),
    ]
}

/// Returns the memory that processes of `cgroup` may still take, in bytes.
#[cfg(target_os = "linux")]
fn left(cgroup: &Cgroup, memory: &procfs::Meminfo) -> u64 {
    let of_machine = memory.mem_available.unwrap_or(memory.mem_free);
    cgroup.memory_left_bytes().map_or(of_machine, |left| left.min(of_machine))
}

/// Returns the memory that this process may still take, in bytes; `None` if that is unknown.
#[cfg(target_os = "linux")]
pub(crate) fn available_memory() -> Option<u64> {
    use procfs::Current as _;
    procfs::Meminfo::current().ok().map(|memory| left(&Cgroup::own(), &memory))
}

#[cfg(not(target_os = "linux"))]
fn kernel(_: &Cgroup) -> Vec<Diagnosis> {
    Vec::new()
}

/// Returns nothing: without `/proc`, the available memory is unknown.
#[cfg(not(target_os = "linux"))]
pub(crate) fn available_memory() -> Option<u64> {
    None
}

fn available(bytes: u64) -> Diagnosis {
    let seen = format!("{:.0} MiB available", mib(bytes));
    if mib(bytes) >= ENOUGH_MIB {
        return Diagnosis::good("memory", seen);
    }
    let cost = "the kernel reclaims pages while bodies run, and may kill a worker";
    let said = format!("only {:.0} MiB of memory are available", mib(bytes));
    Diagnosis::bad("memory", seen, cost, "end processes that use memory: ps aux --sort=-rss | head").warning(
        Affects::All,
        said,
        RECLAIM,
    )
}

fn swap(total: u64, used: u64) -> Diagnosis {
    let seen =
        if total == 0 { "off".into() } else { format!("{:.0} of {:.0} MiB used", mib(used), mib(total)) };
    if used == 0 {
        return Diagnosis::good("swap", seen);
    }
    let cost = "pages of a worker that are swapped out are missing from its RSS";
    let said = format!("{:.0} MiB of memory are swapped out", mib(used));
    let expect = "peak RSS without the pages that are swapped out";
    Diagnosis::bad("swap", seen, cost, "sudo swapoff -a").warning(Affects::All, said, expect)
}

fn open_files(soft: u64, connections: u32) -> Diagnosis {
    let seen = format!("{soft} a process");
    let needed = OWN_FILES + 2 * u64::from(connections);
    if soft >= USUAL_FILES.max(needed) {
        return Diagnosis::good("open files", seen);
    }
    let most = soft.saturating_sub(OWN_FILES) / 2;
    let cost = format!("each connection takes two descriptors: more than {most} at once fail");
    let remedy = format!("ulimit -n {}", (4 * USUAL_FILES).max(needed));
    let problem = Diagnosis::bad("open files", seen, cost, remedy);
    if soft >= needed {
        return problem;
    }
    let said = format!("a process may open {soft} files, and each connection takes two");
    problem.warning(Affects::All, said, format!("connections beyond {most} to fail"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_and_used_swap_are_problems() {
        assert!(available(24 << 30).problem.is_none() && available(512 << 20).problem.is_some());
        assert!(swap(0, 0).problem.is_none() && swap(1 << 30, 0).problem.is_none());
        assert!(swap(1 << 30, 1 << 20).problem.is_some());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_can_do_without_huge_pages() {
        let allowed = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            status.lines().find_map(|line| Some(line.strip_prefix("THP_enabled:")?.trim() == "1"))
        };
        // Linux before 5.0, and Linux without huge pages, lacks this line.
        if allowed().is_none() {
            return;
        }
        crate::machine::refuse_huge_pages().unwrap();
        assert_eq!(allowed(), Some(false));
    }

    #[test]
    fn too_few_files_are_a_problem_if_more_are_needed() {
        let tcp = [record::Protocol::by_name("tcp").unwrap()];
        assert!(open_files(1024, 480).problem.is_none());
        let few = open_files(256, 1);
        assert!(few.problem.is_some() && few.warns(&tcp).is_none());
        let warning = open_files(256, 400).warns(&tcp).unwrap().to_string();
        assert!(warning.ends_with("Expect connections beyond 112 to fail."), "{warning}");
        assert!(open_files(4096, 4000).problem.unwrap().remedy.contains("8032"));
    }
}
