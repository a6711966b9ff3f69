//! The task that drives a client's connection, and its end.

use std::{error::Error as StdError, time::Duration};

use tokio::{sync::watch, time::timeout};
use tracing::debug;

use crate::tasks::Tasks;

/// The longest time that closing a connection waits for its task to end. The kernel delivers the remaining bytes
/// afterwards.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A handle that reports the end of the task that drives a connection.
#[derive(Clone, Debug)]
pub(crate) struct Driver(watch::Receiver<Option<String>>);

impl Driver {
    /// Drives a connection in the background. Its error also reaches every exchange on the connection.
    pub(crate) fn spawn<E: StdError>(
        tasks: &Tasks,
        protocol: &'static str,
        connection: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Self {
        let (end, ended) = watch::channel(None);
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                debug!("{protocol}: {error}");
                end.send_replace(Some(error.to_string()));
            }
        });
        Self(ended)
    }

    /// Returns the error that ended the connection, if one did.
    pub(crate) fn error(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Waits until the task has ended, but no longer than [`CLOSE_TIMEOUT`].
    pub(crate) async fn ended(&self) {
        let mut end = self.0.clone();
        let _ = timeout(CLOSE_TIMEOUT, async { while end.changed().await.is_ok() {} }).await;
    }
}
