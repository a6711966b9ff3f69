//! Busy-polling: a wait that polls repeatedly before it sleeps.

use std::{task::Context, time::Duration};

use metrics::Stamp;

use crate::SpinTime;

/// The busy-polling of one task. While a task finds nothing, it wakes itself for up to `limit`, and sleeps after that.
/// Other tasks of the runtime run between two polls.
pub(crate) struct BusyPoll<'a> {
    limit: Duration,
    spun: &'a SpinTime,
    /// The time of the first of the last polls that found nothing; `None` if the last poll found something.
    since: Option<Stamp>,
}

impl<'a> BusyPoll<'a> {
    /// Creates the busy-polling of a task, which adds its time to `spun`. A `limit` of zero turns it off.
    pub(crate) fn new(limit: Duration, spun: &'a SpinTime) -> Self {
        Self { limit, spun, since: None }
    }

    /// Notes that a poll has found something.
    #[inline]
    pub(crate) fn found(&mut self) {
        if !self.limit.is_zero() {
            self.spun.pause();
            self.since = None;
        }
    }

    /// Notes that a poll has found nothing. Wakes the task of `cx` until the limit.
    pub(crate) fn found_nothing(&mut self, cx: &Context<'_>) {
        if self.limit.is_zero() {
            return;
        }
        let now = Stamp::now();
        self.spun.found_nothing(now);
        if now.since(*self.since.get_or_insert(now)) < self.limit {
            cx.waker().wake_by_ref();
        } else {
            self.spun.pause();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        task::{Wake, Waker},
        thread::sleep,
    };

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicU64);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the number of wake-ups after a poll that found nothing, and after a second one 50 ms later.
    fn wakes(limit: Duration) -> (u64, u64) {
        let (wakes, spun) = (Arc::new(Wakes::default()), SpinTime::default());
        let waker = wakes.clone().into();
        let mut busy = BusyPoll::new(limit, &spun);
        let mut poll = || {
            busy.found_nothing(&Context::from_waker(&waker));
            wakes.0.load(Ordering::Relaxed)
        };
        let first = poll();
        sleep(Duration::from_millis(50));
        (first, poll())
    }

    #[test]
    fn a_task_that_finds_nothing_is_woken_until_the_limit() {
        assert_eq!(wakes(Duration::from_secs(60)), (1, 2));
        assert_eq!(wakes(Duration::from_millis(50)), (1, 1));
        assert_eq!(wakes(Duration::ZERO), (0, 0));
    }

    #[test]
    fn the_limit_begins_anew_after_something_was_found() {
        let (wakes, spun) = (Arc::new(Wakes::default()), SpinTime::default());
        let waker = wakes.clone().into();
        let mut busy = BusyPoll::new(Duration::from_millis(50), &spun);
        for _ in 0..2 {
            busy.found_nothing(&Context::from_waker(&waker));
            sleep(Duration::from_millis(50));
            busy.found();
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    }

    /// Returns the busy-polling time of a wait that finds something in the poll with the number `polls`.
    fn spun(limit: Duration, polls: u32) -> Duration {
        let spun = SpinTime::default();
        let mut busy = BusyPoll::new(limit, &spun);
        (1..polls).for_each(|_| busy.found_nothing(&Context::from_waker(Waker::noop())));
        busy.found();
        spun.total()
    }

    #[test]
    fn only_the_time_between_two_vain_polls_counts_as_busy_polling() {
        let minute = Duration::from_secs(60);
        assert_eq!(spun(minute, 1), Duration::ZERO, "found at once");
        assert_eq!(spun(minute, 2), Duration::ZERO, "found by the second poll, which the wake-up caused");
        assert!(spun(minute, 1000) > Duration::ZERO);
        assert_eq!(spun(Duration::ZERO, 1000), Duration::ZERO, "busy-polling is off");
        let once = spun(Duration::from_nanos(1), 1000);
        assert!(once <= Duration::from_micros(20), "{once:?}: only the first poll wakes its task");
    }
}
