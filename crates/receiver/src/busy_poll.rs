//! A wait that polls for a while before it sleeps.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use metrics::Stamp;

/// A future that busy-polls: while it is pending, it wakes its own task for up to `limit` and only then lets it sleep.
/// Other tasks of the runtime get their turn between two polls.
pub(crate) struct BusyPoll<F> {
    future: F,
    limit: Duration,
    /// The time of the first pending poll.
    since: Option<Stamp>,
}

impl<F> BusyPoll<F> {
    pub(crate) fn new(future: F, limit: Duration) -> Self {
        Self { future, limit, since: None }
    }
}

impl<F: Future + Unpin> Future for BusyPoll<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = Pin::new(&mut self.future).poll(cx);
        let limit = self.limit;
        if polled.is_pending()
            && !limit.is_zero()
            && self.since.get_or_insert_with(Stamp::now).elapsed() < limit
        {
            cx.waker().wake_by_ref();
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
        task::Wake,
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

    /// The wakes after a poll, and after a second one 50 ms later.
    fn wakes(limit: Duration) -> (u64, u64) {
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        let mut waiting = BusyPoll::new(poll_fn(|_| Poll::<()>::Pending), limit);
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
}
