//! A client's connection whose first request leaves before the handshake is complete: early data (RFC 9001 section
//! 4.6).

use async_trait::async_trait;
use http::{Request, Response};
use http_body::Body as _;
use quinn::ZeroRttAccepted;
use tokio::sync::{OnceCell, watch};

use super::{QuicEngine, dialler::Dialler};
use crate::{Body, Connection, Error, Link, body, tasks::Tasks};

/// A connection that began with early data. If the server rejected the early data, requests go over a second connection
/// that begins after the first handshake.
pub(super) struct EarlyConnection<E> {
    dialler: Dialler<E>,
    early: Box<dyn Connection>,
    /// True if the server has accepted the early data; `None` while the handshake runs.
    accepted: watch::Receiver<Option<bool>>,
    /// The second connection, made after a rejection. The rejection voids all streams of the first connection (RFC 9001
    /// section 4.6.2): those of requests, and those of HTTP/3 itself.
    late: OnceCell<Box<dyn Connection>>,
    _tasks: Tasks,
}

impl<E: QuicEngine> EarlyConnection<E> {
    /// Runs the engine over a connection whose handshake `accepted` completes.
    ///
    /// # Errors
    /// Fails if the connection is broken.
    pub(super) async fn new(
        dialler: Dialler<E>,
        connection: quinn::Connection,
        accepted: ZeroRttAccepted,
    ) -> Result<Self, Error> {
        let early = dialler.engine.client(dialler.established(connection)).await?;
        let (tasks, (sender, receiver)) = (Tasks::default(), watch::channel(None));
        tasks.spawn(async move {
            sender.send_replace(Some(accepted.await));
        });
        Ok(Self { dialler, early, accepted: receiver, late: OnceCell::new(), _tasks: tasks })
    }

    /// Waits for the handshake. Returns whether the server accepted early data.
    async fn is_accepted(&self) -> bool {
        let mut accepted = self.accepted.clone();
        accepted.wait_for(Option::is_some).await.is_ok_and(|accepted| *accepted == Some(true))
    }
}

#[async_trait]
impl<E: QuicEngine> Connection for EarlyConnection<E> {
    /// Repeats a request without a body on a second connection if the server rejects the first one's early data.
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        if let Some(late) = self.late.get() {
            return late.exchange(request).await;
        }
        let (head, content) = request.into_parts();
        let again = content.is_end_stream().then(|| Request::from_parts(head.clone(), body::empty()));
        let answer = self.early.exchange(Request::from_parts(head, content)).await;
        // The state of the link is complete from here on.
        let is_accepted = self.is_accepted().await;
        match again {
            Some(again) if answer.is_err() && !is_accepted => {
                let late = self.late.get_or_try_init(|| self.dialler.dial()).await?;
                late.exchange(again).await
            }
            _ => answer,
        }
    }

    async fn close(&self) {
        // Each call waits until the common endpoint has no open connection, so both must run at once.
        match self.late.get() {
            Some(late) => {
                tokio::join!(self.early.close(), late.close());
            }
            None => self.early.close().await,
        }
    }

    fn link(&self) -> Link {
        let connection = self.late.get().unwrap_or(&self.early);
        Link { early_data: *self.accepted.borrow(), ..connection.link() }
    }
}
