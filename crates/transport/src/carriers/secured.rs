//! TCP under TLS 1.3, with the application protocol that ALPN must agree on.

use std::{marker::PhantomData, net::SocketAddr};

use async_trait::async_trait;
use rustls::{CommonState, pki_types::ServerName};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{ClientEngine, SEGMENT, ServerEngine, Wire};
use crate::{
    Bind, Connection, Error, Guards, Handshake, Limits, Listener, Peer, Shape, Term,
    socket::{self, Probe},
    trust::suite_name,
};

/// How much rustls may encrypt ahead of the socket: what goes there at once. With its own 64 KiB every write ended in a
/// segment of 141 bytes: twice the segments over HTTP/2, and 2 (tls) to 6 % (h1, h2) less goodput with chunks of 1 MiB.
const AHEAD: usize = SEGMENT;

/// rustls encrypts [`AHEAD`], and reads and decrypts a record at a time, 16 KiB and its overhead.
pub(crate) fn footprint(shape: Shape) -> Term {
    const RECORD: u64 = 18 << 10;
    let bytes = (AHEAD as u64 + 4 * RECORD) * shape.connections();
    Term::new(
        "TLS records",
        bytes,
        "a loopback segment encrypted ahead, and 4 records of 18 KiB a connection (RFC 8446 section 5.2)",
    )
}

/// Opens a connection, verifies the peer, and runs the engine over it.
pub(crate) async fn connect<E: ClientEngine>(
    peer: &Peer,
    limits: &Limits,
    alpn: &'static str,
) -> Result<Box<dyn Connection>, Error> {
    let connector =
        TlsConnector::from(peer.trust.client_config(alpn, limits.cipher, peer.key_log.as_ref())?);
    let name = ServerName::try_from(peer.name.clone()).map_err(Error::handshake)?;
    let stream = socket::dial(peer.addr, limits).await?;
    let probe = Probe::new(&stream);
    let mut stream = connector.connect(name, stream).await.map_err(Error::handshake)?;
    stream.get_mut().1.set_buffer_limit(Some(AHEAD));
    let wire = wire(probe, stream.get_ref().1, &[alpn], false)?;
    E::client(stream, wire, limits).await
}

/// Listens for connections to secure and run the engine over.
pub(crate) fn listen<E: ServerEngine>(
    bind: &Bind,
    limits: &Limits,
    alpn: &'static [&'static str],
) -> Result<Box<dyn Listener>, Error> {
    let acceptor =
        TlsAcceptor::from(bind.identity()?.server_config(alpn, limits.cipher, bind.key_log.as_ref())?);
    let socket = socket::listen(bind.addr, limits)?;
    let addr = socket.local_addr().map_err(|source| Error::Listen { addr: bind.addr, source })?;
    let (limits, guards) = (limits.clone(), bind.guards.clone());
    Ok(Box::new(SecuredListener::<E> { socket, addr, acceptor, alpn, limits, guards, engine: PhantomData }))
}

/// Asserts the application protocol: without an agreement TLS would go on with none.
fn wire(probe: Probe, tls: &CommonState, alpn: &[&str], or_none: bool) -> Result<Wire, Error> {
    let agreed = tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    if !agreed.as_deref().map_or(or_none, |agreed| alpn.contains(&agreed)) {
        let (agreed, wanted) = (agreed.as_deref().unwrap_or("none"), alpn.join(" or "));
        return Err(Error::Handshake(format!("the application protocol is {agreed}, not {wanted}")));
    }
    let cipher = tls.negotiated_cipher_suite().map(|suite| suite_name(suite.suite()));
    Ok(Wire { probe, alpn: agreed, cipher })
}

struct SecuredListener<E> {
    socket: TcpListener,
    addr: SocketAddr,
    acceptor: TlsAcceptor,
    alpn: &'static [&'static str],
    limits: Limits,
    guards: Guards,
    engine: PhantomData<E>,
}

#[async_trait]
impl<E: ServerEngine> Listener for SecuredListener<E> {
    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    async fn accept(&self) -> Result<Handshake, Error> {
        let (stream, _) =
            self.socket.accept().await.map_err(|source| Error::Listen { addr: self.addr, source })?;
        let (acceptor, alpn) = (self.acceptor.clone(), self.alpn);
        let (limits, guards) = (self.limits.clone(), self.guards.clone());
        Ok(Box::pin(async move {
            stream.set_nodelay(true).map_err(Error::handshake)?;
            let probe = Probe::new(&stream);
            let mut stream = acceptor.accept(stream).await.map_err(Error::handshake)?;
            stream.get_mut().1.set_buffer_limit(Some(AHEAD));
            let wire = wire(probe, stream.get_ref().1, alpn, E::SERVES_WITHOUT_ALPN)?;
            E::server(stream, wire, &limits, &guards).await
        }))
    }
}
