//! The session of a server whose connection a background task drives. Its requests come through a channel, whatever the
//! protocol.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::{Error, Incoming, Link, Session, tasks::Tasks};

/// The driver's end of the channel: requests as they arrive, and finally the error that broke the connection.
pub(crate) type Arrivals = mpsc::Sender<Result<Incoming, Error>>;

/// The signal to a driver that its connection is to be closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct CloseSignal(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    closing: AtomicBool,
    wake: Notify,
}

impl CloseSignal {
    /// Signals that the connection is to be closed.
    fn close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Wakes the driver for another reason.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Waits for the signal, or for another reason to wake up.
    pub(crate) async fn notified(&self) {
        self.0.wake.notified().await;
    }

    /// Returns whether the connection is to be closed.
    pub(crate) fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Relaxed)
    }
}

/// A source of the state of a connection.
#[async_trait]
pub(crate) trait LinkSource: Send + Sync + 'static {
    /// Returns the state now.
    fn link(&self) -> Link;

    /// Waits until the peer has received everything and ended its direction. Called after the engine has shut the
    /// stream down.
    async fn delivered(&self) {}

    /// Waits until no byte of a closing connection has moved for so long that the peer is given up.
    async fn stalled(&self) {
        pending().await
    }
}

/// A session whose connection is driven by a background task. The connection ends when the session is dropped.
pub(crate) struct DrivenSession<L> {
    incoming: Mutex<mpsc::Receiver<Result<Incoming, Error>>>,
    close: CloseSignal,
    link: L,
    _tasks: Tasks,
}

impl<L: LinkSource> DrivenSession<L> {
    /// Starts the driver that `drive` makes. At most `requests` of its requests wait to be accepted.
    pub(crate) fn start<D>(
        requests: u32,
        link: L,
        drive: impl FnOnce(Arrivals, CloseSignal) -> D,
    ) -> Box<dyn Session>
    where
        D: Future<Output = ()> + Send + 'static,
    {
        Self::woken_by(CloseSignal::default(), requests, link, drive)
    }

    /// Starts a driver like [`DrivenSession::start`], which `close` wakes for other reasons as well.
    pub(crate) fn woken_by<D>(
        close: CloseSignal,
        requests: u32,
        link: L,
        drive: impl FnOnce(Arrivals, CloseSignal) -> D,
    ) -> Box<dyn Session>
    where
        D: Future<Output = ()> + Send + 'static,
    {
        let (arrivals, incoming) = mpsc::channel(requests as usize);
        let tasks = Tasks::default();
        tasks.spawn(drive(arrivals, close.clone()));
        Box::new(Self { incoming: Mutex::new(incoming), close, link, _tasks: tasks })
    }
}

#[async_trait]
impl<L: LinkSource> Session for DrivenSession<L> {
    async fn accept(&self) -> Result<Option<Incoming>, Error> {
        let incoming = self.incoming.lock().await.recv().await;
        incoming.map(|incoming| incoming.map(Incoming::accepted)).transpose()
    }

    fn shut_down(&self) {
        self.close.close();
    }

    async fn close(&self) {
        self.shut_down();
        let delivered = async {
            while self.incoming.lock().await.recv().await.is_some() {}
            self.link.delivered().await;
        };
        tokio::select! {
            () = delivered => {}
            () = self.link.stalled() => {}
        }
    }

    fn link(&self) -> Link {
        self.link.link()
    }
}
