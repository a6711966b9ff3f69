//! A client's stream of TLS whose first bytes may leave before the handshake is complete: early data (RFC 8446 section
//! 2.3).

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use rustls::CommonState;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::{Agreement, Stream};
use crate::Error;

/// A stream of TLS that states the agreement of its handshake once the handshake is complete. Until then, tokio-rustls
/// sends written bytes as early data. If the server rejects them, tokio-rustls sends them again after the handshake.
pub(super) struct EarlyStream<S> {
    tls: TlsStream<S>,
    /// The place where the agreement is stated; `None` once it is stated.
    open: Option<Arc<OnceLock<Agreement>>>,
    /// Returns the result of the complete handshake, or an error if it cannot be used.
    conclude: fn(&CommonState) -> Result<Agreement, Error>,
    /// True once early data was written. A flush before that would begin the handshake without early data.
    has_written: bool,
}

impl<S> EarlyStream<S> {
    /// Wraps a stream whose handshake may be incomplete. `conclude` examines the complete handshake.
    pub(super) fn new(
        tls: TlsStream<S>,
        agreement: Arc<OnceLock<Agreement>>,
        conclude: fn(&CommonState) -> Result<Agreement, Error>,
    ) -> Self {
        Self { tls, open: Some(agreement), conclude, has_written: false }
    }

    /// States the agreement, if the handshake is complete by now.
    ///
    /// # Errors
    /// Fails if the server agreed on another application protocol.
    fn settle(&mut self) -> io::Result<()> {
        let session = self.tls.get_ref().1;
        if self.open.is_none() || session.is_handshaking() {
            return Ok(());
        }
        let mut agreement = (self.conclude)(session).map_err(io::Error::other)?;
        agreement.early_data = Some(session.is_early_data_accepted());
        if let Some(open) = self.open.take() {
            let _ = open.set(agreement);
        }
        Ok(())
    }

    /// Passes on the result of an operation, or an error if the operation completed the handshake and the agreement
    /// cannot be used.
    fn settled<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match self.settle() {
            Ok(()) => polled,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: Stream> AsyncRead for EarlyStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.tls).poll_read(cx, buffer);
        self.settled(polled)
    }
}

impl<S: Stream> AsyncWrite for EarlyStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.has_written = true;
        let polled = Pin::new(&mut self.tls).poll_write(cx, bytes);
        self.settled(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.has_written = true;
        let polled = Pin::new(&mut self.tls).poll_write_vectored(cx, pieces);
        self.settled(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_written {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.tls).poll_flush(cx);
        self.settled(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
