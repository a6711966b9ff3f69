//! The observation of a server: counters, health and access log.
//!
//! Each exchange is counted while it runs. Once its request and its response are dropped, a line of the log is written.

mod access_log;
mod counted;
mod counters;
mod exchange;
mod target;
mod traffic;

use std::{net::SocketAddr, sync::Arc};

use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use transport::{Body, Incoming};

pub use access_log::AccessLog;
use counted::{Counted, Direction};
pub(crate) use counters::Connected;
use counters::Counters;
use exchange::{Exchange, ObservedResponder};
pub use traffic::Traffic;

/// The observer of the exchanges of one server.
pub(crate) struct Observer {
    counters: Arc<Counters>,
    log: Option<AccessLog>,
}

impl Observer {
    /// Returns an observer that writes to `log`, if there is one.
    pub(crate) fn new(log: Option<AccessLog>) -> Self {
        Self { counters: Arc::default(), log }
    }

    /// Returns a reader of the counters.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic::of(self.counters.clone())
    }

    /// Counts a connection until the guard is dropped.
    pub(crate) fn connected(&self) -> Connected {
        Connected::new(self.counters.clone())
    }

    /// Observes an exchange from now on. `fields` are added to its response, and `user` appears in its log line.
    pub(crate) fn observe(
        &self,
        incoming: Incoming,
        client: SocketAddr,
        user: Option<&'static str>,
        fields: HeaderMap,
    ) -> Incoming {
        let Incoming { request, responder, .. } = incoming;
        let (head, body) = request.into_parts();
        let line = self.log.clone().map(|log| log.line(client, user, &head));
        let exchange = Arc::new(Exchange::new(self.counters.clone(), line));
        let responder = ObservedResponder::new(responder, exchange.clone(), &head, fields);
        let body = Counted::new(body, exchange, Direction::Received).boxed_unsync();
        Incoming::new(http::Request::from_parts(head, body), Box::new(responder))
    }

    /// Counts and logs a request that could not be read, with the status that the client got.
    pub(crate) fn report_broken(&self, client: SocketAddr, status: Option<StatusCode>, reason: String) {
        self.counters.begin();
        self.counters.end(status);
        if let Some(log) = self.log.clone() {
            log.line_of_connection(client).write(status, 0, 0, Some(reason));
        }
    }

    /// Returns a response with the health of the server, in JSON.
    pub(crate) fn health(&self) -> Response<Body> {
        self.counters.health()
    }
}
