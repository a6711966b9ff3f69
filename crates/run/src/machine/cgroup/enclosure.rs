//! One cgroup for each end of a run. Its accounting shows the kernel memory that this end causes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use super::{Cgroup, UNLIMITED, number, quota};

/// The prefix of the names of the cgroups. The process id of the session and a number follow.
const PREFIX: &str = "longhaul-end-";

/// The file of v1 that enables the accounting of socket memory once a limit is written to it.
const SOCKET_LIMIT: &str = "memory.kmem.tcp.limit_in_bytes";

/// The number of attempts to remove a cgroup, with [`PAUSE`] between two. A killed process leaves its cgroup within
/// milliseconds.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// A folder of the memory controller in which this process may create cgroups.
#[derive(Clone, Debug)]
pub struct Enclosures(PathBuf);

impl Enclosures {
    /// Finds the folder, and removes the cgroups that killed sessions have left there.
    ///
    /// # Errors
    /// Fails if there is no memory controller, if this process may not create a cgroup, or if processes in that cgroup
    /// would escape the limits on this process.
    pub fn find() -> io::Result<Self> {
        let enclosures = Self(place(&Cgroup::own().memory)?);
        enclosures.sweep();
        enclosures.create().map(|_| enclosures)
    }

    /// Returns the folder in which cgroups are created.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Creates a cgroup for one end of one run.
    pub(crate) fn create(&self) -> io::Result<Enclosure> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("{PREFIX}{}-{}", process::id(), MADE.fetch_add(1, Relaxed));
        let folder = self.0.join(name);
        let failed = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot make the cgroup {}: {error}", folder.display()))
        };
        fs::create_dir(&folder).map_err(failed)?;
        let enclosure = Enclosure(folder.clone());
        if !is_of_version_2(&folder) {
            fs::write(folder.join(SOCKET_LIMIT), UNLIMITED.to_string()).map_err(failed)?;
        }
        Ok(enclosure)
    }

    /// Removes the cgroups of sessions that have ended. The kernel refuses to remove a cgroup with processes, which
    /// stays.
    fn sweep(&self) {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let session =
                name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
            if session.is_some_and(|session: u32| !Path::new("/proc").join(session.to_string()).exists()) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// Returns the folder for the cgroups of the ends. In v1, it is the cgroup of this process. In v2, a cgroup with
/// processes cannot have a memory controller below it. The folder is then the nearest cgroup, from this one upwards,
/// that passes the memory controller on.
fn place(own_and_above: &[PathBuf]) -> io::Result<PathBuf> {
    let unsupported = |reason: String| io::Error::new(io::ErrorKind::Unsupported, reason);
    for folder in own_and_above {
        if !is_of_version_2(folder) {
            return Ok(folder.clone());
        }
        let passes_on = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
        if passes_on.split_whitespace().any(|controller| controller == "memory") {
            return Ok(folder.clone());
        }
        if number(folder, "memory.max").is_some() || quota(folder).is_some() {
            let limits = format!("a cgroup outside of {} would escape its limits", folder.display());
            return Err(unsupported(limits));
        }
    }
    Err(unsupported("no cgroup with a memory controller".into()))
}

fn is_of_version_2(folder: &Path) -> bool {
    folder.join("cgroup.controllers").exists()
}

/// The cgroup of one end of a run, removed on drop.
#[derive(Debug)]
pub(crate) struct Enclosure(PathBuf);

impl Enclosure {
    /// Returns the folder of the cgroup, for [`KernelMemory::join`].
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        for _ in 0..ATTEMPTS {
            match fs::remove_dir(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(PAUSE),
                // A cgroup that cannot be removed is left to the next session.
                _ => return,
            }
        }
    }
}

/// A reader of the kernel memory of a cgroup that contains only this process.
#[derive(Clone, Debug)]
pub(crate) struct KernelMemory(PathBuf);

impl KernelMemory {
    /// Moves this process to the cgroup of `folder`.
    ///
    /// # Errors
    /// Fails if the process may not move to that cgroup.
    pub(crate) fn join(folder: &Path) -> io::Result<Self> {
        fs::write(folder.join("cgroup.procs"), "0")?;
        Ok(Self(folder.to_owned()))
    }

    /// Returns the kernel memory of the cgroup in bytes: sockets, slabs, page tables and kernel stacks. `None` if the
    /// kernel does not state it.
    pub(crate) fn bytes(&self) -> Option<u64> {
        if is_of_version_2(&self.0) {
            let text = fs::read_to_string(self.0.join("memory.stat")).ok()?;
            return of_version_2(&text);
        }
        let kernel = number(&self.0, "memory.kmem.usage_in_bytes")?;
        kernel.checked_add(number(&self.0, "memory.kmem.tcp.usage_in_bytes")?)
    }
}

/// Returns the kernel memory that a `memory.stat` of v2 states. Its entry `kernel`, which excludes sockets, exists
/// since Linux 5.18.
fn of_version_2(text: &str) -> Option<u64> {
    let of = |key: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?.trim().parse().ok()
    };
    let parts = || ["slab", "kernel_stack", "pagetables", "percpu"].into_iter().filter_map(of).sum();
    of("kernel").unwrap_or_else(parts).checked_add(of("sock")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skipped::skip;

    /// Returns a folder with these files.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn version_1_has_the_cgroups_of_ends_below_that_of_the_session() {
        let (own, above) = (folder(&[]), folder(&[]));
        let folders = [own.path().to_owned(), above.path().to_owned()];
        assert_eq!(place(&folders).unwrap(), own.path());
        assert_eq!(place(&[]).unwrap_err().to_string(), "no cgroup with a memory controller");
    }

    #[test]
    fn version_2_has_them_where_memory_is_passed_on_and_no_limit_is_escaped() {
        let above =
            folder(&[("cgroup.controllers", "cpu memory\n"), ("cgroup.subtree_control", "cpu memory\n")]);
        let place_of = |limits: &[(&str, &str)]| {
            let own = folder(
                &[&[("cgroup.controllers", "memory\n"), ("cgroup.subtree_control", "\n")], limits].concat(),
            );
            place(&[own.path().to_owned(), above.path().to_owned()]).map_err(|error| error.to_string())
        };
        let unlimited = [("memory.max", "max\n"), ("cpu.max", "max 100000\n")];
        assert_eq!(place_of(&unlimited).unwrap(), above.path());
        for limit in [("memory.max", "67108864\n"), ("cpu.max", "50000 100000\n")] {
            assert!(place_of(&[limit]).unwrap_err().contains("would escape its limits"), "{limit:?}");
        }
    }

    #[test]
    fn cgroups_of_sessions_that_are_gone_are_removed_and_no_others() {
        let parent = tempfile::tempdir().unwrap();
        // The id 99999999 is larger than any process id.
        let [gone, living, other] =
            [format!("{PREFIX}99999999-0"), format!("{PREFIX}{}-9", process::id()), "x-1".into()]
                .map(|name| parent.path().join(name));
        [&gone, &living, &other].iter().for_each(|folder| fs::create_dir(folder).unwrap());
        Enclosures(parent.path().to_owned()).sweep();
        assert_eq!([&gone, &living, &other].map(|folder| folder.exists()), [false, true, true]);
    }

    #[test]
    fn a_cgroup_that_may_not_be_made_is_named() {
        let error = Enclosures("/no/such/folder".into()).create().unwrap_err().to_string();
        assert!(error.starts_with("cannot make the cgroup /no/such/folder/longhaul-end-"), "{error}");
    }

    #[test]
    fn kernel_memory_is_that_of_sockets_and_of_everything_else() {
        let version_1 =
            folder(&[("memory.kmem.usage_in_bytes", "7\n"), ("memory.kmem.tcp.usage_in_bytes", "30\n")]);
        let joined = KernelMemory::join(version_1.path()).unwrap();
        assert_eq!(joined.bytes(), Some(37));
        assert_eq!(fs::read_to_string(version_1.path().join("cgroup.procs")).unwrap(), "0");
        let with = |stat: &str| {
            let version_2 = folder(&[("cgroup.controllers", "memory\n"), ("memory.stat", stat)]);
            KernelMemory(version_2.path().to_owned()).bytes()
        };
        assert_eq!(with("anon 9\nkernel 100\nkernel_stack 3\nsock 5\nslab 90\n"), Some(105));
        assert_eq!(with("kernel_stack 3\npagetables 4\npercpu 1\nsock 5\nslab 90\n"), Some(103));
        assert_eq!(with("anon 9\n"), None);
    }

    #[test]
    fn a_cgroup_is_gone_with_its_end() {
        let Ok(enclosures) = Enclosures::find() else {
            return skip("this user may not create a cgroup; root may");
        };
        let enclosure = enclosures.create().unwrap();
        let folder = enclosure.folder().to_owned();
        assert!(KernelMemory(folder.clone()).bytes().is_some());
        drop(enclosure);
        assert!(!folder.exists());
    }
}
