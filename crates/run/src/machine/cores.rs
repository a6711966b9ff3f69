//! The choice of cores for sender and receiver, and the binding of threads to cores.

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use record::End;
use serde::{Deserialize, Serialize};

use super::{Affects, Diagnosis, read};

/// One core for each of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// The core of the sender.
    pub sender: usize,
    /// The core of the receiver.
    pub receiver: usize,
}

impl Cores {
    /// Returns the core of an end.
    pub fn of(self, end: End) -> usize {
        match end {
            End::Sender => self.sender,
            End::Receiver => self.receiver,
        }
    }

    /// Returns the first core that this process may use, and the next one of another physical core. If there is none,
    /// the second is the next core of any kind. `None` unless the process may use two cores.
    pub fn choose() -> Option<Self> {
        CoreSets::choose(1).map(|sets| sets.first())
    }
}

/// The cores for the threads of each end. Neither set is empty. Threads beyond the number of cores share them in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreSets {
    sender: Vec<usize>,
    receiver: Vec<usize>,
}

impl CoreSets {
    /// Returns the sets of these cores. `None` if one of the lists is empty.
    pub fn of(sender: Vec<usize>, receiver: Vec<usize>) -> Option<Self> {
        (!sender.is_empty() && !receiver.is_empty()).then_some(Self { sender, receiver })
    }

    /// Returns cores for `threads` threads of each end: the first usable cores for the sender, the next for the
    /// receiver. Second hardware threads of a physical core come last. With too few cores, each end has half of them.
    /// `None` unless this process may use two cores.
    pub fn choose(threads: u32) -> Option<Self> {
        apart(&by_distance(&allowed(), siblings), threads)
    }

    /// Returns the core of the first thread of each end.
    pub fn first(&self) -> Cores {
        let first = |cores: &[usize]| cores.first().copied().unwrap_or_default();
        Cores { sender: first(&self.sender), receiver: first(&self.receiver) }
    }

    /// Returns the cores of one end.
    pub fn of_end(&self, end: End) -> &[usize] {
        match end {
            End::Sender => &self.sender,
            End::Receiver => &self.receiver,
        }
    }

    /// Returns a note if threads share cores; `None` if each thread has its own core, or if an end has a single thread.
    pub fn shared_by(&self, threads: u32) -> Option<String> {
        let wanted = usize::try_from(threads).unwrap_or(usize::MAX);
        let own = self.sender.len().min(self.receiver.len());
        let all = self.all().len();
        let few = own < wanted || all < self.sender.len() + self.receiver.len();
        let cores = record::counted(all, "core");
        (few && threads > 1).then(|| {
            format!("the ends have {threads} threads each on {cores} in all, so threads share cores; their goodput is no scale for more cores")
        })
    }

    /// Returns all cores, each once, those of the sender first.
    pub fn all(&self) -> Vec<usize> {
        let mut all: Vec<usize> = Vec::new();
        for core in self.sender.iter().chain(&self.receiver) {
            if !all.contains(core) {
                all.push(*core);
            }
        }
        all
    }
}

/// Returns `count` cores for the threads of one process, first one of each physical core. `None` if the process may not
/// use as many.
pub fn choose_cores(count: u32) -> Option<Vec<usize>> {
    let cores = by_distance(&allowed(), siblings);
    cores.get(..usize::try_from(count).ok()?).map(<[usize]>::to_vec)
}

/// Binds the calling thread to one core. Threads that it starts afterwards inherit the binding.
///
/// # Errors
/// Fails if the core does not exist, or if this process may not use it.
pub fn bind(core: usize) -> nix::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores)
}

/// Runs `work` while the calling thread is bound to `core`; `None` changes no binding. Processes that the work starts
/// inherit the binding.
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

/// Returns the logical cores of the physical core of `core`, including `core` itself. Empty if the kernel does not
/// state them.
pub(crate) fn siblings(core: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    read(&path).map(|list| listed(&list)).unwrap_or_default()
}

/// Returns the numbers in a list of the kernel such as `0-1,64`.
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

/// Returns `allowed` in the order of use: one logical core of each physical core first, then the others.
fn by_distance(allowed: &[usize], siblings: impl Fn(usize) -> Vec<usize>) -> Vec<usize> {
    let (mut firsts, mut others) = (Vec::new(), Vec::new());
    for &core in allowed {
        let shared = siblings(core);
        let is_first = !firsts.iter().any(|first| shared.contains(first));
        if is_first { firsts.push(core) } else { others.push(core) }
    }
    [firsts, others].concat()
}

fn apart(cores: &[usize], threads: u32) -> Option<CoreSets> {
    let each = usize::try_from(threads).unwrap_or(usize::MAX).clamp(1, (cores.len() / 2).max(1));
    let (sender, rest) = cores.split_at_checked(each)?;
    CoreSets::of(sender.to_vec(), rest.get(..each)?.to_vec())
}

/// Parses a list of cores of `--affinity`, such as `0,1` or `0-3`. `None` if a part is neither a number nor an
/// ascending range.
pub(crate) fn parse_list(text: &str) -> Option<Vec<usize>> {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last && last < CpuSet::count()).then_some(first..=last)
    };
    Some(text.split(',').map(part).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
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

    /// Returns the siblings on a machine whose physical cores have two neighbouring logical cores: 0 and 1, 2 and 3.
    fn neighbours(core: usize) -> Vec<usize> {
        vec![core & !1, core | 1]
    }

    #[test]
    fn ends_get_physical_cores_of_their_own_if_there_are_two() {
        let chosen = |cores: &[usize], threads| {
            apart(&by_distance(cores, neighbours), threads).map(|sets| (sets.sender, sets.receiver))
        };
        assert_eq!(chosen(&[0, 1, 2, 3], 1), Some((vec![0], vec![2])));
        assert_eq!(chosen(&[0, 1], 1), Some((vec![0], vec![1])));
        assert_eq!(by_distance(&[0, 1], |_| Vec::new()), [0, 1], "if the kernel does not say");
        assert_eq!((chosen(&[3], 1), chosen(&[], 1)), (None, None));
    }

    #[test]
    fn threads_get_cores_of_their_own_while_there_are_enough() {
        let all: Vec<usize> = (0..8).collect();
        let chosen = |threads| {
            let sets = apart(&by_distance(&all, neighbours), threads).unwrap();
            (sets.sender, sets.receiver)
        };
        assert_eq!(chosen(2), (vec![0, 2], vec![4, 6]));
        assert_eq!(chosen(4), (vec![0, 2, 4, 6], vec![1, 3, 5, 7]));
        assert_eq!(chosen(5), chosen(4), "each end has half of the cores");
        let overlapping = CoreSets::of(vec![0, 1], vec![1, 2]).unwrap();
        assert_eq!(overlapping.all(), [0, 1, 2]);
        assert!(overlapping.shared_by(2).unwrap().contains("2 threads each on 3 cores"));
        let own = CoreSets::of(vec![0, 1], vec![2, 3]).unwrap();
        assert!(
            own.shared_by(2).is_none() && own.shared_by(3).is_some() && overlapping.shared_by(1).is_none()
        );
        assert!(CoreSets::of(Vec::new(), vec![1]).is_none());
        assert_eq!(apart(&[0, 1], 8).unwrap().first(), Cores { sender: 0, receiver: 1 });
    }

    #[test]
    fn lists_of_cores_are_numbers_and_ranges() {
        assert_eq!(parse_list("3"), Some(vec![3]));
        assert_eq!(parse_list("0,2-4"), Some(vec![0, 2, 3, 4]));
        for wrong in ["", "a", "1,", "2-1", "-1", "0-99999999", "1 "] {
            assert_eq!(parse_list(wrong), None, "{wrong}");
        }
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
