//! Sockets with the buffers that the limits ask for.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{Congestion, Error, Limits, Link, Stats, kernel};

/// How many connections may wait to be accepted; Linux clamps it to net.core.somaxconn.
const BACKLOG: u32 = 1024;

/// Opens a TCP connection.
pub(crate) async fn dial(addr: SocketAddr, limits: &Limits) -> Result<TcpStream, Error> {
    let connected = async {
        let socket = tcp_socket(addr, limits)?;
        let stream = socket.connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    connected.await.map_err(|source| Error::Connect { addr, source })
}

/// Listens for TCP connections, which inherit the listener's buffers.
pub(crate) fn listen(addr: SocketAddr, limits: &Limits) -> Result<TcpListener, Error> {
    let listening = || {
        let socket = tcp_socket(addr, limits)?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|source| Error::Listen { addr, source })
}

/// A UDP socket bound to `addr`.
pub(crate) fn udp(addr: SocketAddr, limits: &Limits) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None)?;
    set_buffers(&socket, limits.udp_buffer)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

fn tcp_socket(addr: SocketAddr, limits: &Limits) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(size) = limits.socket_buffer {
        set_buffers(&socket, size)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(congestion) = limits.congestion {
        set_congestion(&socket, congestion)?;
    }
    Ok(socket)
}

/// Sets the congestion controller; a listener's connections inherit it.
#[cfg(target_os = "linux")]
fn set_congestion(socket: &impl AsFd, congestion: Congestion) -> io::Result<()> {
    let name = congestion.of_tcp();
    SockRef::from(socket).set_tcp_congestion(name.as_bytes()).map_err(|error| {
        let offered = "one of sysctl net.ipv4.tcp_allowed_congestion_control would be right, or auto";
        io::Error::new(error.kind(), format!("no congestion controller {name}: {offered}"))
    })
}

/// Sets both buffers, past the system's ceiling where privileges allow. What the kernel made of it shows
/// in [`Link`].
pub(crate) fn set_buffers(socket: &impl AsFd, size: u64) -> io::Result<()> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
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

/// A second handle to a socket, to ask the kernel about it while a protocol owns the first. Where file
/// descriptors have run out there is none, and nothing is known of the socket.
#[derive(Debug)]
pub(crate) struct Probe(Option<Arc<OwnedFd>>);

impl Probe {
    pub(crate) fn new(socket: &impl AsFd) -> Self {
        Self(socket.as_fd().try_clone_to_owned().ok().map(Arc::new))
    }

    pub(crate) fn unknown() -> Self {
        Self(None)
    }

    /// A cork for the same socket.
    pub(crate) fn cork(&self) -> Cork {
        Cork(self.0.clone())
    }

    /// Buffers and memory of the socket.
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

    /// The same, with TCP's counters.
    pub(crate) fn tcp(&self) -> Link {
        let stats = self.0.as_ref().and_then(|handle| kernel::tcp_stats(handle.as_fd()));
        Link { mtu: stats.as_ref().map(|stats| stats.mss), stats: stats.map(Stats::Tcp), ..self.socket() }
    }
}

/// What keeps the kernel from sending less than a segment, so that the next write goes on where the last one ended
/// (TCP_CORK in Linux's tcp(7); without a socket, or elsewhere, there is none).
#[derive(Debug)]
pub(crate) struct Cork(Option<Arc<OwnedFd>>);

impl Cork {
    /// Puts the cork in; tells whether there is one.
    pub(crate) fn put(&self) -> bool {
        self.set(true)
    }

    /// Pulls it, and what was held back goes out.
    pub(crate) fn pull(&self) {
        self.set(false);
    }

    #[cfg(target_os = "linux")]
    fn set(&self, corked: bool) -> bool {
        self.0.as_ref().is_some_and(|handle| SockRef::from(handle).set_tcp_cork(corked).is_ok())
    }

    #[cfg(not(target_os = "linux"))]
    fn set(&self, _: bool) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_cork_holds_back_what_is_less_than_a_segment() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut reader, _) = listener.accept().unwrap();
        writer.set_nodelay(true).unwrap();
        let cork = Probe::new(&writer).cork();
        assert!(cork.put());
        writer.write_all(&[7; 1000]).unwrap();
        reader.set_nonblocking(true).unwrap();
        assert_eq!(reader.read(&mut [0; 2000]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        cork.pull();
        reader.set_nonblocking(false).unwrap();
        assert_eq!(reader.read(&mut [0; 2000]).unwrap(), 1000);
        assert!(!Probe::unknown().cork().put());
    }

    #[test]
    fn bytes_that_nobody_reads_show_as_socket_memory() {
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
        let Some(Stats::Tcp(stats)) = probe.tcp().stats else { panic!("no counters") };
        assert_eq!(stats.bytes_received, 50_000);
    }
}
