//! A server of this crate that answers every request, and reports what it received.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use http::Response;
use http_body_util::BodyExt as _;
use longhaul_transport::{
    Bind, Body, Error, Guards, Identity, Incoming, Listener, Session, body, listen_quic,
};
use record::Limits;
use tokio::sync::mpsc;

use super::peer::{Peer, soon};

/// The body of a request: its length, or the error that ended it.
pub(crate) type Received = Result<usize, String>;

/// A listener, and its certificate.
pub(crate) struct Server {
    pub(crate) identity: Identity,
    pub(crate) listener: Arc<dyn Listener>,
}

impl Server {
    pub(crate) fn new(guards: Guards) -> Self {
        let identity = Identity::self_signed(&["localhost"]).unwrap();
        let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_identity(identity.clone()).with_guards(guards);
        Self { identity, listener: Arc::from(listen_quic(&bind, &Limits::default()).unwrap()) }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Returns a connected client, and the session of the server.
    pub(crate) async fn connect(&self) -> (Peer, Box<dyn Session>) {
        let accept = async { soon(self.listener.accept()).await.unwrap().handshake.await.unwrap() };
        tokio::join!(Peer::connect(self.addr(), &self.identity), accept)
    }
}

/// Returns the bounds for unknown clients.
pub(crate) fn strict() -> Guards {
    let mut guards = Guards::default();
    guards.streams = 128;
    guards.header_timeout = Duration::from_millis(300);
    guards
}

/// Returns a client of a server that answers every request with the length of its body, and the reports of that server.
pub(crate) async fn answering() -> (Peer, Reports) {
    answering_with(strict()).await
}

/// Returns the same with other bounds.
pub(crate) async fn answering_with(guards: Guards) -> (Peer, Reports) {
    let server = Server::new(guards);
    let (peer, session) = server.connect().await;
    let (report, reports) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            match session.accept().await {
                Ok(Some(incoming)) => drop(tokio::spawn(answer(incoming, report.clone()))),
                Err(Error::Refused { .. }) => {}
                Ok(None) | Err(_) => return,
            }
        }
    });
    (peer, Reports { reports, seen: HashMap::new(), _server: server })
}

/// Answers a request with the length of its body, and reports it.
pub(crate) async fn answer(incoming: Incoming, report: mpsc::UnboundedSender<(String, Received)>) {
    let path = incoming.request.uri().path().to_owned();
    let _ = report.send((format!("{path} has begun"), Ok(0)));
    let received = read(incoming.request.into_body()).await;
    let _ = report.send((path, received.clone()));
    if let Ok(length) = received {
        let _ = incoming.responder.respond(Response::new(body::full(length.to_string()))).await;
    }
}

/// Reads a body to its end.
pub(crate) async fn read(mut body: Body) -> Received {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.map_err(|error| error.to_string())?.into_data().map_or(0, |data| data.len());
    }
    Ok(length)
}

/// The bodies that a server has received, by path.
pub(crate) struct Reports {
    reports: mpsc::UnboundedReceiver<(String, Received)>,
    seen: HashMap<String, Received>,
    _server: Server,
}

impl Reports {
    /// Waits until the head of a request has arrived.
    pub(crate) async fn begun(&mut self, path: &str) {
        self.of(&format!("{path} has begun")).await.unwrap();
    }

    /// Returns the report of one request. Panics if none comes.
    pub(crate) async fn of(&mut self, path: &str) -> Received {
        while !self.seen.contains_key(path) {
            let (path, received) = soon(self.reports.recv()).await.expect("a server that goes on");
            self.seen.insert(path, received);
        }
        self.seen[path].clone()
    }
}
