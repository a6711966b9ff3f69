//! The timeout of a head that is being received.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// A timer that runs while a head is incomplete. The timer of hyper (`header_read_timeout`) also runs while no head has
/// begun, so it ends idle connections.
#[derive(Debug)]
pub(super) struct HeadTimer {
    timeout: Duration,
    /// The running timer. A head that arrives at once starts none.
    running: Option<Pin<Box<Sleep>>>,
}

impl HeadTimer {
    /// Returns a timer that does not run.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, running: None }
    }

    /// Starts the timer, unless it runs. The task is woken once the time is over.
    ///
    /// # Errors
    /// Fails once the time is over.
    pub(super) fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let timeout = self.timeout;
        match self.running.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => {
                let reason = format!("the head was incomplete after {} s", timeout.as_secs_f64());
                Err(io::Error::new(io::ErrorKind::TimedOut, reason))
            }
        }
    }

    /// Stops the timer.
    pub(super) fn stop(&mut self) {
        self.running = None;
    }
}
