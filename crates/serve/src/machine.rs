//! The resources of this machine that the limits of a server must fit: memory and file descriptors.

use std::{fs, path::Path};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use record::ByteSize;

/// The resources that a process may use.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Machine {
    /// The memory that is free for this process: the memory that the kernel reports as available, or the rest of a
    /// control group's limit if that is less. `None` if neither is known.
    pub memory: Option<ByteSize>,
    /// The file descriptors that this process may open.
    pub descriptors: u64,
}

impl Machine {
    /// Returns the resources of this process, after raising its soft limit of file descriptors to the hard limit. Go
    /// programs do the same at their start.
    pub fn prepare() -> Self {
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(USUAL_DESCRIPTORS, |(soft, hard)| {
            let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
            if raised { hard } else { soft }
        });
        Self { memory: [available(), left_in_group()].into_iter().flatten().min().map(ByteSize), descriptors }
    }
}

/// The limit of file descriptors that is assumed if it cannot be read: the usual one.
const USUAL_DESCRIPTORS: u64 = 1024;

/// Returns MemAvailable of proc_meminfo(5), in bytes.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Returns the least memory that is left in the control group of this process, or in one above it, in bytes.
fn left_in_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(|line| left_in(line, Path::new("/sys/fs/cgroup"))).min()
}

/// The files of one version of control groups: the limit, and the line of memory.stat with the memory in use. The page
/// cache does not count, since the kernel can reclaim it.
struct Files {
    limit: &'static str,
    used: &'static str,
}

const VERSION_1: Files = Files { limit: "memory.limit_in_bytes", used: "total_rss" };
const VERSION_2: Files = Files { limit: "memory.max", used: "anon" };

/// Returns the least memory that is left in the control group of one line of /proc/self/cgroup (cgroups(7)), or in a
/// group above it.
fn left_in(line: &str, root: &Path) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (root, files) = if number == "0" {
        (root.to_owned(), VERSION_2)
    } else if controllers.split(',').any(|controller| controller == "memory") {
        (root.join("memory"), VERSION_1)
    } else {
        return None;
    };
    let path = root.join(path.trim_start_matches('/'));
    let groups = path.ancestors().take_while(|group| group.starts_with(&root));
    groups.filter_map(|group| left(group, &files)).min()
}

fn left(group: &Path, files: &Files) -> Option<u64> {
    let limit: u64 = fs::read_to_string(group.join(files.limit)).ok()?.trim().parse().ok()?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let used = stat.lines().find_map(|line| line.strip_prefix(files.used)?.trim().parse::<u64>().ok());
    Some(limit.saturating_sub(used.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory_and_descriptors() {
        let machine = Machine::prepare();
        assert!(machine.descriptors >= 64, "{machine:?}");
        #[cfg(target_os = "linux")]
        assert!(machine.memory.is_some_and(|memory| memory.0 > 1 << 20), "{machine:?}");
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(machine.descriptors, soft);
    }

    fn write(group: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(group).unwrap();
        files.iter().for_each(|(name, text)| fs::write(group.join(name), text).unwrap());
    }

    #[test]
    fn the_tightest_group_of_either_version_counts() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("memory.max", "max\n")]);
        write(&root.path().join("a"), &[("memory.max", "1000\n"), ("memory.stat", "file 5\nanon 300\n")]);
        write(&root.path().join("a/b"), &[("memory.max", "5000\n")]);
        assert_eq!(left_in("0::/a/b", root.path()), Some(700));
        assert_eq!(left_in("0::/", root.path()), None);
        let memory = root.path().join("memory/c");
        write(&memory, &[("memory.limit_in_bytes", "64\n"), ("memory.stat", "rss 1\ntotal_rss 4\n")]);
        assert_eq!(left_in("5:cpu,memory:/c", root.path()), Some(60));
        assert_eq!(left_in("4:cpu:/c", root.path()), None);
        assert_eq!(left_in("nonsense", root.path()), None);
    }
}
