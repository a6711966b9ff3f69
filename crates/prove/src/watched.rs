//! One run whose memory is sampled.

use std::{
    collections::BTreeSet,
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use process::{Mark, ProcessTree, Sampler, Stamp, Unmarked, keep_orphans};
use record::{ByteSize, EndRecord};

use crate::ProveError;

/// The environment variable that marks the descendants of a run, also those whose parent has ended.
const MARK: &str = "LONGHAUL_PROVE_RUN";

/// The most rounds of killing: a program may start processes while it is killed.
const ROUNDS: usize = 16;

/// Runs a program to its end, and returns its exit status, too. Nothing that it has started runs afterwards.
pub(crate) fn command(
    command: Command,
    size: u64,
    limit: Duration,
) -> Result<(EndRecord, ExitStatus), ProveError> {
    let size = ByteSize(size);
    let failed = |source| ProveError::Watch { size, source };
    let mut run = Run::start(command).map_err(failed)?;
    let (mut sampler, mut worked, mut ticks) = (Sampler::default(), Stamp::now(), 0);
    loop {
        sampler.look(|| run.find_descendants());
        // The progress of the program is unknown. With a progress above zero, every sample counts.
        let pause = sampler.sample(&mut run.tree, 1);
        if run.has_ended().map_err(failed)? {
            break;
        }
        let now = run.tree.processor_ticks();
        if now != ticks {
            (ticks, worked) = (now, Stamp::now());
        }
        if worked.elapsed() >= limit {
            return Err(ProveError::Hangs { size, limit });
        }
        thread::sleep(pause);
    }
    // Processes that the program leaves behind count, too.
    run.find_descendants();
    sampler.sample(&mut run.tree, 1);
    let end = end(&sampler, &run.tree, size);
    Ok((end, run.end().map_err(failed)?))
}

/// Watches a running process, which outlives the run, while `work` runs.
pub(crate) fn process(pid: u32, size: u64, work: impl FnOnce()) -> Result<EndRecord, ProveError> {
    let size = ByteSize(size);
    let ended = |_: io::Error| ProveError::Ended { pid };
    let mut tree = ProcessTree::of(pid).map_err(ended)?;
    tree.restart_peak();
    let (mut sampler, done) = (Sampler::default(), AtomicBool::new(false));
    sampler.sample(&mut tree, 0);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                sampler.look(|| tree.find_descendants());
                thread::sleep(sampler.sample(&mut tree, 1));
            }
        });
        // The watch ends also if the work panics.
        let stop = Stop(&done);
        work();
        drop(stop);
        let _ = watching.join();
    });
    tree.find_descendants();
    if sampler.latest().is_none() || tree.ids().is_empty() {
        return Err(ProveError::Ended { pid });
    }
    Ok(end(&sampler, &tree, size))
}

/// Ends a watch when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes the record of a program. Its progress is taken as proportional to time.
fn end(sampler: &Sampler, tree: &ProcessTree, size: ByteSize) -> EndRecord {
    let mut end = EndRecord::default();
    (end.bytes, end.memory) = (size.0, sampler.record(tree));
    end.memory.timeline = sampler.points_by_time(size.0);
    end
}

/// Makes the kernel kill a program when this thread ends. A signal of the terminal (Ctrl-C) ends this process, but not
/// the program in its process group. Processes that the program has started run on.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the new process itself must ask for the signal")]
fn end_with_this_thread(command: &mut Command) {
    let parent = Pid::this();
    let ask = move || {
        process::end_with_parent();
        // This process may have ended before.
        if Pid::parent() == parent { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: prctl(2) and getppid(2) are system calls. Nothing allocates between fork and exec.
    unsafe { command.pre_exec(ask) };
}

#[cfg(not(target_os = "linux"))]
fn end_with_this_thread(_: &mut Command) {}

/// A running program. Dropping it kills the program and all its descendants.
struct Run {
    child: Child,
    /// The id of the program, and of its process group.
    leader: Pid,
    tree: ProcessTree,
    mark: String,
    /// True once the program was waited for. From then on, its id may be that of another group.
    is_over: bool,
}

impl Run {
    /// Starts a program in a process group of its own. It ends with this thread, which must wait for it.
    fn start(mut command: Command) -> io::Result<Self> {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        keep_orphans();
        end_with_this_thread(&mut command);
        let mut child = command.env(MARK, &mark).process_group(0).spawn()?;
        let leader = i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other);
        match leader.and_then(|leader| Ok((leader, ProcessTree::of(child.id())?))) {
            Ok((leader, tree)) => Ok(Self { child, leader, tree, mark, is_over: false }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Returns whether the program has ended. On Linux, its exit status stays uncollected, so that nothing else gets
    /// its id.
    fn has_ended(&mut self) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        {
            use nix::sys::wait::{Id, waitid};
            let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            Ok(waitid(Id::Pid(self.leader), look)? != WaitStatus::StillAlive)
        }
        #[cfg(not(target_os = "linux"))]
        Ok(self.child.try_wait()?.is_some())
    }

    fn find_descendants(&mut self) {
        self.tree.find_descendants();
        self.tree.adopt_orphans(Mark { name: MARK, value: &self.mark }, Unmarked::Left);
    }

    /// Kills the program and its descendants, waits for them, and returns the exit status of the program.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if !self.is_over {
            let killed = self.kill();
            self.is_over = true;
            // The leader comes first: a wait for its group could take its exit status.
            let status = self.child.wait();
            self.reap(killed);
            return status;
        }
        self.child.wait()
    }

    /// Kills the program and its descendants, and returns those descendants that this process may kill.
    fn kill(&mut self) -> BTreeSet<Pid> {
        let (mut seen, mut killed) = (BTreeSet::from([self.leader]), BTreeSet::new());
        // Members of the group that are dead at the first search after `killpg` are not found any more.
        let mut found = self.unseen(&mut seen);
        let _ = killpg(self.leader, Signal::SIGKILL);
        for _ in 0..ROUNDS {
            killed.extend(found.into_iter().filter(|id| kill(*id, Signal::SIGKILL).is_ok()));
            found = self.unseen(&mut seen);
            if found.is_empty() {
                break;
            }
        }
        killed
    }

    /// Looks for descendants, and returns those that are not among the `seen` ones yet.
    fn unseen(&mut self, seen: &mut BTreeSet<Pid>) -> Vec<Pid> {
        self.find_descendants();
        let ids = self.tree.ids().into_iter().filter_map(|id| i32::try_from(id).ok().map(Pid::from_raw));
        ids.filter(|id| seen.insert(*id)).collect()
    }

    /// Waits for the descendants that were killed, and for orphans of the program's group that had ended before. As their
    /// new parent, this process would keep them as zombies otherwise.
    fn reap(&self, mut killed: BTreeSet<Pid>) {
        // A wait fails while the process has another parent. The end of that parent may be among the next ones.
        let mut left = usize::MAX;
        while killed.len() < left {
            left = killed.len();
            killed.retain(|id| waitpid(*id, None).is_err());
        }
        let group = Pid::from_raw(-self.leader.as_raw());
        let look = Some(WaitPidFlag::WNOHANG);
        while waitpid(group, look).is_ok_and(|status| status != WaitStatus::StillAlive) {}
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
