//! The diagnoses of the processor time and memory that the cgroup of this process allows.

use record::mib;

use super::{Affects, Cgroup, Diagnosis, memory::RECLAIM};

/// The processor time that two busy ends use, in percent of one core.
const TWO_CORES: u64 = 200;

/// The memory limit, in MiB, below which two workers, their sockets and the session may not fit.
const ENOUGH_MIB: f64 = 256.0;

pub(super) fn diagnoses(cgroup: &Cgroup) -> [Diagnosis; 2] {
    [cpu(cgroup.cpu_quota_percent()), memory(cgroup.memory_limit_bytes())]
}

fn cpu(percent: Option<u64>) -> Diagnosis {
    let name = "CPU quota";
    let Some(percent) = percent else { return Diagnosis::good(name, "none") };
    let seen = format!("{percent} % of a core");
    if percent >= TWO_CORES {
        return Diagnosis::good(name, seen);
    }
    let cost = "both ends are stopped for a part of each period of 100 ms";
    let said = format!("the quota of this container or service is {seen}");
    let expect = "both ends to be stopped for a part of each period of 100 ms";
    Diagnosis::bad(name, seen, cost, "a container without a quota, or with --cpus 2").warning(
        Affects::All,
        said,
        expect,
    )
}

fn memory(limit: Option<u64>) -> Diagnosis {
    let name = "memory limit";
    let Some(limit) = limit else { return Diagnosis::good(name, "none") };
    let seen = format!("{:.0} MiB", mib(limit));
    if mib(limit) >= ENOUGH_MIB {
        return Diagnosis::good(name, seen);
    }
    let cost = "the kernel reclaims pages while bodies run, and may kill a worker";
    let said = format!("the memory limit of this container or service is {seen}");
    Diagnosis::bad(name, seen, cost, "a container with --memory 1g").warning(Affects::All, said, RECLAIM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_two_cores_and_little_memory_are_problems() {
        assert!(cpu(None).problem.is_none() && cpu(Some(200)).problem.is_none());
        assert!(cpu(Some(150)).problem.is_some());
        assert!(memory(None).problem.is_none() && memory(Some(1 << 30)).problem.is_none());
        assert!(memory(Some(64 << 20)).problem.is_some());
    }
}
