//! The handling of one connection: concurrent requests, until the connection ends or reaches its idle timeout.

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use http::{Method, Request, StatusCode, Version};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tracing::{debug, error};
use transport::{Body, Error, Handshake, Incoming, ResetBudget, Session};

use crate::{
    content::Content,
    delivery::Delivery,
    observe::Observed,
    patience::Patience,
    refusal::Refusal,
    reply::{Circumstances, ConnectionFate, Reply},
    requests::{Admission, RequestPlaces},
    stall::quiet,
};

/// The time in which a connection that is cut off may deliver its last response.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The idle timeout of a connection that was told to end. Its last bytes may take longer if they keep moving.
const FAREWELL: Duration = Duration::from_secs(5);

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// The time within which the handshake must be complete.
    pub(crate) handshake: Duration,
    /// The longest time without a request, and the bounds on slow transfers.
    pub(crate) patience: Patience,
}

/// The handler of connections, which all share content, timeouts and the places of requests.
#[derive(Clone)]
pub(crate) struct ConnectionHandler {
    pub(crate) content: Arc<Content>,
    pub(crate) timeouts: Timeouts,
    pub(crate) requests: RequestPlaces,
    /// The Alt-Svc header for clients of TLS on TCP.
    pub(crate) alt_svc: Option<Arc<str>>,
    /// True once the server stops: connections are then told to end.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The result of the exchange of one request.
struct Exchanged {
    fate: ConnectionFate,
    /// True if the request had its own stream, so that its failure does not affect the connection.
    multiplexed: bool,
}

impl ConnectionHandler {
    /// Completes the handshake and serves the connection to its end. A client's error ends only its own connection.
    pub(crate) async fn handle(self, client: SocketAddr, handshake: Handshake) {
        let _connected = self.content.connected();
        let session = match timeout(self.timeouts.handshake, handshake).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return debug!("no connection: {error}"),
            Err(_) => return debug!("no connection: the handshake took too long"),
        };
        self.answer_all(client, session.as_ref()).await;
        let _ = timeout(CLOSE_TIMEOUT, session.close()).await;
    }

    /// Answers requests until the connection ends, or has neither a request nor bytes to deliver for the idle timeout.
    /// Once the server stops, the client is told to end the connection, and the requests that it has sent are answered.
    async fn answer_all(&self, client: SocketAddr, session: &dyn Session) {
        let connection = &self.circumstances(client, session);
        let (mut answers, mut resets) = (FuturesUnordered::new(), ResetBudget::new(Instant::now()));
        let (mut stopping, mut patience) = (self.stopping.clone(), self.timeouts.patience);
        let (mut open, mut stop_announced, mut multiplexed_before) = (true, false, false);
        let mut next = session.accept();
        while open || !answers.is_empty() {
            tokio::select! {
                // The end of an exchange comes before the error of the next head.
                biased;
                _ = stopping.wait_for(|stopping| *stopping), if !stop_announced => {
                    session.shut_down();
                    patience.idle = patience.idle.min(FAREWELL);
                    stop_announced = true;
                }
                Some(Exchanged { fate, multiplexed }) = answers.next() => {
                    if fate == ConnectionFate::Close && !(multiplexed && resets.spend(Instant::now())) {
                        return;
                    }
                }
                incoming = &mut next, if open => match incoming {
                    Ok(Some(incoming)) => {
                        multiplexed_before = incoming.request.version() > Version::HTTP_11;
                        answers.push(self.answer(incoming, connection));
                        next = session.accept();
                    }
                    Ok(None) => open = false,
                    // Other requests of the connection may follow.
                    Err(error @ Error::Refused { .. }) => {
                        self.content.report_broken(connection.client, &error);
                        next = session.accept();
                    }
                    Err(error) => {
                        debug!("the connection broke: {error}");
                        // Clients of HTTP/2 and HTTP/3 end connections in many ways, some of which are errors. Over
                        // HTTP/1.1, an error during an exchange is part of that exchange.
                        if !multiplexed_before && answers.is_empty() && !is_of_response(&error) {
                            self.content.report_broken(connection.client, &error);
                        }
                        open = false;
                    }
                },
                () = quiet(patience, &connection.delivery), if answers.is_empty() => return,
            }
        }
    }

    fn circumstances<'a>(&'a self, client: SocketAddr, session: &'a dyn Session) -> Circumstances<'a> {
        let link = session.link();
        let is_encrypted = link.cipher.is_some();
        let by_tls_on_tcp = is_encrypted && link.alpn.as_deref() != Some("h3");
        Circumstances {
            client,
            is_encrypted,
            alt_svc: self.alt_svc.as_deref().filter(|_| by_tls_on_tcp),
            stopping: self.stopping.clone(),
            patience: self.timeouts.patience,
            delivery: Delivery::of(session),
        }
    }

    /// Answers one request. A panic ends only this exchange.
    async fn answer(&self, incoming: Incoming, connection: &Circumstances<'_>) -> Exchanged {
        let multiplexed = incoming.request.version() > Version::HTTP_11;
        #[cfg(feature = "panic-injection")]
        crate::panic_injection::strike(incoming.request.headers(), "connection");
        let _running = connection.delivery.begin();
        let (client, is_encrypted) = (connection.client, connection.is_encrypted);
        let (exchange, incoming) = self.content.observe(incoming, Observed { client, is_encrypted });
        let answered = AssertUnwindSafe(self.admit(incoming, connection)).catch_unwind().await;
        let fate = answered.unwrap_or_else(|_| {
            error!(request = %exchange.id(), "a request was given up after a panic");
            ConnectionFate::Close
        });
        // Over HTTP/1.1, the connection has ended with the response. Its error is not that of a further request.
        let fate = if !multiplexed && exchange.is_cut_off() { ConnectionFate::Close } else { fate };
        Exchanged { fate, multiplexed }
    }

    /// Answers a request if there is a free place for it.
    async fn admit(&self, incoming: Incoming, connection: &Circumstances<'_>) -> ConnectionFate {
        let Incoming { request, responder, .. } = incoming;
        let reply = Reply::new(responder, &request, connection);
        match self.requests.admit() {
            Admission::Granted(_place) => {
                #[cfg(feature = "panic-injection")]
                crate::panic_injection::strike(request.headers(), "request");
                self.content.answer(request, reply).await
            }
            _ if connection.delivery.is_sole_request() && is_front(&request) => {
                self.content.answer(request, reply).await
            }
            Admission::Refused(_place) => {
                let busy =
                    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests are being served");
                reply.refuse(busy, request.into_body()).await
            }
            Admission::Dropped => {
                self.content.dropped_request();
                ConnectionFate::Close
            }
        }
    }
}

/// Returns whether an error of HTTP/1.1 is that of the last response, whose bytes hyper could not write although its
/// exchange was over. hyper states this kind of error by its text alone.
fn is_of_response(error: &Error) -> bool {
    let text = error.to_string();
    ["error writing a body", "error shutting down"].iter().any(|kind| text.contains(kind))
}

/// Returns whether a request asks for the front page or the health of the server. Such a request needs no place if it
/// is the only request of its connection, so that a server full of transfers still answers.
fn is_front(request: &Request<Body>) -> bool {
    let (uri, method) = (request.uri(), request.method());
    let front = uri.query().is_none() && (uri.path() == "/" || uri.path().starts_with("/.longhaul/"));
    front && (method == Method::GET || method == Method::HEAD)
}
