//! One connection: concurrent requests, until the connection ends or reaches its idle timeout.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::debug;
use transport::{Handshake, Session};

use crate::{
    content::Content,
    reply::{ConnectionFate, Reply},
};

/// The time limit for an ending connection to deliver the responses under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// The time within which the handshake must be complete.
    pub(crate) handshake: Duration,
    /// The longest time without a request, and the longest pause of a transfer.
    pub(crate) idle: Duration,
}

/// The handler of connections, which share content and timeouts.
#[derive(Clone)]
pub(crate) struct ConnectionHandler {
    pub(crate) content: Arc<Content>,
    pub(crate) timeouts: Timeouts,
    /// The Alt-Svc header for clients of TLS on TCP.
    pub(crate) alt_svc: Option<Arc<str>>,
    /// True once no further request may be answered.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl ConnectionHandler {
    /// Completes the handshake and serves the connection to its end. A client's error ends its own connection only.
    pub(crate) async fn handle(self, handshake: Handshake) {
        let session = match timeout(self.timeouts.handshake, handshake).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return debug!("no connection: {error}"),
            Err(_) => return debug!("no connection: the handshake took too long"),
        };
        self.answer_all(session.as_ref()).await;
        let _ = timeout(CLOSE_TIMEOUT, session.close()).await;
    }

    /// Answers requests until the client ends the connection, the server stops, or no request comes within the idle
    /// timeout. Requests that were accepted are answered in any case.
    async fn answer_all(mut self, session: &dyn Session) {
        let link = session.link();
        let by_tls_on_tcp = link.cipher.is_some() && link.alpn.as_deref() != Some("h3");
        let alt_svc = self.alt_svc.as_deref().filter(|_| by_tls_on_tcp);
        let idle = self.timeouts.idle;
        let mut answers = FuturesUnordered::new();
        let mut next = session.accept();
        loop {
            tokio::select! {
                incoming = &mut next => {
                    let incoming = match incoming {
                        Ok(Some(incoming)) => incoming,
                        Ok(None) => break,
                        Err(error) => {
                            debug!("the connection broke: {error}");
                            break;
                        }
                    };
                    let reply = Reply::new(incoming.responder, alt_svc);
                    answers.push(self.content.answer(incoming.request, idle, reply));
                    next = session.accept();
                }
                Some(fate) = answers.next() => {
                    if fate == ConnectionFate::Close {
                        return;
                    }
                }
                () = sleep(idle), if answers.is_empty() => return,
                _ = self.stopping.wait_for(|stopping| *stopping) => break,
            }
        }
        while let Some(fate) = answers.next().await {
            if fate == ConnectionFate::Close {
                return;
            }
        }
    }
}
