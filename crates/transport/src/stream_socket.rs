//! A connected socket that carries a byte stream: over TCP, or a Unix socket.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::kernel;

/// A connected socket. TCP options have no effect on a Unix socket, and the kernel has no counters of it.
#[derive(Debug)]
pub(crate) enum StreamSocket {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection over a Unix socket.
    Unix(CountedUnix),
}

/// A connection over a Unix socket, and the number of bytes that were written to it.
#[derive(Debug)]
pub(crate) struct CountedUnix {
    stream: UnixStream,
    written: u64,
}

impl CountedUnix {
    fn count(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(length)) = &polled {
            self.written = self.written.saturating_add(*length as u64);
        }
        polled
    }
}

impl StreamSocket {
    /// Sets whether partial segments are sent at once. A Unix socket has no segments.
    ///
    /// # Errors
    /// Fails if the system refuses the option.
    pub(crate) fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(nodelay),
            Self::Unix(_) => Ok(()),
        }
    }

    /// Returns the bytes that the peer has read from a Unix socket; `None` over TCP. SIOCOUTQ states the memory of unread
    /// bytes, which exceeds their number, and frees it buffer by buffer.
    pub(crate) fn unix_bytes_read(&self) -> Option<u64> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(unix) => {
                Some(unix.written.saturating_sub(kernel::undelivered_bytes(unix.stream.as_fd())))
            }
        }
    }

    /// Moves the socket to the runtime of the caller's context, whose thread then drives it.
    ///
    /// # Errors
    /// Fails if that runtime cannot watch the socket.
    pub(crate) fn moved(self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream.into_std()?).map(Self::Tcp),
            Self::Unix(CountedUnix { stream, written }) => {
                let stream = UnixStream::from_std(stream.into_std()?)?;
                Ok(Self::Unix(CountedUnix { stream, written }))
            }
        }
    }
}

impl From<TcpStream> for StreamSocket {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for StreamSocket {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(CountedUnix { stream, written: 0 })
    }
}

impl AsFd for StreamSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(unix) => unix.stream.as_fd(),
        }
    }
}

impl AsyncRead for StreamSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(unix) => Pin::new(&mut unix.stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for StreamSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(unix) => {
                let polled = Pin::new(&mut unix.stream).poll_write(cx, bytes);
                unix.count(polled)
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Unix(unix) => {
                let polled = Pin::new(&mut unix.stream).poll_write_vectored(cx, pieces);
                unix.count(polled)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the kernel has the bytes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(&mut unix.stream).poll_shutdown(cx),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn bytes_of_a_unix_socket_count_once_they_are_read() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = StreamSocket::from(near);
        near.write_all(&[7; 10_000]).await.unwrap();
        assert_eq!(near.unix_bytes_read(), Some(0));
        far.read_exact(&mut [0; 10_000]).await.unwrap();
        assert_eq!(near.unix_bytes_read(), Some(10_000));
        near.write_all(&[7; 5_000]).await.unwrap();
        far.read_exact(&mut [0; 5_000]).await.unwrap();
        assert_eq!(near.unix_bytes_read(), Some(15_000));
    }
}
