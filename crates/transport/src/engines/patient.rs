//! A stream that can still be read after a write has failed. A server may refuse a request and close before it has read
//! the whole request.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{BodyError, carriers::Stream};

/// The first failure of a write, if any.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteFailure(Arc<OnceLock<String>>);

impl WriteFailure {
    /// Returns the text of the failure, or `None` if no write has failed.
    pub(super) fn get(&self) -> Option<String> {
        self.0.get().cloned()
    }
}

/// The failure of a request during which the server ended the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("the server stopped taking the request: {failure}")]
pub(super) struct Unsent {
    pub(super) failure: String,
    pub(super) source: BodyError,
}

/// The handling of writes after a write has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// Keeps writes pending, so that the body that is being sent also waits.
    Wait,
    /// Discards writes, for a protocol that reads on only once it has written.
    Discard,
}

/// A stream that stops writing when a write fails, and goes on reading: the bytes that the peer sent before it closed
/// still wait in the socket. The reads end with the stream.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    failure: WriteFailure,
    after: AfterFailure,
}

impl<S: Stream> Patient<S> {
    /// Wraps `stream`. The second value tells whether a write has failed.
    pub(super) fn new(stream: S, after: AfterFailure) -> (Self, WriteFailure) {
        let failure = WriteFailure::default();
        (Self { stream, failure: failure.clone(), after }, failure)
    }

    /// Writes until a write fails. The failure is stored, not returned; `discarded` is the result of a discarded write.
    fn write<T>(
        &mut self,
        discarded: T,
        write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.failure.0.get().is_none() {
            match write(Pin::new(&mut self.stream)) {
                // No other code sets the failure, so `set` succeeds.
                Poll::Ready(Err(error)) => drop(self.failure.0.set(error.to_string())),
                polled => return polled,
            }
        }
        match self.after {
            AfterFailure::Wait => Poll::Pending,
            AfterFailure::Discard => Poll::Ready(Ok(discarded)),
        }
    }
}

impl<S: Stream> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: Stream> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(bytes.len(), |stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = pieces.iter().map(|piece| piece.len()).sum();
        self.write(offered, |stream| stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write((), |stream| stream.poll_flush(cx))
    }

    /// Reports an error, since no response is awaited any more.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.failure.get() {
            Some(failure) => Poll::Ready(Err(io::Error::other(failure))),
            None => Pin::new(&mut self.stream).poll_shutdown(cx),
        }
    }
}
