//! The background tasks of a connection.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
};

use tokio::{sync::oneshot, task::JoinSet};

use crate::Error;

/// Tasks that are aborted when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Spawns the sending of a body, which may outlast the head of the response. The returned future completes only if
    /// the body itself fails. Any other failure belongs to the connection, or to a peer that needs no more of the body,
    /// and shows in the response.
    pub(crate) fn pump(
        &self,
        send: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> impl Future<Output = Error> + Send + 'static {
        let (failed, failure) = oneshot::channel();
        self.spawn(async {
            if let Err(error @ Error::Body { .. }) = send.await {
                let _ = failed.send(error);
            }
        });
        async {
            match failure.await {
                Ok(error) => error,
                Err(_) => std::future::pending().await,
            }
        }
    }
}
