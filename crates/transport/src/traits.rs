//! The traits of both ends of a connection.

use std::net::SocketAddr;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use record::{End, Limits, Protocol, Term};

use crate::{Bind, Body, Error, Link, Peer, Shape};

/// The implementation of one protocol, for clients and servers.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Returns the row of [`record::PROTOCOLS`]: the protocol's name, and the facts about it.
    fn protocol(&self) -> &'static Protocol;

    /// Returns the memory that an end may take once its handshakes are over, one term per cause.
    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term>;

    /// Opens a connection and completes its handshake.
    ///
    /// # Errors
    /// Fails if a limit cannot be used, the peer cannot be reached or is not trusted, or it speaks another protocol.
    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error>;

    /// Listens for connections. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Fails if a limit or the identity cannot be used, or the address cannot be bound.
    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error>;
}

/// A connection of a client. Dropping it ends every exchange on it.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Sends a request with its body, and waits for the head of the response. The head may arrive before the request's
    /// body has ended. Exchanges run concurrently if the protocol has streams.
    ///
    /// Dropping the future gives up the exchange. A protocol with streams can carry further exchanges on the connection.
    /// Without streams (HTTP/1.1, and TCP and TLS without HTTP), the connection must not be used further: the next
    /// exchange fails, or meets the rest of this one.
    ///
    /// # Errors
    /// Fails if the connection broke, the peer violated the protocol, or the body of the request failed.
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error>;

    /// Ends the connection in good order. Over QUIC this notifies the server; over TCP the kernel does so when the
    /// connection is dropped. An exchange may fail whose response, or the body of it, has not
    /// arrived in full; it does not delay the end.
    async fn close(&self) {}

    /// Returns the state of the connection now, as protocol and kernel know it.
    fn link(&self) -> Link;
}

/// A listening server.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Returns the address and port in effect.
    fn local_addr(&self) -> SocketAddr;

    /// Waits for the next connection. The caller drives its handshake, so that a slow one does not delay others.
    ///
    /// # Errors
    /// Fails if the listener itself is broken.
    async fn accept(&self) -> Result<Accepted, Error>;
}

/// A connection that a listener has accepted. Dropping its handshake refuses the client.
#[non_exhaustive]
pub struct Accepted {
    /// The address of the client, which a QUIC client may not have proven yet.
    pub peer: SocketAddr,
    /// The handshake, for the caller to drive.
    pub handshake: Handshake,
    /// The number of the thread of [`Bind::spread`] on whose runtime the handshake must be polled first, and the session
    /// should be served. `None` without a spread: the caller's own.
    pub thread: Option<usize>,
}

impl Accepted {
    /// Returns a connection of `peer`, and its handshake.
    pub fn new(peer: SocketAddr, handshake: Handshake) -> Self {
        Self { peer, handshake, thread: None }
    }

    /// Assigns the connection to a thread; `None` leaves it to the caller's own.
    #[must_use]
    pub(crate) fn on_thread(self, thread: Option<usize>) -> Self {
        Self { thread, ..self }
    }
}

/// The handshake of an accepted connection. It makes progress only when it is polled.
pub type Handshake = BoxFuture<'static, Result<Box<dyn Session>, Error>>;

/// A connection of a server. Dropping it ends every exchange on it.
#[async_trait]
pub trait Session: Send + Sync {
    /// Waits for the next request. Returns `None` once the client has ended the connection in good order. The caller must
    /// call this while it answers other requests: with a finite [`Guards::data_frame_budget`](crate::Guards), an HTTP/2
    /// connection is not read while a request waits to be accepted.
    ///
    /// # Errors
    /// Fails if the connection broke.
    async fn accept(&self) -> Result<Option<Incoming>, Error>;

    /// Tells the client at once that no further request is taken: by GOAWAY, or by `Connection: close` in the response
    /// under way. Running exchanges go on. The caller must go on calling [`accept`](Self::accept), which yields the
    /// requests that the client sent before it was told.
    fn shut_down(&self) {}

    /// Takes no more requests, delivers the responses that are under way, and ends the connection in good order.
    async fn close(&self) {}

    /// Returns the state of the connection now, as protocol and kernel know it.
    fn link(&self) -> Link;
}

/// A mark in the extensions of a request over HTTP/1.1 that has both Content-Length and Transfer-Encoding (RFC 9112
/// section 6.3). hyper removes the Content-Length of such a request. Only servers with
/// [`ChunkExtensions::Any`](crate::ChunkExtensions::Any) see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthBesideCoding;

/// A mark in the extensions of a request that arrived in early data of TLS, and was accepted before the handshake was
/// complete. An attacker can replay such a request (RFC 8470). Only servers with
/// [`Resumption::EarlyData`](crate::Resumption::EarlyData) see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InEarlyData;

/// A request that has arrived, with a body that is still to be read.
#[non_exhaustive]
pub struct Incoming {
    /// The request, with its body still to be read.
    pub request: Request<Body>,
    /// The handle that answers the request.
    pub responder: Box<dyn Responder>,
    /// The count of a head that waits for the session, which ends when the value is dropped.
    _waiting: Option<Box<dyn Send>>,
}

impl Incoming {
    /// Returns a request, and the way to answer it.
    pub fn new(request: Request<Body>, responder: Box<dyn Responder>) -> Self {
        Self { request, responder, _waiting: None }
    }

    /// Keeps `waiting` until the session accepts the request.
    pub(crate) fn until_accepted(self, waiting: Option<impl Send + 'static>) -> Self {
        Self { _waiting: waiting.map(|waiting| Box::new(waiting) as Box<dyn Send>), ..self }
    }

    /// Notes that the session has accepted the request.
    pub(crate) fn accepted(self) -> Self {
        Self { _waiting: None, ..self }
    }
}

/// The handle that answers one request.
#[async_trait]
pub trait Responder: Send {
    /// Sends an interim response (1xx), which precedes the response. Returns false if the protocol cannot send it:
    /// hyper over HTTP/1.1 has no such function, and the baselines have no interim responses.
    ///
    /// # Errors
    /// Fails if the connection broke, or the status is not an interim one.
    async fn inform(&mut self, _head: Response<()>) -> Result<bool, Error> {
        Ok(false)
    }

    /// Sends the response. May return before its body has been sent; the body is then pulled to its end, or dropped, by
    /// the connection.
    ///
    /// # Errors
    /// Fails if the connection broke, or the body of the response failed.
    async fn respond(self: Box<Self>, response: Response<Body>) -> Result<(), Error>;
}
