//! The times that the kernel accounts to single threads of this process.

use std::time::Duration;

use crate::platform;

/// The kernel's number of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadId(u64);

/// The times of a thread since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadTimes {
    /// The processor time.
    pub cpu: Duration,
    /// The time for which the thread was ready to run but waited for a core.
    pub run_delay: Duration,
}

impl ThreadId {
    /// Returns the number of the calling thread. `None` if this system does not account times to threads.
    pub fn own() -> Option<Self> {
        platform::thread_id().map(Self)
    }

    /// Returns the times of the thread. `None` once it has ended, or if the kernel does not count them.
    pub fn times(self) -> Option<ThreadTimes> {
        platform::thread_times(self.0)
    }
}

impl ThreadTimes {
    /// Returns times as the system states them.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux states them"))]
    pub(crate) fn new(cpu: Duration, run_delay: Duration) -> Self {
        Self { cpu, run_delay }
    }

    /// Returns the difference between these times and `earlier` ones. A time that was longer in `earlier` becomes zero.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        let ThreadTimes { cpu, run_delay } = earlier;
        Self { cpu: self.cpu.saturating_sub(cpu), run_delay: self.run_delay.saturating_sub(run_delay) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::Stamp;

    #[test]
    fn the_time_of_a_thread_is_its_own_and_known_to_others() {
        let (told, tell) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let busy = std::thread::spawn(move || {
            told.send(ThreadId::own().unwrap()).unwrap();
            wait.recv().unwrap();
            let began = Stamp::now();
            while began.elapsed() < Duration::from_millis(30) {}
            told.send(ThreadId::own().unwrap()).unwrap();
            wait.recv().unwrap();
        });
        let id = tell.recv().unwrap();
        let (before, own) = (id.times().unwrap(), ThreadId::own().unwrap().times().unwrap());
        go.send(()).unwrap();
        assert_eq!(tell.recv().unwrap(), id);
        let used = id.times().unwrap().since(before);
        assert!(used.cpu + used.run_delay > Duration::from_millis(25), "{used:?}");
        let own = ThreadId::own().unwrap().times().unwrap().since(own);
        assert!(own.cpu < used.cpu, "{own:?} {used:?}");
        go.send(()).unwrap();
        busy.join().unwrap();
    }
}
