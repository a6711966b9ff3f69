//! A byte stream over TCP or a Unix socket, which shares its file descriptor with its probe and its cork.

use std::{
    io::{self, IoSlice},
    mem,
    os::fd::{AsFd as _, BorrowedFd},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Link, kernel, probe, stream_socket::StreamSocket};

/// The end of a connection that an engine reads from and writes to.
///
/// Dropping the stream closes the socket at once, so that the peer notices. After a shutdown, the peer may still have
/// bytes to acknowledge: the socket then stays open as long as its [`SharedSocket`] exists.
#[derive(Debug)]
pub(crate) struct SharedStream {
    socket: SharedSocket,
    is_shut_down: bool,
}

impl SharedStream {
    /// Wraps a connected stream.
    pub(crate) fn new(stream: impl Into<StreamSocket>) -> Self {
        let socket = SharedSocket(Arc::new(Mutex::new(State::Open(stream.into()))));
        Self { socket, is_shut_down: false }
    }

    /// Returns a handle to the socket, for as long as the stream is open.
    pub(crate) fn socket(&self) -> SharedSocket {
        self.socket.clone()
    }

    fn poll<T>(
        &self,
        poll: impl FnOnce(Pin<&mut StreamSocket>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.socket.lock() {
            State::Open(stream) => poll(Pin::new(stream)),
            State::Closed(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Drop for SharedStream {
    fn drop(&mut self) {
        if !self.is_shut_down {
            self.socket.close();
        }
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the kernel has the bytes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll(|stream| stream.poll_shutdown(cx)))?;
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

/// A handle to the socket of a [`SharedStream`].
#[derive(Clone, Debug)]
pub(crate) struct SharedSocket(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    Open(StreamSocket),
    /// The state of the socket when it was closed.
    Closed(Box<Link>),
}

impl SharedSocket {
    /// Calls `question` with the file descriptor of the socket. `None` if the socket is closed.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        match &*self.lock() {
            State::Open(stream) => Some(question(stream.as_fd())),
            State::Closed(_) => None,
        }
    }

    /// Returns the state of the socket now, or when it was closed.
    pub(crate) fn link(&self) -> Link {
        match &*self.lock() {
            State::Open(stream) => probe::stream_link(stream),
            State::Closed(link) => (**link).clone(),
        }
    }

    /// Returns the bytes that the peer has not acknowledged yet; `None` if the socket is closed.
    pub(crate) fn undelivered(&self) -> Option<u64> {
        self.ask(kernel::undelivered_bytes)
    }

    /// Makes closing the socket reset the connection, so that the peer does not take the bytes received so far for the
    /// whole message.
    pub(crate) fn reset_when_closed(&self) {
        // Setting the option fails only if the socket is already closed.
        self.ask(|socket| SockRef::from(&socket).set_linger(Some(Duration::ZERO)).is_ok());
    }

    /// Reads and discards received bytes. Returns 0 once the peer has ended its direction, or if the socket is closed.
    pub(crate) fn poll_discard(&self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(space);
        match &mut *self.lock() {
            State::Open(stream) => ready!(Pin::new(stream).poll_read(cx, &mut buffer))?,
            State::Closed(_) => {}
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn close(&self) {
        let state = &mut *self.lock();
        if let State::Open(stream) = state {
            let link = probe::stream_link(stream);
            drop(mem::replace(state, State::Closed(Box::new(link))));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    async fn connected() -> (SharedStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (SharedStream::new(near), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_dropped_stream_is_closed_although_its_socket_is_still_asked_about() {
        let (mut near, mut far) = connected().await;
        near.write_all(b"abc").await.unwrap();
        let socket = near.socket();
        drop(near);
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"abc");
        assert!(socket.ask(|_| ()).is_none());
        #[cfg(target_os = "linux")]
        assert!(socket.link().stats.is_some(), "the last counters are kept");
    }

    #[tokio::test]
    async fn a_stream_that_was_shut_down_can_still_be_drained() {
        let (mut near, mut far) = connected().await;
        near.shutdown().await.unwrap();
        let socket = near.socket();
        drop(near);
        far.write_all(&[7; 100]).await.unwrap();
        drop(far);
        let mut space = [0; 4096];
        let mut drained = 0;
        loop {
            match std::future::poll_fn(|cx| socket.poll_discard(cx, &mut space)).await.unwrap() {
                0 => break,
                length => drained += length,
            }
        }
        assert_eq!(drained, 100);
    }
}
