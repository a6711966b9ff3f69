//! One run whose memory is sampled.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use process::{ProcessTree, Sampler, Stamp};
use record::{ByteSize, EndRecord};

use crate::ProveError;

/// Runs a program to its end, and returns its exit status, too. Nothing that it has started runs afterwards.
pub(crate) fn command(
    mut command: Command,
    size: u64,
    limit: Duration,
) -> Result<(EndRecord, ExitStatus), ProveError> {
    let size = ByteSize(size);
    let failed = |source| ProveError::Watch { size, source };
    let child = command.process_group(0).spawn().map_err(failed)?;
    let tree = ProcessTree::of(child.id());
    let mut run = Run { child, tree: tree.map_err(failed)? };
    let (mut sampler, mut worked, mut ticks) = (Sampler::default(), Stamp::now(), 0);
    let status = loop {
        sampler.look(|| run.tree.find_descendants());
        // The progress of the program is unknown. With a progress above zero, every sample counts.
        let pause = sampler.sample(&mut run.tree, 1);
        if let Some(status) = run.child.try_wait().map_err(failed)? {
            break status;
        }
        let now = run.tree.processor_ticks();
        if now != ticks {
            (ticks, worked) = (now, Stamp::now());
        }
        if worked.elapsed() >= limit {
            return Err(ProveError::Hangs { size, limit });
        }
        thread::sleep(pause);
    };
    Ok((end(&sampler, &run.tree, size), status))
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

/// A running program. Dropping it kills the program and all its descendants.
struct Run {
    child: Child,
    tree: ProcessTree,
}

impl Drop for Run {
    fn drop(&mut self) {
        let pid = |id: u32| i32::try_from(id).ok().map(Pid::from_raw);
        // Once the program was waited for, its id may be that of another group.
        if let (Ok(None), Some(leader)) = (self.child.try_wait(), pid(self.child.id())) {
            let _ = killpg(leader, Signal::SIGKILL);
        }
        self.tree.find_descendants();
        for id in self.tree.ids().into_iter().filter_map(pid) {
            let _ = kill(id, Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}
