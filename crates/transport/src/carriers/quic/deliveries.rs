//! The unfinished exchanges of a connection: running ones, and responses whose end is unacknowledged.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Acquire},
    },
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::Notify;

/// The exchanges of a server's connection that closing it would cut off.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// The exchanges whose streams are still in use.
    running: AtomicUsize,
    /// Notified when the last running exchange ends.
    none_runs: Notify,
    /// The responses that were sent completely, but are not completely acknowledged by the peer.
    unacknowledged: Mutex<FuturesUnordered<BoxFuture<'static, ()>>>,
}

impl Deliveries {
    /// Counts an exchange until the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, AcqRel);
        Running(self.clone())
    }

    /// Adds a response that was sent to its end, until the peer has acknowledged it.
    pub(crate) fn sent(&self, stream: &quinn::SendStream) {
        let stopped = stream.stopped();
        let mut unacknowledged = self.unacknowledged();
        while let Some(Some(())) = unacknowledged.next().now_or_never() {}
        // The wait also ends if the peer stops the stream or the connection breaks.
        unacknowledged.push(Box::pin(async move { drop(stopped.await) }));
    }

    /// Returns whether any exchange runs.
    pub(crate) fn are_running(&self) -> bool {
        self.running.load(Acquire) > 0
    }

    /// Waits until no exchange runs and every response is acknowledged.
    pub(crate) async fn complete(&self) {
        loop {
            let ended = self.none_runs.notified();
            if self.are_running() {
                ended.await;
                continue;
            }
            let mut responses = std::mem::take(&mut *self.unacknowledged());
            if responses.is_empty() {
                return;
            }
            while responses.next().await.is_some() {}
        }
    }

    fn unacknowledged(&self) -> MutexGuard<'_, FuturesUnordered<BoxFuture<'static, ()>>> {
        self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The count of one running exchange, until the value is dropped.
#[derive(Debug)]
pub(crate) struct Running(Arc<Deliveries>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, AcqRel) == 1 {
            self.0.none_runs.notify_waiters();
        }
    }
}
