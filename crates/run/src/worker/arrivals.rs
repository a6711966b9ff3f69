//! The connections that arrive at a worker. Its port is open to every program of this machine, so another client may
//! come first. Such a client must neither delay nor end a run.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use record::Fault;
use transport::{Handshake, Listener, Session};

/// The connections that arrive at a listener.
pub(super) struct Arrivals<'a> {
    listener: &'a dyn Listener,
    handshakes: FuturesUnordered<Handshake>,
}

impl<'a> Arrivals<'a> {
    /// Returns the connections that arrive at `listener`.
    pub(super) fn of(listener: &'a dyn Listener) -> Self {
        Self { listener, handshakes: FuturesUnordered::new() }
    }

    /// Waits for the next connection whose handshake succeeds. The peer of a failed handshake knows the reason.
    ///
    /// # Errors
    /// Fails if the listener is broken.
    pub(super) async fn next(&mut self) -> Result<Arc<dyn Session>, Fault> {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => self.handshakes.push(accepted?.handshake),
                Some(shaken) = self.handshakes.next() => {
                    if let Ok(session) = shaken {
                        return Ok(Arc::from(session));
                    }
                }
            }
        }
    }
}
