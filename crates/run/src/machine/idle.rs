//! The idle policy of the cores, and a guard that keeps cores awake.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use record::{Awake, IdlePolicy};

use super::{Affects, CoreSets, Diagnosis, read};

/// The sysfs folder of the cores.
const CORES: &str = "/sys/devices/system/cpu";

/// The sysfs file of a core for a request that limits its wake-up time (Documentation/ABI/testing/sysfs-devices-power:
/// `pm_qos_resume_latency_us`).
const OF_CORE: &str = "power/pm_qos_resume_latency_us";

/// The request for a wake-up time of 0, which keeps a core from sleeping.
const NEVER: &str = "n/a";

/// The absence of a request, the kernel's default: the core may sleep.
const NO_REQUEST: &str = "0";

/// The device that takes requests for the longest wake-up time of all cores. A request is in force while its file is
/// open (Documentation/power/pm_qos_interface.rst).
const OF_MACHINE: &str = "/dev/cpu_dma_latency";

/// The file that names the active cpuidle driver: "none" if no driver honours PM QoS requests, absent if the kernel has
/// no cpuidle.
const DRIVER: &str = "/sys/devices/system/cpu/cpuidle/current_driver";

/// The file with the kernel's command line.
const BOOTED_WITH: &str = "/proc/cmdline";

/// A guard that keeps idle cores awake until it is dropped: the cores of the two ends, or all cores if single cores
/// take no request.
///
/// An idle core that polls takes execution units from the other thread of its physical core, and turbo steps from all
/// cores. So no more cores than necessary should poll.
#[derive(Debug)]
pub struct IdleGuard(Held);

#[derive(Debug)]
enum Held {
    Nothing,
    /// One request for each core of the two ends. Dropping the requests lifts them.
    Ends(#[allow(dead_code, reason = "dropping them lifts the requests")] Vec<CoreRequest>),
    /// The open file of a request for all cores. Closing it lifts the request.
    Machine(#[allow(dead_code, reason = "closing it lifts the request")] File),
}

impl IdleGuard {
    /// Keeps the cores of the two ends awake if `asked` is [`IdlePolicy::Poll`] and the system allows it. If `cores` is
    /// `None`, the ends are not bound, and the guard keeps all cores awake.
    pub fn keep(asked: IdlePolicy, cores: Option<&CoreSets>) -> Self {
        if asked == IdlePolicy::Sleep || !sleeps(read(DRIVER).as_deref()) {
            return Self(Held::Nothing);
        }
        Self::keep_in(Path::new(CORES), cores, Path::new(OF_MACHINE))
    }

    fn keep_in(folder: &Path, cores: Option<&CoreSets>, machine: &Path) -> Self {
        let ends =
            cores.map(|cores| cores.all().into_iter().map(|core| CoreRequest::make(folder, core)).collect());
        match ends {
            Some(Ok(requests)) => Self(Held::Ends(requests)),
            // Dropping the requests made so far lifts them.
            _ => Self(request(machine).map_or(Held::Nothing, Held::Machine)),
        }
    }

    /// Returns the idle policy in force.
    pub fn policy(&self) -> IdlePolicy {
        if self.awake().is_some() { IdlePolicy::Poll } else { IdlePolicy::Sleep }
    }

    /// Returns the cores that are kept awake; `None` if all may sleep.
    pub fn awake(&self) -> Option<Awake> {
        match self.0 {
            Held::Nothing => None,
            Held::Ends(_) => Some(Awake::Ends),
            Held::Machine(_) => Some(Awake::Machine),
        }
    }
}

/// A request that one core does not sleep. Dropping it restores the previous request.
#[derive(Debug)]
struct CoreRequest {
    file: PathBuf,
    before: String,
}

impl CoreRequest {
    fn make(folder: &Path, core: usize) -> io::Result<Self> {
        let file = folder.join(format!("cpu{core}")).join(OF_CORE);
        let before = fs::read_to_string(&file)?.trim().to_owned();
        fs::write(&file, NEVER)?;
        // A request of the same value is left from a killed session. This guard lifts it.
        let before = if before == NEVER { NO_REQUEST.to_owned() } else { before };
        Ok(Self { file, before })
    }
}

impl Drop for CoreRequest {
    fn drop(&mut self) {
        // A failure is unlikely: a write to this file succeeded before.
        let _ = fs::write(&self.file, &self.before);
    }
}

/// Requests a wake-up time of 0 µs from all cores, which only a core that never sleeps can meet.
fn request(file: &Path) -> io::Result<File> {
    let mut file = File::options().write(true).open(file)?;
    file.write_all(&0_i32.to_ne_bytes())?;
    Ok(file)
}

fn sleeps(driver: Option<&str>) -> bool {
    driver.is_some_and(|driver| driver != "none")
}

pub(super) fn diagnosis(cores: Option<&CoreSets>) -> Diagnosis {
    let polls = read(BOOTED_WITH).is_some_and(|line| line.split_whitespace().any(|word| word == "idle=poll"));
    diagnose(read(DRIVER).as_deref(), polls, IdleGuard::keep(IdlePolicy::Poll, cores).awake())
}

/// Diagnoses the idle policy. Without a cpuidle driver, Linux halts an idle core regardless of requests
/// (`default_idle_call`, kernel/sched/idle.c).
fn diagnose(driver: Option<&str>, polls: bool, awake: Option<Awake>) -> Diagnosis {
    let name = "idle cores";
    let cost =
        "a waiting end is woken late, at a cost of up to a sixth of HTTP/2's goodput on a virtual machine";
    let expect = "up to a sixth less goodput of HTTP/2 on a virtual machine";
    match (driver, awake) {
        (None, _) => Diagnosis::good(name, "unknown"),
        _ if polls => Diagnosis::good(name, "kept awake by idle=poll"),
        (_, Some(Awake::Ends)) => Diagnosis::good(name, "those of the two ends are kept awake during runs"),
        (_, Some(Awake::Machine)) => Diagnosis::good(name, "all are kept awake during runs"),
        (Some("none"), None) => {
            let remedy = "boot with idle=poll; as a KVM guest also: sudo modprobe cpuidle-haltpoll";
            let said = "idle cores sleep, and this machine offers no way to keep them awake";
            Diagnosis::bad(name, "halted, and no driver takes requests", cost, remedy).warning(
                Affects::All,
                said,
                expect,
            )
        }
        (Some(driver), None) => {
            let remedy =
                "sudo chmod o+w /dev/cpu_dma_latency (in a container: --device /dev/cpu_dma_latency)";
            let said = "idle cores sleep, because this user may not keep them awake";
            Diagnosis::bad(name, format!("sleep ({driver})"), cost, remedy).warning(
                Affects::All,
                said,
                expect,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> CoreSets {
        CoreSets::of(vec![0], vec![2]).unwrap()
    }

    /// Returns a folder like [`CORES`] with four cores whose request is `before`, and a file in place of
    /// [`OF_MACHINE`].
    fn machine(before: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for core in 0..4 {
            let file = folder.path().join(format!("cpu{core}")).join(OF_CORE);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, before).unwrap();
        }
        let all = folder.path().join("all");
        fs::write(&all, "").unwrap();
        (folder, all)
    }

    fn requests(folder: &Path) -> Vec<String> {
        let request = |core| fs::read_to_string(folder.join(format!("cpu{core}")).join(OF_CORE)).unwrap();
        (0..4).map(request).collect()
    }

    #[test]
    fn only_the_cores_of_the_ends_are_kept_awake_and_what_was_asked_before_is_restored() {
        let (folder, all) = machine("50\n");
        let guard = IdleGuard::keep_in(folder.path(), Some(&ends()), &all);
        assert_eq!(guard.awake(), Some(Awake::Ends));
        assert_eq!(requests(folder.path()), [NEVER, "50\n", NEVER, "50\n"]);
        assert!(fs::read(&all).unwrap().is_empty(), "the other cores may sleep");
        drop(guard);
        assert_eq!(requests(folder.path()), ["50", "50\n", "50", "50\n"]);
    }

    #[test]
    fn one_core_for_both_ends_gets_its_request_back() {
        let (folder, all) = machine("50\n");
        let guard = IdleGuard::keep_in(folder.path(), CoreSets::of(vec![1], vec![1]).as_ref(), &all);
        assert_eq!(requests(folder.path()), ["50\n", NEVER, "50\n", "50\n"]);
        drop(guard);
        assert_eq!(requests(folder.path()), ["50\n", "50", "50\n", "50\n"]);
    }

    #[test]
    fn a_request_that_a_killed_session_left_behind_is_lifted() {
        let (folder, all) = machine("n/a\n");
        drop(IdleGuard::keep_in(folder.path(), Some(&ends()), &all));
        assert_eq!(requests(folder.path()), [NO_REQUEST, "n/a\n", NO_REQUEST, "n/a\n"]);
    }

    #[test]
    fn all_cores_are_kept_awake_where_one_of_the_ends_takes_no_request() {
        let (folder, all) = machine("0");
        fs::remove_dir_all(folder.path().join("cpu2")).unwrap();
        let guard = IdleGuard::keep_in(folder.path(), Some(&ends()), &all);
        assert_eq!((guard.awake(), guard.policy()), (Some(Awake::Machine), IdlePolicy::Poll));
        assert_eq!(fs::read(&all).unwrap(), [0; 4]);
        assert_eq!(fs::read_to_string(folder.path().join("cpu0").join(OF_CORE)).unwrap(), "0");
        assert_eq!(IdleGuard::keep_in(folder.path(), None, &all).awake(), Some(Awake::Machine));
        let neither = IdleGuard::keep_in(folder.path(), None, &folder.path().join("none"));
        assert_eq!((neither.awake(), neither.policy()), (None, IdlePolicy::Sleep));
    }

    #[test]
    fn cores_that_may_sleep_are_a_problem() {
        assert!(diagnose(None, false, None).problem.is_none());
        for awake in [Awake::Ends, Awake::Machine] {
            assert!(diagnose(Some("intel_idle"), false, Some(awake)).problem.is_none());
        }
        let asleep = |driver| diagnose(Some(driver), false, None).problem.unwrap().remedy;
        assert!(asleep("intel_idle").contains("/dev/cpu_dma_latency"));
        assert!(asleep("none").contains("idle=poll"), "a request would have no effect");
        assert!(diagnose(Some("none"), true, None).problem.is_none());
    }

    #[test]
    fn the_guard_does_nothing_unless_it_is_asked_to() {
        assert_eq!(IdleGuard::keep(IdlePolicy::Sleep, Some(&ends())).policy(), IdlePolicy::Sleep);
    }
}
