//! The selection of cores for sender and receiver, and the binding of threads to cores.

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use super::{Affects, Diagnosis, read};

/// A core for each end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// The core of the sender.
    pub sender: usize,
    /// The core of the receiver.
    pub receiver: usize,
}

impl Cores {
    /// Returns the first core that this process may use, and a second one: the next core on another physical core, or
    /// else simply the next. `None` unless the process may use two cores.
    pub fn choose() -> Option<Self> {
        apart(&allowed(), siblings)
    }
}

/// Binds the calling thread, and the threads that it starts from now on, to one core.
///
/// # Errors
/// Fails if the core does not exist, or if this process may not use it.
pub fn bind(core: usize) -> nix::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores)
}

/// Runs `work` while the calling thread is bound to a core, or as it is without one. Processes that the work starts inherit the
/// binding.
///
/// # Errors
/// Fails without running the work if the core does not exist, or if this process may not use it.
pub fn while_bound<T>(core: Option<usize>, work: impl FnOnce() -> T) -> nix::Result<T> {
    let Some(core) = core else { return Ok(work()) };
    let own = Pid::from_raw(0);
    let before = sched_getaffinity(own)?;
    bind(core)?;
    let done = work();
    sched_setaffinity(own, &before)?;
    Ok(done)
}

/// Returns the logical cores that this process may use.
fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return Vec::new() };
    (0..CpuSet::count()).filter(|core| set.is_set(*core) == Ok(true)).collect()
}

/// Returns the logical cores of the same physical core, including `core`. Empty if the kernel does not state them.
pub(crate) fn siblings(core: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    read(&path).map(|list| listed(&list)).unwrap_or_default()
}

/// Returns the numbers in a list such as `0-1,64`.
fn listed(list: &str) -> Vec<usize> {
    let number = |text: &str| text.parse::<usize>().ok();
    list.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(number(first)?..=number(last)?)
        })
        .flatten()
        .collect()
}

fn apart(allowed: &[usize], siblings: impl Fn(usize) -> Vec<usize>) -> Option<Cores> {
    let (&sender, others) = allowed.split_first()?;
    let shared = siblings(sender);
    let receiver = others.iter().find(|core| !shared.contains(core)).or(others.first())?;
    Some(Cores { sender, receiver: *receiver })
}

/// Diagnoses whether each end has its own physical core.
pub(super) fn diagnosis(cores: Cores) -> Diagnosis {
    diagnose(cores, siblings)
}

fn diagnose(Cores { sender, receiver }: Cores, siblings: impl Fn(usize) -> Vec<usize>) -> Diagnosis {
    let name = "cores of the two ends";
    if sender != receiver && !siblings(sender).contains(&receiver) {
        return Diagnosis::good(name, format!("{sender} and {receiver}"));
    }
    let (seen, said) = if sender == receiver {
        (format!("{sender} for both"), format!("both ends run on core {sender}"))
    } else {
        let seen = format!("{sender} and {receiver}, two threads of one core");
        (seen, format!("both ends run on one core, on its threads {sender} and {receiver}"))
    };
    let cost = "the ends share its execution units and caches: both are slower, by amounts that vary from run to run";
    let remedy = "bind the ends to two physical cores (--affinity SENDER:RECEIVER), or give the machine or container more";
    Diagnosis::bad(name, seen, cost, remedy).warning(
        Affects::All,
        said,
        "lower figures, which vary from run to run",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the threads of a physical core whose two threads are neighbours: 0 and 1, 2 and 3.
    fn neighbours(core: usize) -> Vec<usize> {
        vec![core & !1, core | 1]
    }

    #[test]
    fn ends_get_physical_cores_of_their_own_if_there_are_two() {
        let cores = |sender, receiver| Some(Cores { sender, receiver });
        assert_eq!(apart(&[0, 1, 2, 3], neighbours), cores(0, 2));
        assert_eq!(apart(&[0, 1], neighbours), cores(0, 1));
        assert_eq!(apart(&[0, 1], |_| Vec::new()), cores(0, 1), "if the kernel does not say");
        assert_eq!(apart(&[3], neighbours), None);
    }

    #[test]
    fn two_threads_of_one_core_are_a_problem() {
        assert!(diagnose(Cores { sender: 0, receiver: 2 }, neighbours).problem.is_none());
        assert!(diagnose(Cores { sender: 0, receiver: 1 }, neighbours).problem.is_some());
        let shared = diagnose(Cores { sender: 3, receiver: 3 }, |_| Vec::new());
        assert!(shared.problem.is_some() && shared.observed == "3 for both", "if the kernel does not say");
    }

    #[test]
    fn a_process_that_is_started_while_bound_stays_on_the_core() {
        let own = allowed();
        let core = own.last().copied();
        let nproc = || std::process::Command::new("nproc").output().unwrap().stdout;
        assert_eq!(while_bound(core, nproc).unwrap(), b"1\n");
        assert_eq!(allowed(), own, "this thread is free again");
        assert!(while_bound(Some(usize::MAX), || ()).is_err());
    }

    #[test]
    fn lists_of_cores_are_read_as_the_kernel_writes_them() {
        assert_eq!(listed("0,64"), [0, 64]);
        assert_eq!(listed("0-2,7"), [0, 1, 2, 7]);
        assert!(listed("").is_empty());
    }
}
