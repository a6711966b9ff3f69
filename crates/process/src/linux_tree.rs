//! The memory of a process and its descendants, from `/proc`.

#[path = "linux_listening.rs"]
mod listening;
#[path = "linux_orphans.rs"]
mod orphans;

use std::{collections::BTreeMap, io, time::Duration};

use nix::{time::ClockId, unistd::Pid};
use procfs::{
    ProcError, page_size,
    process::{ClearRefs, ProcState, Process, Stat},
    ticks_per_second,
};

use crate::{Memory, ProcessorTime, TreeTimes, platform::into_io};

/// A process and its descendants, watched from outside. A descendant that was seen once stays a member, also when its
/// parent ends before it.
#[derive(Debug)]
pub struct ProcessTree {
    /// The members by their ids. A handle belongs to its process even if another one gets the id later.
    members: BTreeMap<i32, Process>,
    /// The first process. Its processor time can be read even after its end, until its parent waits for it.
    first: Process,
    /// The time at which the first process started, in clock ticks since the system started.
    started: u64,
    page: u64,
    /// True once there was a second member. From then on, pages that members share count in proportional parts.
    has_grown: bool,
    /// True if the peak that the kernel keeps includes time before the measurement.
    has_earlier_peak: bool,
    peak_rss_bytes: Option<u64>,
}

impl ProcessTree {
    /// Makes the tree of the process `pid` and its descendants.
    ///
    /// # Errors
    /// Fails if there is no such process, or if `/proc` is not mounted.
    pub fn of(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        let handle = || {
            Process::new(pid).map_err(|error| match error {
                ProcError::NotFound(_) => {
                    io::Error::new(io::ErrorKind::NotFound, format!("there is no process {pid}"))
                }
                other => into_io(other),
            })
        };
        let [process, first] = [handle()?, handle()?];
        let started = first.stat().map_err(into_io)?.starttime;
        let mut tree = Self {
            members: BTreeMap::from([(pid, process)]),
            first,
            started,
            page: page_size(),
            has_grown: false,
            has_earlier_peak: false,
            peak_rss_bytes: None,
        };
        tree.find_descendants();
        Ok(tree)
    }

    /// Begins a new measurement of the same processes. Forgets members that have ended and the peak so far, and resets
    /// the peak that the kernel keeps of each member (proc(5), `clear_refs`). If the reset is not permitted, the peak
    /// comes from readings alone from now on.
    pub fn restart_peak(&mut self) {
        self.find_descendants();
        let reset = |process: &Process| process.clear_refs(ClearRefs::PeakRSS).is_ok();
        self.has_earlier_peak = !self.members.values().all(reset);
        self.has_grown = self.members.len() > 1;
        self.peak_rss_bytes = None;
    }

    /// Returns whether the peak of all members together comes from readings. The kernel keeps no common peak of several
    /// processes. It also keeps none since [`restart_peak`](Self::restart_peak) if a reset is not permitted.
    pub fn is_peak_of_readings(&self) -> bool {
        self.has_grown || self.has_earlier_peak
    }

    /// Looks for processes that members have started, and forgets those that have ended. A process that is started and
    /// orphaned between two calls is missed.
    pub fn find_descendants(&mut self) {
        self.members.retain(|_, process| is_alive(process));
        let mut unseen: Vec<i32> = self.members.keys().copied().collect();
        while let Some(children) = unseen.pop().map(|parent| self.children(parent)) {
            for child in children {
                if self.members.contains_key(&child) {
                    continue;
                }
                if let Ok(process) = Process::new(child) {
                    self.members.insert(child, process);
                    unseen.push(child);
                }
            }
        }
        self.has_grown |= self.members.len() > 1;
        self.raise_peak_by_members();
    }

    fn children(&self, parent: i32) -> Vec<i32> {
        self.members.get(&parent).into_iter().flat_map(children_of).collect()
    }

    /// Raises the peak of the tree to the highest peak that the kernel keeps of a member, since the tree had at least
    /// as much memory. Does nothing if the kernel's peaks include time before the measurement.
    fn raise_peak_by_members(&mut self) {
        if self.has_earlier_peak {
            return;
        }
        let peaks = self.members.values().filter_map(|process| process.status().ok()?.vmhwm);
        self.peak_rss_bytes = self.peak_rss_bytes.max(peaks.max().map(|kib| kib * 1024));
    }

    /// Returns the resident memory of all members now. Once there have been several members, a page that members share
    /// counts in proportional parts (PSS), if the kernel lets this process read that figure. `None` if no member is
    /// alive.
    pub fn read(&mut self) -> Option<Memory> {
        let read = |process: &Process| match self.has_grown {
            true => proportional(process).or_else(|| resident(process, self.page)),
            false => resident(process, self.page),
        };
        let memory = self.members.values().filter_map(read).reduce(|all, of| Memory {
            rss_bytes: all.rss_bytes + of.rss_bytes,
            anon_bytes: all.anon_bytes + of.anon_bytes,
        })?;
        self.peak_rss_bytes = self.peak_rss_bytes.max(Some(memory.rss_bytes));
        Some(memory)
    }

    /// Returns the highest resident memory of any reading, in bytes. The result is at least the peak that the kernel kept of
    /// any member (VmHWM) at the last search for descendants.
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        self.peak_rss_bytes
    }

    /// Returns the processor time of all members that are alive, in clock ticks (sysconf(3), `_SC_CLK_TCK`).
    pub fn processor_ticks(&self) -> u64 {
        let ticks = |process: &Process| process.stat().map_or(0, |stat| stat.utime + stat.stime);
        self.members.values().map(ticks).sum()
    }

    /// Returns the processor time of all members and of the processes that they have waited for. The first process also
    /// counts after its end, until its parent waits for it. The time of each member is exact to a clock tick
    /// (sysconf(3), `_SC_CLK_TCK`).
    pub fn processor_time(&self) -> ProcessorTime {
        let others = self.members.values().filter(|member| member.pid != self.first.pid);
        let times = others.chain([&self.first]).filter_map(|process| process.stat().ok());
        let all = times.fold([0, 0], |[user, system]: [u64; 2], stat| {
            let [waited_user, waited_system] = waited_ticks(&stat);
            [
                user.saturating_add(stat.utime).saturating_add(waited_user),
                system.saturating_add(stat.stime).saturating_add(waited_system),
            ]
        });
        let [user, system] = all.map(ticks);
        ProcessorTime { user, system }
    }

    /// Returns the processor time of each member. Processes that it has waited for count to a clock tick, and its own
    /// time counts more exactly.
    pub fn times(&self) -> TreeTimes {
        let time = |(pid, process): (&i32, &Process)| {
            let stat = process.stat().ok()?;
            let own = ClockId::pid_cpu_clock_id(Pid::from_raw(*pid)).and_then(ClockId::now);
            let own = own.map_or_else(|_| ticks(stat.utime.saturating_add(stat.stime)), Duration::from);
            let waited = waited_ticks(&stat).into_iter().map(ticks);
            Some((*pid, waited.fold(own, Duration::saturating_add)))
        };
        TreeTimes::new(self.members.iter().filter_map(time))
    }

    /// Returns the ids of the members that are alive.
    pub fn ids(&self) -> Vec<u32> {
        let alive = self.members.iter().filter(|(_, process)| is_alive(process));
        alive.filter_map(|(id, _)| u32::try_from(*id).ok()).collect()
    }
}

/// Returns the number of clock ticks per second.
fn tick_rate() -> u32 {
    u32::try_from(ticks_per_second()).unwrap_or(u32::MAX).max(1)
}

/// Returns the duration of so many clock ticks.
fn ticks(number: u64) -> Duration {
    Duration::from_secs(number) / tick_rate()
}

/// Returns the user and the system time of the processes that a process has waited for, in clock ticks.
fn waited_ticks(stat: &Stat) -> [u64; 2] {
    [stat.cutime, stat.cstime].map(|ticks| u64::try_from(ticks).unwrap_or(0))
}

/// Returns the ids of the processes that the threads of a process have started.
fn children_of(process: &Process) -> impl Iterator<Item = i32> + use<> {
    let children =
        process.tasks().into_iter().flatten().filter_map(|task| task.ok()?.children().ok()).flatten();
    children.filter_map(|child| i32::try_from(child).ok())
}

/// Returns whether a process is alive. A process that has ended, but was not waited for, is a zombie without memory.
fn is_alive(process: &Process) -> bool {
    process.stat().is_ok_and(|stat| is_running(&stat))
}

fn is_running(stat: &Stat) -> bool {
    !matches!(stat.state(), Ok(ProcState::Zombie | ProcState::Dead))
}

fn resident(process: &Process, page: u64) -> Option<Memory> {
    let statm = process.statm().ok().filter(|statm| statm.resident > 0)?;
    Some(Memory {
        rss_bytes: statm.resident * page,
        anon_bytes: statm.resident.saturating_sub(statm.shared) * page,
    })
}

/// Reads the proportional memory of a process. Before Linux 5.4, which has no `Pss_Anon`, all anonymous memory counts.
fn proportional(process: &Process) -> Option<Memory> {
    let rollup = process.smaps_rollup().ok()?;
    let fields = &rollup.memory_map_rollup.0.first()?.extension.map;
    let anon_bytes = *fields.get("Pss_Anon").or_else(|| fields.get("Anonymous"))?;
    Some(Memory { rss_bytes: *fields.get("Pss")?, anon_bytes })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A shell that prints a line when it is ready, and ends when its standard input does.
    fn shell(script: &str) -> Child {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        child
    }

    /// Returns the tree of a child, once it has `members` members.
    fn tree_of(child: &Child, members: usize) -> ProcessTree {
        let mut tree = ProcessTree::of(child.id()).unwrap();
        while tree.ids().len() < members {
            std::thread::sleep(std::time::Duration::from_millis(5));
            tree.find_descendants();
        }
        tree
    }

    fn end(mut child: Child) {
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_child_and_its_memory_count_as_soon_as_they_are_found() {
        let child = shell("sleep 30 & echo ready; read _; kill $!");
        let mut tree = tree_of(&child, 2);
        let both = tree.read().unwrap();
        assert!(both.rss_bytes > both.anon_bytes && both.anon_bytes > 0, "{both:?}");
        assert!(tree.peak_rss_bytes() >= Some(both.rss_bytes));
        end(child);
        // A process that was killed takes a moment to end.
        while !tree.ids().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        tree.find_descendants();
        assert_eq!(tree.read(), None);
    }

    #[test]
    fn a_descendant_whose_parent_has_ended_stays_a_member() {
        let mut child = shell("(sleep 30 & wait) & echo ready; read _");
        let mut tree = tree_of(&child, 3);
        child.kill().unwrap();
        child.wait().unwrap();
        tree.find_descendants();
        let left = tree.ids();
        assert_eq!(left.len(), 2, "the first one is gone, and nothing else: {left:?}");
        for id in left {
            Command::new("kill").arg(id.to_string()).status().unwrap();
        }
    }

    #[test]
    fn the_time_of_a_process_that_has_ended_and_of_those_that_it_waited_for_counts() {
        const BUSY: &str = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
        let mut child = shell(&format!("echo ready; read _; sh -c '{BUSY}'; {BUSY}"));
        let tree = ProcessTree::of(child.id()).unwrap();
        drop(child.stdin.take());
        while tree.first.stat().unwrap().state != 'Z' {
            std::thread::sleep(Duration::from_millis(5));
        }
        let (own, both) = (tree.first.stat().unwrap(), tree.processor_time());
        assert!(own.utime > 0 && own.cutime > 0, "both shells took time: {own:?}");
        let ticks = own.utime + own.cutime.unsigned_abs();
        assert_eq!(both.user, super::ticks(ticks));
        assert_eq!(both.since(both), ProcessorTime::default());
        child.wait().unwrap();
        assert_eq!(tree.processor_time(), ProcessorTime::default(), "it is gone");
    }

    #[test]
    fn the_time_of_a_thread_that_has_ended_counts_to_less_than_a_tick() {
        let tree = ProcessTree::of(std::process::id()).unwrap();
        let before = tree.times();
        let busy = || (0..200_000_u64).fold(0, |sum: u64, next| std::hint::black_box(sum.wrapping_add(next)));
        std::thread::spawn(busy).join().unwrap();
        let used = tree.times().since(&before);
        assert!(used > Duration::from_micros(20), "{used:?}");
        let idle = shell("echo ready; read _");
        let tree = ProcessTree::of(idle.id()).unwrap();
        // The shell goes on after it has printed.
        while tree.first.stat().unwrap().state != 'S' {
            std::thread::sleep(Duration::from_millis(5));
        }
        let before = tree.times();
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(tree.times().since(&before), Duration::ZERO, "it waits");
        end(idle);
    }

    #[test]
    fn the_peak_of_a_sole_process_is_at_least_what_the_kernel_kept() {
        let child = shell("x=$(head -c 24000000 /dev/zero | tr '\\0' x); unset x; echo ready; read _");
        let mut tree = ProcessTree::of(child.id()).unwrap();
        assert!(tree.peak_rss_bytes() > Some(24 << 20), "{:?}", tree.peak_rss_bytes());
        let now = tree.read().unwrap();
        tree.restart_peak();
        tree.find_descendants();
        let since = tree.peak_rss_bytes().unwrap();
        assert!(since < 24 << 20 && since + (1 << 20) > now.rss_bytes, "{since}, {now:?}");
        assert!(!tree.is_peak_of_readings());
        end(child);
        let error = ProcessTree::of(u32::MAX >> 1).unwrap_err();
        assert_eq!(error.to_string(), "there is no process 2147483647");
    }
}
