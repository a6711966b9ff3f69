//! How bodies travel: one file a protocol, one trait for all of them, one table.
//!
//! A [`Transport`] dials and listens. Its [`Connection`] exchanges a request for a response; on the other
//! side a [`Session`] yields [`Incoming`] requests and takes the responses. Bodies are pulled: a protocol
//! asks for the next chunk when it has room for it, and that is all the backpressure there is.
//!
//! Nothing here measures. What a protocol and the kernel know about a connection is in [`Link`].

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;

mod carriers;
mod engines;
mod error;
mod footprint;
mod guards;
pub mod in_memory;
mod kernel;
mod limits;
mod link;
pub mod machine;
mod profile;
mod protocols;
mod server;
mod session;
mod socket;
mod tasks;
mod trust;
mod verifier;

pub use error::Error;
pub use footprint::{End, Shape, Term};
pub use guards::Guards;
pub use limits::{
    Cipher, Congestion, DISCOVERED_QUIC_MTU, H3Recv, Limit, Limits, MAX_QUIC_MTU, MAX_STREAMS, MIN_H1_BUFFER,
    MIN_QUIC_MTU, Setting,
};
pub use link::{Link, QuicStats, Stats, TcpStats};
pub use profile::{Profile, QuicProfile};
pub use server::{listen_cleartext, listen_quic, listen_secured};
pub use trust::{Identity, KeyLog, Trust};

/// A body on its way: pulled chunk by chunk, boxed once a transfer.
///
/// A body whose [`size_hint`](http_body::Body::size_hint) is exact is sent with a Content-Length over
/// HTTP/1.1; any other is chunked, one chunk a frame.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body broke off. What a transport received carries an [`Error`].
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The length of the body that a request or response carries, put into its extensions by who sends it.
///
/// The baseline rows announce it, having no other way to end a body. HTTP ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLength(pub u64);

/// One protocol, both its halves.
#[async_trait]
pub trait Transport: Send + Sync {
    /// The `--protocol` flag's value and the record's key.
    fn name(&self) -> &'static str;

    /// What the protocol consists of and offers.
    fn features(&self) -> Features;

    /// The limits and choices that have an effect on it.
    fn limits(&self) -> &'static [Limit];

    /// What an end of the protocol may add to its memory once the handshake is over, term by term.
    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term>;

    /// Opens a connection; the handshake is over when this returns.
    ///
    /// # Errors
    /// Nobody listens, the peer is not to be trusted, or it speaks another protocol.
    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error>;

    /// Listens. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound, or the identity cannot be used.
    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error>;
}

/// What a protocol consists of and offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Encrypted, by TLS 1.3 or by QUIC.
    pub tls: bool,
    /// The same bytes without HTTP, which an HTTP row is read against; `None` for such a baseline itself.
    pub baseline: Option<&'static str>,
    /// Whether one connection carries several bodies at once.
    pub streams: bool,
}

/// Whom to dial, and whom to believe.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address and port.
    pub addr: SocketAddr,
    /// The name that the certificate must be for: a host name or an IP address.
    pub name: String,
    /// What makes the peer's certificate acceptable.
    pub trust: Trust,
    /// Where the secrets of the connection are written.
    pub key_log: Option<KeyLog>,
}

impl Peer {
    /// A peer whose secrets are written nowhere.
    pub fn new(addr: SocketAddr, name: impl Into<String>, trust: Trust) -> Self {
        Self { addr, name: name.into(), trust, key_log: None }
    }
}

/// Where to listen, and as whom.
#[derive(Clone, Debug)]
pub struct Bind {
    /// The address and port; port 0 picks a free one.
    pub addr: SocketAddr,
    /// The certificate to show; cleartext has no use for one.
    pub identity: Option<Identity>,
    /// What is put up with from clients.
    pub guards: Guards,
    /// Where the secrets of connections are written.
    pub key_log: Option<KeyLog>,
}

impl Bind {
    /// An address for clients that are known.
    pub fn new(addr: SocketAddr, identity: impl Into<Option<Identity>>) -> Self {
        Self { addr, identity: identity.into(), guards: Guards::default(), key_log: None }
    }

    /// The certificate that TLS shows.
    fn identity(&self) -> Result<&Identity, Error> {
        self.identity.as_ref().ok_or_else(|| Error::Identity("TLS needs a certificate to show".into()))
    }
}

/// The client's side of a connection. Dropping it ends every exchange on it.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Sends a request with its body and waits for the head of the response, which may come before the
    /// request's body has ended. Where streams are offered, exchanges run side by side.
    ///
    /// # Errors
    /// The connection broke, or the peer broke the protocol's rules, or the request's body failed.
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, Error>;

    /// Ends the connection in good order: tells the server, where its kernel would not.
    async fn close(&self) {}

    /// What protocol and kernel know about the connection now.
    fn link(&self) -> Link;
}

/// Takes connections.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Where it listens.
    fn local_addr(&self) -> SocketAddr;

    /// Waits for the next connection. Its handshake is the caller's to drive, so that a slow one holds up
    /// nobody else.
    ///
    /// # Errors
    /// The listener itself is broken.
    async fn accept(&self) -> Result<Handshake, Error>;
}

/// A connection whose handshake is still to be made.
pub type Handshake = BoxFuture<'static, Result<Box<dyn Session>, Error>>;

/// The server's side of a connection. Dropping it ends every exchange on it.
#[async_trait]
pub trait Session: Send + Sync {
    /// Waits for the next request; `None` when the client has ended the connection in good order.
    ///
    /// # Errors
    /// The connection broke.
    async fn accept(&self) -> Result<Option<Incoming>, Error>;

    /// Takes no more requests and ends the connection in good order, once what was answered is delivered.
    async fn close(&self) {}

    /// What protocol and kernel know about the connection now.
    fn link(&self) -> Link;
}

/// A request that has arrived, its body still to come.
pub struct Incoming {
    /// The request.
    pub request: Request<Body>,
    /// Takes the response.
    pub responder: Box<dyn Responder>,
}

/// Answers one request.
#[async_trait]
pub trait Responder: Send {
    /// Hands the response over. May return before its body has been sent; the body sees when it has been
    /// pulled to its end, or is dropped.
    ///
    /// # Errors
    /// The connection broke.
    async fn respond(self: Box<Self>, response: Response<Body>) -> Result<(), Error>;
}

/// All protocols, baselines first: a line each.
pub static TRANSPORTS: &[&dyn Transport] = &[
    &protocols::Tcp,
    &protocols::H1c,
    &protocols::H2c,
    &protocols::Tls,
    &protocols::H1,
    &protocols::H2,
    &protocols::Quic,
    &protocols::H3,
];

/// The protocol of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Transport> {
    TRANSPORTS.iter().copied().find(|transport| transport.name() == name)
}
