//! The threads of an end that carry its connections, each with its own runtime, and bound to a core on request.

use std::{future::Future, io, sync::mpsc, thread::JoinHandle};

use futures_util::{FutureExt as _, future::BoxFuture};
use process::{ThreadId, join_heap};
use record::{Fault, FaultKind};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinSet,
};
use transport::Spread;

use crate::{DISK_THREADS, machine};

/// The threads of a process that carry connections: the first is the calling thread of [`start`](Self::start), which
/// starts the others. Dropping the value ends the other threads with their tasks.
#[derive(Debug)]
pub struct Threads {
    first: Place,
    others: Vec<Further>,
}

/// The identity of a thread in measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The core that the thread is bound to; `None` if it is not bound.
    pub core: Option<usize>,
    /// The kernel's identifier of the thread; `None` if this system does not account times to threads.
    pub id: Option<ThreadId>,
}

/// A thread other than the first.
#[derive(Debug)]
struct Further {
    place: Place,
    runtime: Handle,
    /// Dropping the sender ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Threads {
    /// Starts the other threads, so that there are `count` in all. Each has a current-thread runtime. All threads, the
    /// calling one first, are bound to `cores` in turn, unless `cores` is empty.
    ///
    /// # Errors
    /// Fails if a core does not exist or may not be used, or if the system refuses a thread or a runtime.
    pub fn start(count: u32, cores: &[usize]) -> io::Result<Self> {
        let mut assigned = cores.iter().copied().cycle();
        let core = assigned.next();
        bind(core)?;
        let first = Place { core, id: ThreadId::own() };
        let disk_threads = DISK_THREADS.div_ceil(usize::try_from(count).unwrap_or(usize::MAX).max(1));
        let others = (1..count).map(|number| Further::start(number, assigned.next(), disk_threads));
        Ok(Self { first, others: others.collect::<io::Result<_>>()? })
    }

    /// Returns the calling thread alone, without a binding to a core.
    pub fn single() -> Self {
        Self { first: Place { core: None, id: ThreadId::own() }, others: Vec::new() }
    }

    /// Starts `count` threads on different cores that this process may use. With too few cores, no thread is bound, and
    /// the returned note says so. A single thread is never bound.
    ///
    /// # Errors
    /// Fails if the system refuses a thread or a runtime.
    pub fn start_anywhere(count: u32) -> io::Result<(Self, Option<String>)> {
        let cores = machine::choose_cores(count).filter(|_| count > 1);
        let few = cores.is_none() && count > 1;
        let note = few.then(|| format!("{count} threads share fewer cores; none is bound to a core"));
        Ok((Self::start(count, &cores.unwrap_or_default())?, note))
    }

    /// Returns the number of threads.
    pub fn count(&self) -> usize {
        self.others.len() + 1
    }

    /// Returns the threads, the first one first.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        std::iter::once(self.first).chain(self.others.iter().map(|other| other.place))
    }

    /// Returns the spread of a listener's connections over the threads; `None` for a single thread. Must be called
    /// within the runtime of the first thread.
    pub fn spread(&self) -> Option<Spread> {
        let others = self.others.iter().map(|other| other.runtime.clone());
        Spread::over(std::iter::once(Handle::current()).chain(others).collect())
    }

    /// Runs `work` on the thread with this number, and returns its outcome. Work of thread 0 runs within the task that
    /// polls the returned future. Other work begins at once, and ends when that future is dropped.
    pub fn run<T: Send + 'static, E: From<Fault> + Send + 'static>(
        &self,
        thread: usize,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>> {
        let Some(other) = thread.checked_sub(1).and_then(|further| self.others.get(further)) else {
            return work.boxed();
        };
        let mut task = JoinSet::new();
        task.spawn_on(work, &other.runtime);
        let outcome = async move {
            let lost = || Fault::new(FaultKind::Worker, "a thread has given up its work");
            task.join_next().await.and_then(Result::ok).unwrap_or_else(|| Err(lost().into()))
        };
        outcome.boxed()
    }
}

impl Further {
    fn start(number: u32, core: Option<usize>, disk_threads: usize) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (report, started) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name(format!("carrier-{number}")).spawn(move || {
            let runtime = bind(core).and_then(|()| {
                join_heap();
                Builder::new_current_thread().enable_all().max_blocking_threads(disk_threads).build()
            });
            let place = Place { core, id: ThreadId::own() };
            match runtime {
                Ok(runtime) => {
                    if report.send(Ok((place, runtime.handle().clone()))).is_ok() {
                        let _ = runtime.block_on(stopped);
                    }
                    // Blocking threads that wait for a disk or a pipe are not waited for.
                    runtime.shutdown_background();
                }
                Err(error) => _ = report.send(Err(error)),
            }
        })?;
        let (place, runtime) = started.recv().map_err(io::Error::other)??;
        Ok(Self { place, runtime, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Further {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

fn bind(core: Option<usize>) -> io::Result<()> {
    let Some(core) = core else { return Ok(()) };
    machine::bind(core).map_err(|error| {
        let message = format!("cannot use core {core}: {error}");
        io::Error::new(io::Error::from(error).kind(), message)
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    #[tokio::test]
    async fn work_runs_on_the_thread_that_it_names() {
        let threads = Threads::start(3, &[]).unwrap();
        let own = |number| threads.run(number, async { Ok::<_, Fault>(thread::current().id()) });
        let mut seen = HashSet::new();
        for number in 0..3 {
            let id = own(number).await.unwrap();
            assert_eq!((id, id == thread::current().id()), (own(number).await.unwrap(), number == 0));
            seen.insert(id);
        }
        assert_eq!((seen.len(), threads.count()), (3, 3));
        assert_eq!(threads.spread().unwrap().runtimes().len(), 3);
        let ids: Vec<_> = threads.places().filter_map(|place| place.id).collect();
        assert!(ids.len() == 3 && ids[0] != ids[1] && ids[1] != ids[2] || cfg!(not(target_os = "linux")));
        assert!(Threads::single().spread().is_none());
    }

    #[tokio::test]
    async fn work_of_other_threads_ends_with_its_future_and_with_the_threads() {
        struct Dropped(mpsc::Sender<()>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let threads = Threads::start(2, &[]).unwrap();
        let (dropped, was_dropped) = mpsc::channel();
        let work = |held: Dropped| {
            threads.run(1, async move {
                let _held = held;
                std::future::pending::<Result<(), Fault>>().await
            })
        };
        drop(work(Dropped(dropped.clone())));
        was_dropped.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        let kept = work(Dropped(dropped));
        drop(threads);
        was_dropped.try_recv().unwrap();
        assert!(kept.await.is_err());
    }

    #[test]
    fn a_core_that_does_not_exist_is_named() {
        let error = Threads::start(1, &[1 << 20]).unwrap_err().to_string();
        assert!(error.contains("cannot use core 1048576"), "{error}");
    }
}
