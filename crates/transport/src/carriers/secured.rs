//! TLS over TCP or a Unix socket, with an application protocol agreed on by ALPN.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use record::{End, Limits, TLS_SEGMENTS, Term};
use rustls::{CommonState, HandshakeKind, pki_types::ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    Agreement, Carries, ClientEngine, SEGMENT, ServerEngine, StreamInfo, early_client, early_server,
    early_session::EarlySession,
};
use crate::{
    Accepted, Bind, Connection, Error, FramingObserver, Guards, Listener, Peer, Session, Sessions, Shape,
    cipher::{Ciphers, suite_name},
    footprint::{Footprint, kib},
    framing::{Observed, TlsRecords},
    probe::Probe,
    resumption::takes_early_data,
    settings::{FromLimits as _, choice},
    socket::{Acceptor, Arrival, TcpOptions, connect},
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
        let sends_early = E::SENDS_AT_ONCE && peer.sessions.as_ref().is_some_and(Sessions::have_early_data);
        let connector = TlsConnector::from(config).early_data(sends_early);
        let connecting = connector.connect(name, observed(stream, peer.framing.as_ref()));
        let mut stream = connecting.await.map_err(Error::handshake)?;
        stream.get_mut().1.set_buffer_limit(Some(ahead));
        let info = StreamInfo::cleartext(probe).for_peer(peer).with_framing(peer.framing.clone());
        if stream.get_ref().1.is_handshaking() {
            let agreement = Arc::<OnceLock<Agreement>>::default();
            let stream = early_client::EarlyStream::new(stream, agreement.clone(), spoken::<E>);
            return engine.client(stream, info.with_agreement(agreement)).await;
        }
        let agreement = spoken::<E>(stream.get_ref().1)?;
        engine.client(stream, info.with_agreement(Arc::new(agreement.into()))).await
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

/// Wraps the stream below TLS, to count the TLS records that it receives if `framing` is given.
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

/// Returns the result of a handshake, which may be without an application protocol.
///
/// # Errors
/// Fails if the peer chose another application protocol: TLS continues even without an agreement.
fn agreed(tls: &CommonState, offered: &[&str]) -> Result<Agreement, Error> {
    let alpn = tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    if let Some(other) = alpn.as_deref().filter(|alpn| !offered.contains(alpn)) {
        return Err(other_protocol(other, offered));
    }
    let cipher = tls.negotiated_cipher_suite().map(|suite| suite_name(suite.suite()));
    let resumed = tls.handshake_kind().map(|kind| kind == HandshakeKind::Resumed);
    Ok(Agreement { alpn, cipher, resumed, early_data: None })
}

fn other_protocol(agreed: &str, offered: &[&str]) -> Error {
    Error::handshake(format!("the application protocol is {agreed}, not {}", offered.join(" or ")))
}

/// Returns the result of a client's handshake.
///
/// # Errors
/// Fails if the server does not speak the protocol of the engine, according to ALPN.
fn spoken<E: ClientEngine>(tls: &CommonState) -> Result<Agreement, Error> {
    let agreement = agreed(tls, E::ALPN)?;
    if agreement.alpn.is_none() && !E::ASSUMED_WITHOUT_ALPN {
        return Err(other_protocol("none", E::ALPN));
    }
    Ok(agreement)
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

/// Returns the result of a server's handshake.
///
/// # Errors
/// Fails if the client chose no application protocol that the engine speaks.
fn served<E: ServerEngine>(tls: &CommonState) -> Result<Agreement, Error> {
    let agreement = agreed(tls, E::ALPN)?;
    if agreement.alpn.is_none() && !E::SERVES_WITHOUT_ALPN {
        return Err(other_protocol("none", E::ALPN));
    }
    Ok(agreement)
}

#[async_trait]
impl<E: ServerEngine> Listener for SecuredListener<E> {
    fn local_addr(&self) -> SocketAddr {
        self.acceptor.local_addr()
    }

    async fn accept(&self) -> Result<Accepted, Error> {
        let Arrival { stream, peer, thread } = self.acceptor.accept().await?;
        let (tls, engine, guards) = (self.tls.clone(), self.engine.clone(), self.guards.clone());
        let (waits, ahead, framing) = (self.acceptor.waits(), self.ahead, self.framing.clone());
        let handshake = Box::pin(async move {
            stream.set_nodelay(!waits).map_err(Error::handshake)?;
            let stream = SharedStream::new(stream);
            let probe = Probe::of_stream(stream.socket());
            let stream = observed(stream, framing.as_ref());
            let info = StreamInfo::cleartext(probe).with_framing(framing);
            if takes_early_data(tls.config()) {
                let accepted = early_server::EarlyStream::accept(tls.config().clone(), stream, ahead).await;
                let mut stream = accepted.map_err(Error::handshake)?;
                let mut agreement = served::<E>(stream.state())?;
                agreement.early_data = stream.has_early_data().then_some(true);
                let (info, confirmation) =
                    (info.with_agreement(Arc::new(agreement.into())), stream.confirmation());
                let session = engine.server(stream, info, &guards).await?;
                return Ok(Box::new(EarlySession::new(session, confirmation)) as Box<dyn Session>);
            }
            let mut stream = tls.accept(stream).await.map_err(Error::handshake)?;
            stream.get_mut().1.set_buffer_limit(Some(ahead));
            let info = info.with_agreement(Arc::new(served::<E>(stream.get_ref().1)?.into()));
            engine.server(stream, info, &guards).await
        });
        Ok(Accepted::new(peer, handshake).on_thread(thread))
    }
}
