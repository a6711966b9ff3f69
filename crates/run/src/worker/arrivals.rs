//! The connections that arrive at the server of a run. Other programs can reach its port, so another client may come
//! first. Such a client must neither delay nor end a run.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use record::Fault;
use transport::{Accepted, Listener, Session};

use crate::Threads;

/// The connections that arrive at a listener, with their handshakes in progress.
pub(super) struct Arrivals<'a> {
    listener: &'a dyn Listener,
    threads: &'a Threads,
    handshakes: FuturesUnordered<BoxFuture<'static, Result<Arrived, Fault>>>,
}

/// A connection whose handshake has succeeded.
pub(super) struct Arrived {
    pub(super) session: Arc<dyn Session>,
    /// The number of the thread that carries the connection.
    pub(super) thread: usize,
}

impl<'a> Arrivals<'a> {
    /// Returns the connections that arrive at `listener`, which spreads them over `threads`.
    pub(super) fn of(listener: &'a dyn Listener, threads: &'a Threads) -> Self {
        Self { listener, threads, handshakes: FuturesUnordered::new() }
    }

    /// Waits for the next connection whose handshake succeeds. A failed handshake is ignored, since the client reports
    /// its reason.
    ///
    /// # Errors
    /// Fails if the listener is broken.
    pub(super) async fn next(&mut self) -> Result<Arrived, Fault> {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => self.handshakes.push(self.shake(accepted?)),
                Some(shaken) = self.handshakes.next() => {
                    if let Ok(arrived) = shaken {
                        return Ok(arrived);
                    }
                }
            }
        }
    }

    /// Performs a handshake on the thread that the listener has chosen for the connection.
    fn shake(&self, accepted: Accepted) -> BoxFuture<'static, Result<Arrived, Fault>> {
        let thread = accepted.thread.unwrap_or_default();
        let shaken = async move { Ok(Arrived { session: Arc::from(accepted.handshake.await?), thread }) };
        self.threads.run(thread, shaken)
    }
}
