//! The observation of a server: counters, health and access log.
//!
//! Each exchange is counted while it runs. When its request and its response are gone, it becomes a line of the log.

mod access_log;
mod counted;
mod counters;
mod exchange;
mod target;

use std::{net::SocketAddr, sync::Arc};

use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use transport::{Body, Incoming};

pub use access_log::AccessLog;
use counted::{Counted, Direction};
pub(crate) use counters::Connected;
use counters::Counters;
use exchange::{Exchange, ObservedResponder};

/// The observer of the exchanges of one server.
pub(crate) struct Observer {
    counters: Arc<Counters>,
    log: Option<AccessLog>,
}

impl Observer {
    /// An observer that writes a log, if there is one.
    pub(crate) fn new(log: Option<AccessLog>) -> Self {
        Self { counters: Arc::default(), log }
    }

    /// Counts a connection until the guard is dropped.
    pub(crate) fn connected(&self) -> Connected {
        Connected::new(self.counters.clone())
    }

    /// Observes an exchange from now on. `fields` are added to its response, and `user` is logged.
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

    /// Logs a request that could not be read, which ended its connection.
    pub(crate) fn report_broken(&self, client: SocketAddr, reason: String) {
        if let Some(log) = self.log.clone() {
            log.line_of_connection(client).write(None, 0, 0, Some(reason));
        }
    }

    /// The health of the server, in JSON.
    pub(crate) fn health(&self) -> Response<Body> {
        self.counters.health()
    }
}
