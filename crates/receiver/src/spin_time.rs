//! The time that an end spends on busy-polling.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::Stamp;

/// The longest time between two polls that counts as busy-polling, in nanoseconds. A poll of a task without work takes
/// less than a microsecond. In a longer time, other tasks have worked, or the process was preempted.
const LONGEST: u64 = 20_000;

/// The time that all receptions of one end spend on busy-polling together. Clones share it.
///
/// Busy-polling is the time between two consecutive polls that both found nothing. All receptions of an end share one
/// thread, so their polls never overlap. The time of concurrent receptions therefore counts once.
#[derive(Clone, Debug)]
pub struct SpinTime(Arc<Shared>);

/// The shared times, in nanoseconds. They are atomic because futures may move between threads, and establish no order.
#[derive(Debug)]
struct Shared {
    began: Stamp,
    /// The time from `began` to the last poll if that poll found nothing; 0 if it found something.
    last: AtomicU64,
    total: AtomicU64,
}

impl Default for SpinTime {
    fn default() -> Self {
        Self(Arc::new(Shared { began: Stamp::now(), last: AtomicU64::new(0), total: AtomicU64::new(0) }))
    }
}

impl SpinTime {
    /// Returns the time spent on busy-polling so far.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.0.total.load(Ordering::Relaxed))
    }

    /// Notes a poll at `now` that found nothing.
    pub(crate) fn found_nothing(&self, now: Stamp) {
        // The value 0 is reserved for a last poll that found something.
        let now = u64::try_from(now.since(self.0.began).as_nanos()).unwrap_or(u64::MAX).max(1);
        let last = self.0.last.swap(now, Ordering::Relaxed);
        let gap = now.saturating_sub(last);
        if last > 0 && gap <= LONGEST {
            self.0.total.fetch_add(gap, Ordering::Relaxed);
        }
    }

    /// Notes that the time until the next poll is not busy-polling, because bytes arrived or the task sleeps.
    pub(crate) fn pause(&self) {
        if self.0.last.load(Ordering::Relaxed) > 0 {
            self.0.last.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    /// Polls until `time` has passed, and returns the time of the last poll.
    fn poll_for(spun: &SpinTime, time: Duration) -> Duration {
        let began = Stamp::now();
        while began.elapsed() < time {
            spun.found_nothing(Stamp::now());
        }
        began.elapsed()
    }

    #[test]
    fn the_time_between_polls_that_find_nothing_counts() {
        let spun = SpinTime::default();
        let polled = poll_for(&spun, Duration::from_millis(20));
        // On a loaded machine the thread may be preempted, and that time does not count.
        assert!(spun.total() <= polled && spun.total() >= polled / 50, "{spun:?} of {polled:?}");
    }

    #[test]
    fn work_and_sleep_between_polls_do_not_count() {
        let spun = SpinTime::default();
        for _ in 0..100 {
            spun.found_nothing(Stamp::now());
            spun.pause();
        }
        assert_eq!(spun.total(), Duration::ZERO, "each poll found something afterwards");
        spun.found_nothing(Stamp::now());
        sleep(Duration::from_millis(1));
        spun.found_nothing(Stamp::now());
        assert_eq!(spun.total(), Duration::ZERO, "the process slept");
    }

    #[test]
    fn the_time_of_concurrent_bodies_counts_once() {
        let (spun, other) = (SpinTime::default(), SpinTime::default());
        let clone = spun.clone();
        let began = Stamp::now();
        for _ in 0..1000 {
            spun.found_nothing(Stamp::now());
            clone.found_nothing(Stamp::now());
        }
        assert!(spun.total() <= began.elapsed() && spun.total() == clone.total(), "{spun:?}");
        assert_eq!(other.total(), Duration::ZERO);
    }
}
