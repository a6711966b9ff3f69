//! Sockets with the buffers and the congestion controller of the limits.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use nix::sys::socket::{setsockopt, sockopt};
use record::{Limits, SOCKET_BUFFER, TransportStats};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{
    Error, Link,
    congestion::Congestion,
    kernel,
    settings::{FromLimits, bytes_unless_auto},
};

/// The most connections that wait to be accepted; Linux clamps it to net.core.somaxconn.
const BACKLOG: u32 = 1024;

/// The options of TCP sockets that limits set.
pub(crate) struct TcpOptions {
    /// The send and the receive buffer, in bytes; none leaves both to the kernel.
    buffer: Option<usize>,
    /// The congestion controller; none leaves it to the kernel.
    congestion: Option<Congestion>,
}

impl FromLimits for TcpOptions {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        let buffer = bytes_unless_auto(limits, &SOCKET_BUFFER)?;
        Ok(Self { buffer, congestion: Congestion::from_limits(limits)? })
    }
}

impl TcpOptions {
    fn socket(&self, addr: SocketAddr) -> io::Result<TcpSocket> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(size) = self.buffer {
            set_buffers(&socket, size)?;
        }
        if let Some(congestion) = self.congestion {
            set_congestion(&socket, congestion)?;
        }
        Ok(socket)
    }
}

/// Opens a TCP connection.
///
/// # Errors
/// The peer cannot be reached, or the system refuses an option.
pub(crate) async fn dial(addr: SocketAddr, options: &TcpOptions) -> Result<TcpStream, Error> {
    let connected = async {
        let stream = options.socket(addr)?.connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    connected.await.map_err(|source| Error::Connect { addr, source })
}

/// A listening TCP socket, whose connections inherit its options.
pub(crate) struct Acceptor {
    socket: TcpListener,
    addr: SocketAddr,
}

impl Acceptor {
    /// Listens on an address.
    ///
    /// # Errors
    /// The address cannot be bound, or the system refuses an option.
    pub(crate) fn bind(addr: SocketAddr, options: &TcpOptions) -> Result<Self, Error> {
        let listening = || {
            let socket = options.socket(addr)?;
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            let socket = socket.listen(BACKLOG)?;
            Ok(Self { addr: socket.local_addr()?, socket })
        };
        listening().map_err(|source| Error::Listen { addr, source })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// The system refuses to accept.
    pub(crate) async fn accept(&self) -> Result<(TcpStream, SocketAddr), Error> {
        self.socket.accept().await.map_err(|source| Error::Listen { addr: self.addr, source })
    }
}

/// A UDP socket bound to `addr`, with buffers of `buffer` bytes.
///
/// # Errors
/// The address cannot be bound, or the system refuses the buffers.
pub(crate) fn udp(addr: SocketAddr, buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None)?;
    set_buffers(&socket, buffer)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Sets the congestion controller; the connections of a listener inherit it.
#[cfg(target_os = "linux")]
fn set_congestion(socket: &impl AsFd, congestion: Congestion) -> io::Result<()> {
    let name = congestion.tcp_name();
    SockRef::from(socket).set_tcp_congestion(name.as_bytes()).map_err(|error| {
        let expected = "use auto, or one of sysctl net.ipv4.tcp_allowed_congestion_control";
        io::Error::new(error.kind(), format!("the kernel has no congestion controller {name}; {expected}"))
    })
}

/// Does nothing: only Linux has the option.
#[cfg(not(target_os = "linux"))]
fn set_congestion(_: &impl AsFd, _: Congestion) -> io::Result<()> {
    Ok(())
}

/// Sets both buffers to `size` bytes, past the system's ceiling if privileges allow it. The sizes in effect are in
/// [`Link`].
pub(crate) fn set_buffers(socket: &impl AsFd, size: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if setsockopt(socket, sockopt::SndBufForce, &size).is_ok()
        && setsockopt(socket, sockopt::RcvBufForce, &size).is_ok()
    {
        return Ok(());
    }
    setsockopt(socket, sockopt::SndBuf, &size)?;
    setsockopt(socket, sockopt::RcvBuf, &size)?;
    Ok(())
}

/// A second handle to a socket, to query the kernel while a protocol owns the first. Without a free file descriptor
/// there is no handle, and nothing is known of the socket.
#[derive(Debug)]
pub(crate) struct Probe(Option<Arc<OwnedFd>>);

impl Probe {
    pub(crate) fn new(socket: &impl AsFd) -> Self {
        Self(socket.as_fd().try_clone_to_owned().ok().map(Arc::new))
    }

    /// The probe of a stream that is not a socket.
    pub(crate) fn without_socket() -> Self {
        Self(None)
    }

    /// The cork of the socket.
    pub(crate) fn cork(&self) -> Cork {
        Cork(self.0.clone())
    }

    /// The buffers and the memory of the socket.
    pub(crate) fn socket(&self) -> Link {
        let Some(handle) = &self.0 else { return Link::default() };
        let socket = SockRef::from(handle);
        let bytes = |size: io::Result<usize>| size.ok().map(|size| size as u64);
        Link {
            socket_send_buffer_bytes: bytes(socket.send_buffer_size()),
            socket_receive_buffer_bytes: bytes(socket.recv_buffer_size()),
            socket_memory_bytes: kernel::socket_memory_bytes(handle.as_fd()),
            ..Link::default()
        }
    }

    /// The buffers and the memory of the socket, with the counters of TCP.
    pub(crate) fn tcp(&self) -> Link {
        let stats = self.0.as_ref().and_then(|handle| kernel::tcp_stats(handle.as_fd()));
        let mtu = stats.as_ref().map(|stats| stats.mss);
        Link { mtu, stats: stats.map(TransportStats::Tcp), ..self.socket() }
    }
}

/// TCP_CORK of a socket (Linux's tcp(7)): while it is set, the kernel sends whole segments only, so that the next write
/// continues the last segment. Has no effect without a socket, or on other systems.
#[derive(Debug)]
pub(crate) struct Cork(Option<Arc<OwnedFd>>);

impl Cork {
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
        self.0.as_ref().is_some_and(|handle| SockRef::from(handle).set_tcp_cork(corked).is_ok())
    }

    #[cfg(not(target_os = "linux"))]
    fn switch(&self, _: bool) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_cork_holds_back_a_partial_segment() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut reader, _) = listener.accept().unwrap();
        writer.set_nodelay(true).unwrap();
        let cork = Probe::new(&writer).cork();
        assert!(cork.set());
        writer.write_all(&[7; 1000]).unwrap();
        reader.set_nonblocking(true).unwrap();
        assert_eq!(reader.read(&mut [0; 2000]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        cork.clear();
        reader.set_nonblocking(false).unwrap();
        assert_eq!(reader.read(&mut [0; 2000]).unwrap(), 1000);
        assert!(!Probe::without_socket().cork().set());
    }

    #[test]
    fn unread_bytes_show_as_socket_memory() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (reader, _) = listener.accept().unwrap();
        let probe = Probe::new(&reader);
        assert_eq!(probe.tcp().socket_memory_bytes, Some(0));
        writer.write_all(&[0; 50_000]).unwrap();
        let held = (0..500).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            probe.tcp().socket_memory_bytes.filter(|bytes| *bytes >= 50_000)
        });
        assert!(held.is_some(), "{:?}", probe.tcp());
        let Some(TransportStats::Tcp(stats)) = probe.tcp().stats else { panic!("no counters") };
        assert_eq!(stats.bytes_received, 50_000);
    }
}
