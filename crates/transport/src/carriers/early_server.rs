//! A server's stream of TLS whose first bytes may arrive before the handshake is complete: early data (RFC 8446 section
//! 2.3).
//!
//! tokio-rustls hands over a server's stream only once its handshake is complete. By then, an answer to early data no
//! longer saves a round trip.

use std::{
    io::{self, IoSlice, Read, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustls::{CommonState, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Stream, early_session::Confirmation};

/// A stream of TLS that yields accepted early data, and sends before the client's end of the handshake has arrived.
pub(super) struct EarlyStream<S> {
    socket: S,
    tls: ServerConnection,
    confirmation: Confirmation,
    has_sent_close: bool,
}

impl<S: Stream> EarlyStream<S> {
    /// Lets the handshake progress until it is complete, or until early data is accepted. rustls may encrypt `ahead`
    /// bytes ahead of the socket.
    ///
    /// # Errors
    /// Fails if the handshake fails, or the socket ends or breaks.
    pub(super) async fn accept(config: Arc<ServerConfig>, socket: S, ahead: usize) -> io::Result<Self> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(ahead));
        let mut stream = Self { socket, tls, confirmation: Confirmation::default(), has_sent_close: false };
        std::future::poll_fn(|cx| stream.poll_begin(cx)).await?;
        Ok(stream)
    }

    /// Returns the state of TLS, with the agreement as far as it has been reached.
    pub(super) fn state(&self) -> &CommonState {
        &self.tls
    }

    /// Returns whether the client sent early data that was accepted.
    pub(super) fn has_early_data(&mut self) -> bool {
        self.tls.early_data().is_some()
    }

    /// Returns the state of the handshake, now and later.
    pub(super) fn confirmation(&self) -> Confirmation {
        self.confirmation.clone()
    }

    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
            if !self.tls.is_handshaking() || self.has_early_data() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx))?;
        }
    }

    /// Reads from the socket once, and processes the received bytes, so that the handshake makes progress.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.tls.read_tls(&mut NonBlocking { socket: &mut self.socket, cx }) {
            Ok(0) if self.tls.is_handshaking() => {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        }
        let processed = self.tls.process_new_packets();
        if processed.is_ok() && !self.tls.is_handshaking() {
            self.confirmation.confirm();
        }
        // Sessions, answers to key updates, and alerts go out as far as the socket takes them.
        let sent = self.poll_send(cx);
        match (processed, sent) {
            (Err(error), _) => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
            (Ok(_), Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Ok(_), _) => Poll::Ready(Ok(())),
        }
    }

    /// Sends encrypted bytes until none are left or the socket is full.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut NonBlocking { socket: &mut self.socket, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Moves received bytes to `buffer`, early data first.
    fn take(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let room = buffer.initialize_unfilled();
        let mut taken = 0;
        if let Some(mut early) = self.tls.early_data() {
            taken = early.read(room)?;
        }
        if taken == 0 {
            taken = self.tls.reader().read(room)?;
        }
        buffer.advance(taken);
        Ok(())
    }
}

impl<S: Stream> AsyncRead for EarlyStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.take(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                taken => return Poll::Ready(taken),
            }
            ready!(self.poll_receive(cx))?;
        }
    }
}

impl<S: Stream> AsyncWrite for EarlyStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let taken = self.tls.writer().write_vectored(pieces)?;
        match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if taken == 0 => Poll::Pending,
            // Nothing is encrypted ahead now, so there is room.
            Poll::Ready(Ok(())) if taken == 0 => Poll::Ready(self.tls.writer().write_vectored(pieces)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.has_sent_close, true) {
            self.tls.send_close_notify();
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// An asynchronous socket as rustls uses it: an operation that would wait is an error, and wakes the task later.
struct NonBlocking<'a, 'c, S> {
    socket: &'a mut S,
    cx: &'a mut Context<'c>,
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl<S: Stream> Read for NonBlocking<'_, '_, S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        or_would_block(Pin::new(&mut *self.socket).poll_read(self.cx, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl<S: Stream> Write for NonBlocking<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        or_would_block(Pin::new(&mut *self.socket).poll_flush(self.cx))
    }
}
