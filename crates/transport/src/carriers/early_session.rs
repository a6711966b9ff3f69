//! A server's session whose first requests may arrive in early data: before the handshake is complete.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use crate::{Error, InEarlyData, Incoming, Link, Session};

/// The state of a handshake. It is complete once the client has proven that its early data is not a replay of recorded
/// packets.
#[derive(Clone, Debug, Default)]
pub(super) struct Confirmation(Arc<AtomicBool>);

impl Confirmation {
    /// Marks the handshake as complete.
    pub(super) fn confirm(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_given(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A session that marks the requests which it yields before its handshake is complete.
pub(super) struct EarlySession {
    session: Box<dyn Session>,
    confirmation: Confirmation,
}

impl EarlySession {
    /// Wraps `session`. `confirmation` must be the state of the handshake of the same connection.
    pub(super) fn new(session: Box<dyn Session>, confirmation: Confirmation) -> Self {
        Self { session, confirmation }
    }
}

#[async_trait]
impl Session for EarlySession {
    async fn accept(&self) -> Result<Option<Incoming>, Error> {
        let mut incoming = self.session.accept().await?;
        if let Some(incoming) = &mut incoming
            && !self.confirmation.is_given()
        {
            incoming.request.extensions_mut().insert(InEarlyData);
        }
        Ok(incoming)
    }

    fn shut_down(&self) {
        self.session.shut_down();
    }

    async fn close(&self) {
        self.session.close().await;
    }

    fn link(&self) -> Link {
        self.session.link()
    }
}
