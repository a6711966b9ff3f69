//! The background tasks of a connection.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
};

use tokio::{sync::oneshot, task::JoinSet};

use crate::{Error, body::BodySent};

/// A set of tasks, which are aborted when the set is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Aborts all tasks.
    pub(crate) fn abort(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Spawns the sending of a body, which may outlast the head of the response. The returned future completes only if
    /// the body itself fails. Any other failure (the connection broke, or the peer needs no more of the body) shows in
    /// the response.
    pub(crate) fn pump(
        &self,
        send: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> (impl Future<Output = Error> + Send + 'static, BodySent) {
        let (failed, failure) = oneshot::channel();
        let sent = BodySent::default();
        let ended = sent.clone();
        self.spawn(async move {
            match send.await {
                Ok(()) => ended.complete(),
                Err(error @ Error::Body { .. }) => {
                    let _ = failed.send(error);
                }
                Err(_) => {}
            }
        });
        let failed = async {
            match failure.await {
                Ok(error) => error,
                Err(_) => std::future::pending().await,
            }
        };
        (failed, sent)
    }
}
