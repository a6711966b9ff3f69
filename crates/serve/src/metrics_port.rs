//! The port of a server's figures: `GET /metrics`, for Prometheus.
//!
//! The port has few connections, each with one request at a time and small heads, so that it takes neither memory nor places from
//! transfers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Method, Response, StatusCode, header, request::Parts};
use record::Limits;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::debug;
use transport::{Accepted, Bind, Body, Guards, Listener, Session, body};

use crate::{
    Options, ServeError,
    access::Gate,
    observe::{Exporter, MEDIA_TYPE},
    refusal::Refusal,
    response,
};

/// The path of the figures.
const PATH: &str = "/metrics";

/// The most concurrent connections. Further ones are closed: a scraper needs one.
const CONNECTIONS: usize = 8;

/// The time limits for a handshake, for the next request, and for the delivery of a response.
const HANDSHAKE: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(90);
const DELIVERY: Duration = Duration::from_secs(10);

/// The pause after a failure to accept, because another attempt would fail at once.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// The bound port of a server's figures.
pub(crate) struct MetricsPort {
    listener: Box<dyn Listener>,
    page: Arc<Page>,
}

struct Page {
    gate: Gate,
    exporter: Exporter,
}

impl MetricsPort {
    /// Binds the port on `addr`, which answers by the rules of access of the options.
    ///
    /// # Errors
    /// Fails if the address cannot be bound.
    pub(crate) fn open(addr: SocketAddr, options: &Options, exporter: Exporter) -> Result<Self, ServeError> {
        let mut guards = Guards::default();
        (guards.header_bytes, guards.header_count, guards.streams) = (16 << 10, 64, 1);
        guards.header_timeout = HANDSHAKE;
        let bind = Bind::new(addr).with_guards(guards);
        let listener = transport::listen_cleartext(&bind, &Limits::for_any_peer(record::Profile::default()))?;
        Ok(Self { listener, page: Arc::new(Page { gate: Gate::new(options), exporter }) })
    }

    /// Returns the address with the port in effect.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Answers requests for ever.
    pub(crate) async fn serve(self) {
        let (places, mut connections) = (Arc::new(Semaphore::new(CONNECTIONS)), JoinSet::new());
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => {
                        // Without a place, the connection is closed as it is dropped.
                        if let Ok(place) = places.clone().try_acquire_owned() {
                            let page = self.page.clone();
                            connections.spawn(async move {
                                handle(accepted, &page).await;
                                drop(place);
                            });
                        }
                    }
                    Err(error) => {
                        debug!("the port of the figures cannot accept a connection: {error}");
                        sleep(RETRY_DELAY).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn handle(accepted: Accepted, page: &Page) {
    let Ok(Ok(session)) = timeout(HANDSHAKE, accepted.handshake).await else { return };
    answer_all(session.as_ref(), page).await;
    let _ = timeout(DELIVERY, session.close()).await;
}

/// Answers the requests of a connection one after the other, until it ends, reaches its idle timeout, or has a request
/// refused.
async fn answer_all(session: &dyn Session, page: &Page) {
    while let Ok(Ok(Some(incoming))) = timeout(IDLE, session.accept()).await {
        // The body of a request, which none should have, is not read.
        let (head, _) = incoming.request.into_parts();
        let response = page.answer(&head);
        let is_good = response.status().is_success();
        let sent = timeout(DELIVERY, incoming.responder.respond(response)).await;
        if !is_good || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

impl Page {
    fn answer(&self, head: &Parts) -> Response<Body> {
        let figures = self.admit(head).and_then(|()| self.figures());
        let response = figures.unwrap_or_else(|refusal| refusal.response());
        if head.method == Method::HEAD { response::head_of(response) } else { response }
    }

    fn admit(&self, head: &Parts) -> Result<(), Refusal> {
        self.gate.admit(head)?;
        self.gate.authenticate(&head.headers)?;
        if head.uri.path() != PATH {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "the figures are at /metrics"));
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "the figures can only be read");
            return Err(refusal.with(header::ALLOW, "GET, HEAD"));
        }
        Ok(())
    }

    fn figures(&self) -> Result<Response<Body>, Refusal> {
        let text = self.exporter.text();
        let text =
            text.map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        let mut response = response::with_status(StatusCode::OK, body::full(text));
        response::set(&mut response, header::CONTENT_TYPE, MEDIA_TYPE);
        response::set(&mut response, header::CACHE_CONTROL, "no-store");
        response::set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        Ok(response)
    }
}
