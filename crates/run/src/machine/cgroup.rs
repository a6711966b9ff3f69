//! The limits, throttled time and out-of-memory kills of this process's cgroup. Supports cgroup v2, and the controllers
//! of v1.

mod enclosure;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use enclosure::Enclosures;
pub(crate) use enclosure::{Enclosure, KernelMemory};

/// The value from which a memory limit of v1 means "no limit": the kernel states just under 2⁶³, rounded to pages.
const UNLIMITED: u64 = 1 << 62;

/// The folders of this process's cgroup in the hierarchies that limit processor time and memory. The parents of each
/// follow, up to the root, since their limits apply as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cgroup {
    cpu: Vec<PathBuf>,
    memory: Vec<PathBuf>,
}

impl Cgroup {
    /// Returns the cgroup of this process. Without cgroups or a mount of their file system, there are no limits.
    pub(crate) fn own() -> Self {
        Self { cpu: folders("cpu").unwrap_or_default(), memory: folders("memory").unwrap_or_default() }
    }

    /// Returns the processor time that the tightest quota allows, in percent of one core.
    pub(crate) fn cpu_quota_percent(&self) -> Option<u64> {
        self.cpu.iter().filter_map(|folder| quota(folder)).min()
    }

    /// Returns the tightest memory limit, in bytes.
    pub(crate) fn memory_limit_bytes(&self) -> Option<u64> {
        self.memory.iter().filter_map(|folder| memory_limit(folder)).min()
    }

    /// Returns the memory that the processes may still take, in bytes. The page cache counts as free, since the kernel
    /// can reclaim it.
    pub(super) fn memory_left_bytes(&self) -> Option<u64> {
        let left = |folder: &PathBuf| {
            let used = ["anon", "total_rss"].into_iter().find_map(|key| keyed(folder, "memory.stat", key));
            Some(memory_limit(folder)?.saturating_sub(used.unwrap_or(0)))
        };
        self.memory.iter().filter_map(left).min()
    }

    /// Returns the seconds for which a quota has stopped the processes so far, or `None` without a quota.
    pub(super) fn throttled_s(&self) -> Option<f64> {
        let throttled = |folder: &PathBuf| {
            quota(folder)?;
            let of = |name, per_s| Some(keyed(folder, "cpu.stat", name)? as f64 / per_s);
            of("throttled_usec", 1e6).or_else(|| of("throttled_time", 1e9))
        };
        self.cpu.iter().filter_map(throttled).reduce(f64::max)
    }

    /// Returns the number of out-of-memory kills in this cgroup so far.
    fn oom_kills(&self) -> Option<u64> {
        let folder = self.memory.first()?;
        ["memory.events", "memory.oom_control"].into_iter().find_map(|file| keyed(folder, file, "oom_kill"))
    }
}

/// The number of processes that the kernel has killed so far because memory ran out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OomKills {
    /// The kills in the cgroup of this process. In v1, those in cgroups below it are not counted.
    cgroup: Option<u64>,
    /// The kills on the whole machine.
    machine: Option<u64>,
}

impl OomKills {
    /// Reads the numbers of kills so far.
    pub(crate) fn counted(cgroup: &Cgroup) -> Self {
        Self { cgroup: cgroup.oom_kills(), machine: keyed(Path::new("/proc"), "vmstat", "oom_kill") }
    }

    /// Returns the number of kills since `earlier`: those in the cgroup, or on the machine if the cgroup does not count
    /// them.
    pub(super) fn since(self, earlier: Self) -> Option<u64> {
        let more = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        more(self.cgroup, earlier.cgroup).or_else(|| more(self.machine, earlier.machine))
    }

    /// Returns whether a process was killed since `earlier`, in the cgroup or anywhere on the machine.
    pub(super) fn have_risen_since(self, earlier: Self) -> bool {
        self.cgroup > earlier.cgroup || self.machine > earlier.machine
    }
}

/// Returns the folders of this process's cgroup for a controller, from its own up to the root of the hierarchy.
#[cfg(target_os = "linux")]
fn folders(controller: &str) -> Option<Vec<PathBuf>> {
    let process = procfs::process::Process::myself().ok()?;
    let groups = process.cgroups().ok()?.0;
    let mounts = process.mountinfo().ok()?.0;
    let named = |group: &&procfs::ProcessCGroup| group.controllers.iter().any(|name| name == controller);
    let (group, is_v1) = match groups.iter().find(named) {
        Some(group) => (group, true),
        None => (groups.iter().find(|group| group.hierarchy == 0)?, false),
    };
    let mount = mounts.iter().find(|mount| {
        if is_v1 {
            mount.fs_type == "cgroup" && mount.super_options.contains_key(controller)
        } else {
            mount.fs_type == "cgroup2"
        }
    })?;
    // In a container, the mount may show a part of the hierarchy only, or paths may start at the container's own
    // cgroup.
    let below = group.pathname.strip_prefix(mount.root.as_str()).unwrap_or(&group.pathname);
    let own = mount.mount_point.join(below.trim_start_matches('/'));
    let above = own.ancestors().take_while(|folder| folder.starts_with(&mount.mount_point));
    Some(above.filter(|folder| folder.is_dir()).map(Path::to_owned).collect())
}

#[cfg(not(target_os = "linux"))]
fn folders(_: &str) -> Option<Vec<PathBuf>> {
    None
}

/// Returns the memory limit of one folder, in bytes; `None` without a limit.
fn memory_limit(folder: &Path) -> Option<u64> {
    let stated = number(folder, "memory.max").or_else(|| number(folder, "memory.limit_in_bytes"))?;
    (stated < UNLIMITED).then_some(stated)
}

/// Returns the CPU quota of one folder, in percent of one core; `None` without a quota. v2 has the file `cpu.max` with
/// `MAX PERIOD`, v1 a file for each, all in microseconds.
fn quota(folder: &Path) -> Option<u64> {
    let (quota, period) = match fs::read_to_string(folder.join("cpu.max")) {
        Ok(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
        Err(_) => (number(folder, "cpu.cfs_quota_us")?, number(folder, "cpu.cfs_period_us")?),
    };
    u64::checked_mul(quota, 100)?.checked_div(period)
}

/// Returns the number that a file consists of. `None` if the file has a word such as `max`, or a negative number.
fn number(folder: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
}

/// Returns the number after `key` in a file of lines `KEY NUMBER`.
fn keyed(folder: &Path, file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(folder.join(file)).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a cgroup two levels deep, with these files in its own folder and in its parent.
    fn cgroup(own: &[(&str, &str)], above: &[(&str, &str)]) -> (tempfile::TempDir, Cgroup) {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("inner");
        fs::create_dir(&inner).unwrap();
        for (folder, files) in [(inner.as_path(), own), (root.path(), above)] {
            for (name, text) in files {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        let folders = vec![inner, root.path().to_owned()];
        (root, Cgroup { cpu: folders.clone(), memory: folders })
    }

    #[test]
    fn the_tightest_limit_of_version_2_holds() {
        let own = [("cpu.max", "max 100000\n"), ("memory.max", "max\n"), ("cpu.stat", "usage_usec 5\n")];
        let above = [
            ("cpu.max", "150000 100000\n"),
            ("memory.max", "1073741824\n"),
            ("memory.stat", "file 500000000\nanon 73741824\n"),
            ("cpu.stat", "usage_usec 7\nnr_throttled 3\nthrottled_usec 2500000\n"),
        ];
        let (_root, cgroup) = cgroup(&own, &above);
        assert_eq!(cgroup.cpu_quota_percent(), Some(150));
        assert_eq!(cgroup.memory_limit_bytes(), Some(1 << 30));
        assert_eq!(cgroup.memory_left_bytes(), Some(1_000_000_000));
        assert_eq!(cgroup.throttled_s(), Some(2.5));
    }

    #[test]
    fn limits_of_version_1_are_read_from_its_own_files() {
        let own = [
            ("cpu.cfs_quota_us", "50000\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 500000000\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"),
        ];
        let (_root, cgroup) =
            cgroup(&own, &[("cpu.cfs_quota_us", "-1\n"), ("cpu.cfs_period_us", "100000\n")]);
        assert_eq!((cgroup.cpu_quota_percent(), cgroup.throttled_s()), (Some(50), Some(0.5)));
        assert_eq!((cgroup.memory_limit_bytes(), cgroup.oom_kills()), (None, Some(4)));
        assert_eq!(cgroup.memory_left_bytes(), None);
    }

    #[test]
    fn nothing_is_limited_without_limits() {
        for cgroup in [cgroup(&[("cpu.max", "max 100000\n")], &[]).1, Cgroup::default()] {
            assert_eq!((cgroup.cpu_quota_percent(), cgroup.memory_limit_bytes()), (None, None));
            assert_eq!((cgroup.throttled_s(), cgroup.oom_kills()), (None, None));
        }
    }

    #[test]
    fn kills_of_the_cgroup_are_counted_before_those_of_the_machine() {
        let kills = |cgroup, machine| OomKills { cgroup, machine };
        let earlier = kills(Some(4), Some(9));
        assert_eq!(kills(Some(5), Some(12)).since(earlier), Some(1));
        assert_eq!(kills(None, Some(12)).since(earlier), Some(3));
        assert_eq!(kills(None, None).since(earlier), None);
        assert!(kills(Some(4), Some(10)).have_risen_since(earlier));
        assert!(!earlier.have_risen_since(earlier) && !kills(None, None).have_risen_since(earlier));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_machine_counts_kills() {
        assert!(OomKills::counted(&Cgroup::own()).machine.is_some());
    }
}
