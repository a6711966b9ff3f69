//! TLS over TCP or a Unix socket, with an application protocol agreed on by ALPN.

use std::net::SocketAddr;

use async_trait::async_trait;
use record::{End, Limits, TLS_SEGMENTS, Term};
use rustls::{CommonState, HandshakeKind, pki_types::ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Carries, ClientEngine, SEGMENT, ServerEngine, StreamInfo};
use crate::{
    Accepted, Bind, Connection, Error, FramingObserver, Guards, Listener, Peer, Shape,
    cipher::{Ciphers, suite_name},
    footprint::{Footprint, kib},
    framing::{Observed, TlsRecords},
    probe::Probe,
    settings::{FromLimits as _, choice},
    socket::{Acceptor, TcpOptions, connect},
    tcp_stream::SharedStream,
};

/// The buffer of one TLS record: 16 KiB and its overhead (RFC 8446 section 5.2).
const RECORD: u64 = 18 << 10;

/// The records of a connection that are being read or decrypted.
const RECORDS: u64 = 4;

/// The carrier that hands the bytes of an engine to TLS 1.3 over TCP.
pub(crate) struct Secured;

impl Footprint for Secured {
    /// Returns the memory of rustls, which encrypts a segment ahead, and reads and decrypts one record at a time.
    fn footprint(_: &Limits, _: End, shape: Shape) -> Vec<Term> {
        let reason = format!(
            "a loopback segment encrypted ahead, and {RECORDS} records of {} per connection (RFC 8446 \
             section 5.2)",
            kib(RECORD)
        );
        vec![shape.term("TLS records", SEGMENT as u64 + RECORDS * RECORD, reason)]
    }
}

#[async_trait]
impl<E: ClientEngine> Carries<E> for Secured {
    async fn connect(peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        let (engine, options) = (E::from_limits(limits)?, TcpOptions::from_limits(limits)?);
        let (ciphers, ahead) = (Ciphers::from_limits(limits)?, ahead(&engine, limits)?);
        let config = peer.tls_config(E::ALPN, ciphers, peer.oldest_tls)?;
        let name = ServerName::try_from(peer.name.clone()).map_err(Error::handshake)?;
        let stream = connect(peer, &options).await?;
        let probe = Probe::of_stream(stream.socket());
        let connecting = TlsConnector::from(config).connect(name, observed(stream, peer.framing.as_ref()));
        let mut stream = connecting.await.map_err(Error::handshake)?;
        stream.get_mut().1.set_buffer_limit(Some(ahead));
        // The client offers a single protocol, so a server without ALPN is assumed to speak it.
        let info = agreed(probe, stream.get_ref().1, E::ALPN, Alpn::Optional)?;
        engine.client(stream, info.for_peer(peer).with_framing(peer.framing.clone())).await
    }

    fn listen(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        listen::<E>(bind, limits)
    }
}

/// Listens for TLS connections, and runs an engine over each. The engine needs no client half.
///
/// # Errors
/// Fails if a limit or the identity cannot be used, or the address cannot be bound.
pub(crate) fn listen<E: ServerEngine>(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
    let engine = E::from_limits(limits)?;
    let config = bind.tls_config(E::ALPN, Ciphers::from_limits(limits)?, bind.oldest_tls)?;
    let acceptor = Acceptor::bind(bind, &TcpOptions::from_limits(limits)?)?;
    let (tls, ahead) = (config.into(), ahead(&engine, limits)?);
    let (guards, framing) = (bind.guards.clone(), bind.framing.clone());
    Ok(Box::new(SecuredListener { acceptor, tls, ahead, engine, guards, framing }))
}

/// Wraps the stream below TLS, whose records are then counted if `framing` is given.
fn observed(stream: SharedStream, framing: Option<&FramingObserver>) -> Observed<SharedStream, TlsRecords> {
    Observed::new(stream, TlsRecords::default(), framing.map(|framing| &framing.tls_records))
}

/// Returns the bytes that rustls may encrypt ahead of the socket.
///
/// # Errors
/// Fails if the limit has a value that cannot be used.
fn ahead(engine: &impl ServerEngine, limits: &Limits) -> Result<usize, Error> {
    choice(limits, &TLS_SEGMENTS, &[("on", engine.ahead()), ("off", STOCK_AHEAD)])
}

/// The bytes that rustls encrypts ahead by default (DEFAULT_BUFFER_LIMIT in its common_state.rs).
const STOCK_AHEAD: usize = 64 << 10;

/// The treatment of a peer without ALPN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alpn {
    Required,
    Optional,
}

/// Checks the application protocol: TLS continues even without an agreement.
fn agreed(probe: Probe, tls: &CommonState, offered: &[&str], alpn: Alpn) -> Result<StreamInfo, Error> {
    let agreed = tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    if !agreed.as_deref().map_or(alpn == Alpn::Optional, |agreed| offered.contains(&agreed)) {
        let (agreed, offered) = (agreed.as_deref().unwrap_or("none"), offered.join(" or "));
        return Err(Error::handshake(format!("the application protocol is {agreed}, not {offered}")));
    }
    let cipher = tls.negotiated_cipher_suite().map(|suite| suite_name(suite.suite()));
    let resumed = tls.handshake_kind().map(|kind| kind == HandshakeKind::Resumed);
    Ok(StreamInfo { alpn: agreed, cipher, resumed, ..StreamInfo::cleartext(probe) })
}

struct SecuredListener<E> {
    acceptor: Acceptor,
    tls: TlsAcceptor,
    /// The bytes that rustls may encrypt ahead of the socket.
    ahead: usize,
    engine: E,
    guards: Guards,
    framing: Option<FramingObserver>,
}

#[async_trait]
impl<E: ServerEngine> Listener for SecuredListener<E> {
    fn local_addr(&self) -> SocketAddr {
        self.acceptor.local_addr()
    }

    async fn accept(&self) -> Result<Accepted, Error> {
        let (stream, peer) = self.acceptor.accept().await?;
        let (tls, engine, guards) = (self.tls.clone(), self.engine.clone(), self.guards.clone());
        let (waits, ahead, framing) = (self.acceptor.waits(), self.ahead, self.framing.clone());
        let handshake = Box::pin(async move {
            stream.set_nodelay(!waits).map_err(Error::handshake)?;
            let stream = SharedStream::new(stream);
            let probe = Probe::of_stream(stream.socket());
            let mut stream =
                tls.accept(observed(stream, framing.as_ref())).await.map_err(Error::handshake)?;
            stream.get_mut().1.set_buffer_limit(Some(ahead));
            let alpn = if E::SERVES_WITHOUT_ALPN { Alpn::Optional } else { Alpn::Required };
            let info = agreed(probe, stream.get_ref().1, E::ALPN, alpn)?.with_framing(framing);
            engine.server(stream, info, &guards).await
        });
        Ok(Accepted::new(peer, handshake))
    }
}
