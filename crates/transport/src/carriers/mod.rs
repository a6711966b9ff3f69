//! The carriers of a protocol's bytes: TCP, TLS over TCP, QUIC, and bare datagrams.
//!
//! Over TCP and TLS, an engine runs on a byte stream and does not know which of the two carries it. Over QUIC, it runs
//! on an established connection.

use std::{
    future::pending,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use http::uri::Authority;
use record::Limits;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    Bind, ChunkExtensions, Connection, Error, FramingObserver, Guards, Link, Listener, Peer, Proxy, ProxyWay,
    Session, delivery,
    footprint::Footprint,
    probe::{Cork, Probe},
    session::LinkSource,
    settings::FromLimits,
    tcp_stream::SharedSocket,
};

mod early_client;
mod early_server;
mod early_session;
pub(crate) mod plain;
pub(crate) mod quic;
pub(crate) mod secured;
pub(crate) mod udp;

/// The bytes of a stream that one loopback segment carries, also under TLS. Its MTU is 65,536 bytes, 72 of them for
/// IPv6, TCP and its timestamps; four TLS records take 22 each (RFC 8446 section 5.2).
pub(crate) const SEGMENT: usize = (65_536 - 72) - 4 * 22;

/// A carrier that can run the engine `E`.
#[async_trait]
pub(crate) trait Carries<E>: Footprint + 'static {
    /// Opens a connection, verifies the peer, and runs the engine over it.
    ///
    /// # Errors
    /// Fails if a limit cannot be used, or the connection or its handshake failed.
    async fn connect(peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error>;

    /// Listens for connections to run the engine over.
    ///
    /// # Errors
    /// Fails if a limit or the identity cannot be used, or the address cannot be bound.
    fn listen(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error>;
}

/// A byte stream in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// The server half of an engine over any byte stream.
#[async_trait]
pub(crate) trait ServerEngine: FromLimits + Clone + Send + Sync + 'static {
    /// The identifiers that TLS offers and accepts in ALPN, the preferred one first. Cleartext has no ALPN.
    const ALPN: &'static [&'static str];

    /// True if TLS clients without ALPN are served. A client that offers other identifiers never is.
    const SERVES_WITHOUT_ALPN: bool = false;

    /// Returns the bytes that rustls may encrypt ahead of the socket: as many as one write sends. With rustls's default
    /// of 64 KiB, every write ended in a segment of 141 bytes. That doubled the number of segments over HTTP/2, and
    /// cost 2 % (tls) to 6 % (h1, h2) of the goodput with chunks of 1 MiB.
    fn ahead(&self) -> usize {
        SEGMENT
    }

    /// Completes the engine's own handshake, if there is one.
    ///
    /// # Errors
    /// Fails if the client does not speak the protocol, or the stream broke.
    async fn server(
        &self,
        stream: impl Stream,
        info: StreamInfo,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error>;
}

/// The client half of an engine over any byte stream.
#[async_trait]
pub(crate) trait ClientEngine: ServerEngine {
    /// True if the engine sends the first request before it has heard from the server, so that it can go out in early
    /// data. HTTP/2 first waits for the server's settings.
    const SENDS_AT_ONCE: bool = false;

    /// True if a TLS server without ALPN is assumed to speak the protocol.
    const ASSUMED_WITHOUT_ALPN: bool = false;

    /// Completes the engine's own handshake, if there is one.
    ///
    /// # Errors
    /// Fails if the server does not speak the protocol, or the stream broke.
    async fn client(&self, stream: impl Stream, info: StreamInfo) -> Result<Box<dyn Connection>, Error>;
}

/// The facts about the carrier of a byte stream.
#[derive(Debug)]
pub(crate) struct StreamInfo {
    probe: Probe,
    chunk_extensions: ChunkExtensions,
    framing: Option<FramingObserver>,
    connection_window: Option<u32>,
    proxy: Option<Proxy>,
    agreement: Arc<OnceLock<Agreement>>,
}

/// The result of a handshake of TLS.
#[derive(Debug)]
pub(crate) struct Agreement {
    /// The application protocol; `None` without an agreement.
    alpn: Option<String>,
    cipher: Option<String>,
    resumed: Option<bool>,
    /// True if the server accepted early data; `None` if none was sent.
    early_data: Option<bool>,
}

impl StreamInfo {
    /// Returns the facts about a stream in cleartext.
    pub(crate) fn cleartext(probe: Probe) -> Self {
        Self {
            probe,
            chunk_extensions: ChunkExtensions::default(),
            connection_window: None,
            proxy: None,
            framing: None,
            agreement: Arc::default(),
        }
    }

    /// Takes the facts that the client's parameters determine: the extensions of chunks that a server's bodies may
    /// have, the window of a connection over HTTP/2, and the proxy.
    pub(crate) fn for_peer(self, peer: &Peer) -> Self {
        let (chunk_extensions, connection_window) = (peer.chunk_extensions, peer.connection_window);
        Self { chunk_extensions, connection_window, proxy: peer.proxy.clone(), ..self }
    }

    /// Returns the proxy that forwards requests, and the host that the requests are for; `None` if they go directly or
    /// through a tunnel to the server.
    pub(crate) fn forwarder(&self) -> Option<(&Proxy, &Authority)> {
        match self.proxy.as_ref() {
            Some(proxy @ Proxy { way: ProxyWay::Forward(server), .. }) => Some((proxy, server)),
            _ => None,
        }
    }

    /// Returns the receive window of a connection over HTTP/2; `None` if it is as large as that of a stream.
    pub(crate) fn connection_window(&self) -> Option<u32> {
        self.connection_window
    }

    /// Returns the extensions of chunks that a server's bodies may have.
    pub(crate) fn chunk_extensions(&self) -> ChunkExtensions {
        self.chunk_extensions
    }

    /// Returns whether the server may be any program. Otherwise it is an end of longhaul.
    pub(crate) fn is_any_server(&self) -> bool {
        self.chunk_extensions == ChunkExtensions::Any
    }

    /// Sets the counter of received pieces.
    pub(crate) fn with_framing(self, framing: Option<FramingObserver>) -> Self {
        Self { framing, ..self }
    }

    /// Returns the counter of received pieces; `None` without observation of the framing.
    pub(crate) fn framing(&self) -> Option<&FramingObserver> {
        self.framing.as_ref()
    }

    /// Sets the place where the result of the handshake is, or will be.
    pub(crate) fn with_agreement(self, agreement: Arc<OnceLock<Agreement>>) -> Self {
        Self { agreement, ..self }
    }

    /// Returns the cork of the stream's socket.
    pub(crate) fn cork(&self) -> Cork {
        self.probe.cork()
    }

    /// Returns the socket of the stream, or `None` if the stream is not a socket.
    pub(crate) fn socket(&self) -> Option<SharedSocket> {
        self.probe.stream().cloned()
    }

    /// Returns the application protocol that TLS agreed on, or `None` without an agreement.
    pub(crate) fn alpn(&self) -> Option<&str> {
        self.agreement.get()?.alpn.as_deref()
    }
}

#[async_trait]
impl LinkSource for StreamInfo {
    fn link(&self) -> Link {
        let link = self.probe.link();
        let Some(agreement) = self.agreement.get() else { return link };
        let Agreement { alpn, cipher, resumed, early_data } = agreement;
        Link {
            alpn: alpn.clone(),
            cipher: cipher.clone(),
            resumed: *resumed,
            early_data: *early_data,
            ..link
        }
    }

    async fn delivered(&self) {
        if let Some(socket) = self.probe.stream() {
            delivery::ended_by_peer(socket).await;
        }
    }

    async fn stalled(&self) {
        match self.probe.stream() {
            Some(socket) => delivery::stalled(socket).await,
            None => pending().await,
        }
    }
}
