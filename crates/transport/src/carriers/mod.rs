//! What carries a protocol's bytes: TCP as it is, TCP under TLS, QUIC.
//!
//! Over the first two runs an [`Engine`], which neither knows nor cares which of them it is.

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Connection, Error, Limits, Link, Session, socket::Probe};

pub(crate) mod plain;
pub(crate) mod quic;
pub(crate) mod secured;

/// A byte stream in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// A protocol over any byte stream, both its halves.
#[async_trait]
pub(crate) trait Engine: Send + Sync + 'static {
    /// Makes the protocol's own handshake, if it has one, as the client.
    async fn client(stream: impl Stream, wire: Wire, limits: &Limits) -> Result<Box<dyn Connection>, Error>;

    /// The same as the server.
    async fn server(stream: impl Stream, wire: Wire, limits: &Limits) -> Result<Box<dyn Session>, Error>;
}

/// What is known about the carrier of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    probe: Probe,
    alpn: Option<String>,
    cipher: Option<String>,
}

impl Wire {
    pub(crate) fn link(&self) -> Link {
        Link { alpn: self.alpn.clone(), cipher: self.cipher.clone(), ..self.probe.tcp() }
    }
}
