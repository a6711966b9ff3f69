//! The observation of a server: counters, health, figures for Prometheus, and access log.
//!
//! Each exchange is counted while it runs. Once its request and its response are dropped, a line of the log is written.

mod access_log;
mod counted;
mod counters;
mod exchange;
mod exporter;
mod request_id;
mod served;
mod target;
mod traffic;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use transport::{Body, Incoming};

pub use access_log::AccessLog;
use counted::{Counted, Direction};
pub(crate) use counters::Connected;
use counters::Counters;
pub(crate) use exchange::Exchange;
use exchange::ObservedResponder;
pub(crate) use exporter::{Exporter, MEDIA_TYPE};
use request_id::RequestIds;
pub use traffic::Traffic;

use crate::{Options, places::Refused};

/// The connection of an exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    /// The address of the client.
    pub(crate) client: SocketAddr,
    /// True if TLS or QUIC encrypts the connection.
    pub(crate) is_encrypted: bool,
}

/// The observer of the exchanges of one server.
pub(crate) struct Observer {
    counters: Arc<Counters>,
    ids: RequestIds,
    log: Option<AccessLog>,
}

impl Observer {
    /// Returns an observer that writes to `log`, if there is one.
    pub(crate) fn new(log: Option<AccessLog>) -> Self {
        Self { counters: Arc::default(), ids: RequestIds::new(), log }
    }

    /// Returns a reader of the counters.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic::of(self.counters.clone())
    }

    /// Returns the figures of a server with these options for Prometheus.
    pub(crate) fn exporter(&self, options: &Options) -> Exporter {
        Exporter::new(options, self.counters.clone())
    }

    /// Counts a connection that was refused.
    pub(crate) fn refused_connection(&self, limit: Refused) {
        self.counters.refuse_connection(limit);
    }

    /// Counts a request whose stream was reset without a response, because no place was free.
    pub(crate) fn dropped_request(&self) {
        self.counters.refuse(None);
    }

    /// Counts a connection until the guard is dropped.
    pub(crate) fn connected(&self) -> Connected {
        Connected::new(self.counters.clone())
    }

    /// Observes an exchange of a connection from now on. `fields` are added to its response, and `user` appears in its log
    /// line. Returns the exchange as well.
    pub(crate) fn observe(
        &self,
        incoming: Incoming,
        connection: Observed,
        user: Option<&'static str>,
        fields: HeaderMap,
    ) -> (Arc<Exchange>, Incoming) {
        let Incoming { request, responder, .. } = incoming;
        let (head, body) = request.into_parts();
        let id = self.ids.next();
        let line = self.log.clone().map(|log| log.line(id, connection.client, user, &head));
        let served = self.counters.of(Some((head.version, connection.is_encrypted)));
        let exchange = Arc::new(Exchange::new(id, self.counters.clone(), served, line));
        let responder = ObservedResponder::new(responder, exchange.clone(), &head, fields);
        let body = Counted::new(body, exchange.clone(), Direction::Received).boxed_unsync();
        (exchange, Incoming::new(http::Request::from_parts(head, body), Box::new(responder)))
    }

    /// Counts and logs a request that could not be read, with the status that the client got.
    pub(crate) fn report_broken(&self, client: SocketAddr, status: Option<StatusCode>, reason: String) {
        let served = self.counters.of(None);
        served.requests.fetch_add(1, Relaxed);
        self.counters.end(&served, status);
        if status.is_some() {
            self.counters.refuse(status);
        }
        if let Some(log) = self.log.clone() {
            log.line_of_connection(self.ids.next(), client).write(status, 0, 0, Some(reason));
        }
    }

    /// Returns a response with the health of the server, in JSON.
    pub(crate) fn health(&self) -> Response<Body> {
        self.counters.health()
    }
}
