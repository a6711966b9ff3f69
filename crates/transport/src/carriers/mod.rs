//! What carries a protocol's bytes: TCP as it is, TCP under TLS, QUIC.
//!
//! Over the first two runs an engine, which neither knows nor cares which of them it is.

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    Connection, Error, Guards, Limits, Link, Session,
    session::Linked,
    socket::{Cork, Probe},
};

pub(crate) mod plain;
pub(crate) mod quic;
pub(crate) mod secured;
pub(crate) mod streams;
mod udp;

/// What one segment of loopback carries of a stream, also under TLS: its MTU is 65,536 bytes, 72 of them for IPv6, TCP and
/// its timestamps, and four records take 22 each (RFC 8446 section 5.2).
pub(crate) const SEGMENT: usize = (65_536 - 72) - 4 * 22;

/// A byte stream in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// The client's half of a protocol over any byte stream.
#[async_trait]
pub(crate) trait ClientEngine: Send + Sync + 'static {
    /// Makes the protocol's own handshake, if it has one.
    async fn client(stream: impl Stream, wire: Wire, limits: &Limits) -> Result<Box<dyn Connection>, Error>;
}

/// The server's half.
#[async_trait]
pub(crate) trait ServerEngine: Send + Sync + 'static {
    /// Whether a client that knows nothing of ALPN is served. One that offers other protocols never is.
    const SERVES_WITHOUT_ALPN: bool = false;

    /// Makes the protocol's own handshake, if it has one.
    async fn server(
        stream: impl Stream,
        wire: Wire,
        limits: &Limits,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error>;
}

/// What is known about the carrier of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    probe: Probe,
    alpn: Option<String>,
    cipher: Option<String>,
}

impl Wire {
    /// No carrier that anything is known of.
    pub(crate) fn unknown() -> Self {
        Self { probe: Probe::unknown(), alpn: None, cipher: None }
    }

    /// What holds back the end of a write that the next one goes on from.
    pub(crate) fn cork(&self) -> Cork {
        self.probe.cork()
    }

    /// The application protocol that TLS agreed on.
    pub(crate) fn alpn(&self) -> Option<&str> {
        self.alpn.as_deref()
    }
}

impl Linked for Wire {
    fn link(&self) -> Link {
        Link { alpn: self.alpn.clone(), cipher: self.cipher.clone(), ..self.probe.tcp() }
    }
}
