//! Queries of the kernel about a socket that a protocol owns, and the cork of a TCP socket.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use record::TransportStats;
use socket2::SockRef;

use crate::{
    Link, kernel, kernel::ReceiveBuffer, socket::congestion_of, stream_socket::StreamSocket,
    tcp_stream::SharedSocket,
};

/// A handle to a socket, to query the kernel while a protocol owns the socket.
#[derive(Debug)]
pub(crate) struct Probe(Handle);

#[derive(Debug)]
enum Handle {
    /// The socket of a TCP stream.
    Tcp(SharedSocket),
    /// A duplicate of the socket of a QUIC endpoint, which carries all its connections. `None` if the socket could not
    /// be duplicated, for example without a free file descriptor.
    Udp(Option<OwnedFd>),
    /// No socket, for example a pipe in memory.
    Nothing,
}

impl Probe {
    /// Returns the probe of a TCP stream.
    pub(crate) fn of_stream(socket: SharedSocket) -> Self {
        Self(Handle::Tcp(socket))
    }

    /// Returns the probe of a UDP socket.
    pub(crate) fn of_endpoint(socket: &impl AsFd) -> Self {
        Self(Handle::Udp(socket.as_fd().try_clone_to_owned().ok()))
    }

    /// Returns the probe of a stream that is not a socket.
    pub(crate) fn without_socket() -> Self {
        Self(Handle::Nothing)
    }

    /// Returns the socket of a TCP stream.
    pub(crate) fn stream(&self) -> Option<&SharedSocket> {
        match &self.0 {
            Handle::Tcp(socket) => Some(socket),
            Handle::Udp(_) | Handle::Nothing => None,
        }
    }

    /// Returns the cork of the socket.
    pub(crate) fn cork(&self) -> Cork {
        Cork(self.stream().cloned())
    }

    /// Returns the state of the receive buffer of a UDP socket.
    pub(crate) fn receive_buffer(&self) -> Option<ReceiveBuffer> {
        match &self.0 {
            Handle::Udp(Some(socket)) => kernel::receive_buffer(socket.as_fd()),
            Handle::Udp(None) | Handle::Tcp(_) | Handle::Nothing => None,
        }
    }

    /// Returns the buffers and the memory of the socket, and the counters of TCP.
    pub(crate) fn link(&self) -> Link {
        match &self.0 {
            Handle::Tcp(socket) => socket.link(),
            Handle::Udp(socket) => {
                socket.as_ref().map(|socket| socket_link(socket.as_fd())).unwrap_or_default()
            }
            Handle::Nothing => Link::default(),
        }
    }
}

/// Returns the buffers and the memory of a stream's socket, with its counters.
pub(crate) fn stream_link(stream: &StreamSocket) -> Link {
    let socket = stream.as_fd();
    let stats = kernel::tcp_stats(socket);
    let mtu = stats.as_ref().map(|stats| stats.mss);
    let congestion = congestion_of(&socket);
    let unix_bytes_read = stream.unix_bytes_read();
    let stats = stats.map(TransportStats::Tcp);
    Link { unix_bytes_read, mtu, congestion, stats, ..socket_link(socket) }
}

fn socket_link(socket: BorrowedFd<'_>) -> Link {
    let memory = kernel::socket_memory_bytes(socket);
    let socket = SockRef::from(&socket);
    let bytes = |size: io::Result<usize>| size.ok().map(|size| size as u64);
    Link {
        socket_send_buffer_bytes: bytes(socket.send_buffer_size()),
        socket_receive_buffer_bytes: bytes(socket.recv_buffer_size()),
        socket_memory_bytes: memory,
        ..Link::default()
    }
}

/// TCP_CORK of a socket (Linux's tcp(7)): while it is set, the kernel sends whole segments only, so that the next write
/// continues the last segment. The cork has no effect without a socket, or on other systems.
#[derive(Debug)]
pub(crate) struct Cork(Option<SharedSocket>);

impl Cork {
    /// Returns a cork without effect.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Sets the cork; returns whether it is in effect.
    pub(crate) fn set(&self) -> bool {
        self.switch(true)
    }

    /// Clears the cork, and the kernel sends the partial segment.
    pub(crate) fn clear(&self) {
        self.switch(false);
    }

    #[cfg(target_os = "linux")]
    fn switch(&self, corked: bool) -> bool {
        let set = |socket: BorrowedFd<'_>| SockRef::from(&socket).set_tcp_cork(corked).is_ok();
        self.0.as_ref().and_then(|socket| socket.ask(set)).unwrap_or_default()
    }

    #[cfg(not(target_os = "linux"))]
    fn switch(&self, _: bool) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::{io::Read as _, net, time::Duration};

    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpStream},
        time::sleep,
    };

    use super::*;
    use crate::tcp_stream::SharedStream;

    /// Returns a connection, with the far end as a blocking socket.
    async fn connected() -> (SharedStream, net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        near.set_nodelay(true).unwrap();
        (SharedStream::new(near), listener.accept().await.unwrap().0.into_std().unwrap())
    }

    #[tokio::test]
    async fn a_cork_holds_back_a_partial_segment() {
        let (mut writer, mut reader) = connected().await;
        let cork = Probe::of_stream(writer.socket()).cork();
        assert!(cork.set());
        writer.write_all(&[7; 1000]).await.unwrap();
        assert_eq!(reader.read(&mut [0; 2000]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        cork.clear();
        reader.set_nonblocking(false).unwrap();
        assert_eq!(reader.read(&mut [0; 2000]).unwrap(), 1000);
        assert!(!Probe::without_socket().cork().set());
    }

    #[tokio::test]
    async fn unread_bytes_show_as_socket_memory() {
        let (near, mut writer) = connected().await;
        let probe = Probe::of_stream(near.socket());
        assert_eq!(probe.link().socket_memory_bytes, Some(0));
        writer.set_nonblocking(false).unwrap();
        std::io::Write::write_all(&mut writer, &[0; 50_000]).unwrap();
        let mut polls = 0;
        while probe.link().socket_memory_bytes.is_none_or(|bytes| bytes < 50_000) {
            polls += 1;
            assert!(polls < 500, "{:?}", probe.link());
            sleep(Duration::from_millis(10)).await;
        }
        let Some(TransportStats::Tcp(stats)) = probe.link().stats else { panic!("no counters") };
        assert_eq!(stats.bytes_received, 50_000);
    }
}
