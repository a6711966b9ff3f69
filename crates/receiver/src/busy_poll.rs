//! Busy-polling: a wait that polls repeatedly before it sleeps.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use metrics::Stamp;

use crate::SpinTime;

/// A future that busy-polls. While pending, the future wakes its own task for up to `limit`, and lets the task sleep
/// after that. Other tasks of the runtime run between two polls.
pub(crate) struct BusyPoll<'a, F> {
    future: F,
    limit: Duration,
    spun: &'a SpinTime,
    /// The time of the first pending poll; `None` before it.
    since: Option<Stamp>,
}

impl<'a, F> BusyPoll<'a, F> {
    /// Creates a wait for `future`. The time of busy-polling is added to `spun`.
    pub(crate) fn new(future: F, limit: Duration, spun: &'a SpinTime) -> Self {
        Self { future, limit, spun, since: None }
    }
}

impl<F: Future + Unpin> Future for BusyPoll<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = Pin::new(&mut self.future).poll(cx);
        if self.limit.is_zero() {
            return polled;
        }
        if polled.is_ready() {
            self.spun.pause();
            return polled;
        }
        let now = Stamp::now();
        self.spun.found_nothing(now);
        if now.since(*self.since.get_or_insert(now)) < self.limit {
            cx.waker().wake_by_ref();
        } else {
            self.spun.pause();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
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

    /// Returns the number of wake-ups after a poll, and after a second poll 50 ms later.
    fn wakes(limit: Duration) -> (u64, u64) {
        let (wakes, spun) = (Arc::new(Wakes::default()), SpinTime::default());
        let waker = wakes.clone().into();
        let mut waiting = BusyPoll::new(poll_fn(|_| Poll::<()>::Pending), limit, &spun);
        let mut poll = || {
            assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(&waker)).is_pending());
            wakes.0.load(Ordering::Relaxed)
        };
        let first = poll();
        sleep(Duration::from_millis(50));
        (first, poll())
    }

    #[test]
    fn a_pending_future_wakes_its_task_until_the_limit() {
        assert_eq!(wakes(Duration::from_secs(60)), (1, 2));
        assert_eq!(wakes(Duration::from_millis(50)), (1, 1));
        assert_eq!(wakes(Duration::ZERO), (0, 0));
    }

    /// Returns the busy-polling time of a wait that finds nothing in `polls` polls, and finds something in the next
    /// poll.
    fn spun(limit: Duration, polls: u32) -> Duration {
        let (spun, mut left) = (SpinTime::default(), polls);
        let found = poll_fn(|_| {
            left = left.saturating_sub(1);
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut waiting = BusyPoll::new(found, limit, &spun);
        let mut context = Context::from_waker(Waker::noop());
        while Pin::new(&mut waiting).poll(&mut context).is_pending() {}
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
