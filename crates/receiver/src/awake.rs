//! Waiting without going to sleep at once.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use metrics::Stamp;

/// A future whose task stays awake for a while when it has to wait: it is polled again and again, in turns with
/// all other tasks, and goes to sleep only then.
pub(crate) struct Awake<F> {
    future: F,
    spin: Duration,
    since: Option<Stamp>,
}

impl<F> Awake<F> {
    pub(crate) fn new(future: F, spin: Duration) -> Self {
        Self { future, spin, since: None }
    }
}

impl<F: Future + Unpin> Future for Awake<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = Pin::new(&mut self.future).poll(cx);
        let spin = self.spin;
        if polled.is_pending()
            && !spin.is_zero()
            && self.since.get_or_insert_with(Stamp::now).elapsed() < spin
        {
            cx.waker().wake_by_ref();
        }
        polled
    }
}
