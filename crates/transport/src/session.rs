//! A server's connection that a task drives: requests come through a channel, whatever the protocol.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::{Error, Incoming, Link, Session, tasks::Tasks};

/// Where a driver puts the requests that arrive, and at last why the connection broke.
pub(crate) type Arrivals = mpsc::Sender<Result<Incoming, Error>>;

/// Wakes a driver when its connection is to be closed.
pub(crate) type Closing = Arc<Notify>;

/// What knows about a connection.
pub(crate) trait Linked: Send + Sync + 'static {
    fn link(&self) -> Link;
}

/// A connection that its driver keeps going; the connection ends with it.
pub(crate) struct Driven<W> {
    incoming: Mutex<mpsc::Receiver<Result<Incoming, Error>>>,
    closing: Closing,
    wire: W,
    _tasks: Tasks,
}

impl<W: Linked> Driven<W> {
    /// Starts what `drive` makes; at most `requests` of them wait to be accepted.
    pub(crate) fn start<D>(
        requests: u32,
        wire: W,
        drive: impl FnOnce(Arrivals, Closing) -> D,
    ) -> Box<dyn Session>
    where
        D: Future<Output = ()> + Send + 'static,
    {
        let (arrivals, incoming) = mpsc::channel(requests as usize);
        let (closing, tasks) = (Closing::default(), Tasks::default());
        tasks.spawn(drive(arrivals, closing.clone()));
        Box::new(Self { incoming: Mutex::new(incoming), closing, wire, _tasks: tasks })
    }
}

#[async_trait]
impl<W: Linked> Session for Driven<W> {
    async fn accept(&self) -> Result<Option<Incoming>, Error> {
        self.incoming.lock().await.recv().await.transpose()
    }

    async fn close(&self) {
        self.closing.notify_one();
        while self.incoming.lock().await.recv().await.is_some() {}
    }

    fn link(&self) -> Link {
        self.wire.link()
    }
}
