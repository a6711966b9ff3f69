//! Sockets with the buffers and the congestion controller of the limits.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsFd,
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt};
#[cfg(target_os = "linux")]
use record::MAX_QUIC_MTU;
use record::{Limits, NODELAY, SOCKET_BUFFER};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, UnixStream};

use crate::{
    Bind, Error, Peer, Spread,
    congestion::Congestion,
    proxy::tunnelled,
    settings::{FromLimits, bytes_unless_auto, choice},
    stream_socket::StreamSocket,
    tcp_stream::SharedStream,
    unix_listener::UnixAcceptor,
};

/// The most connections that wait to be accepted; Linux clamps it to net.core.somaxconn.
const BACKLOG: u32 = 1024;

/// The idle time after which the kernel probes the client of an accepted connection, and the interval of further probes
/// (SO_KEEPALIVE). Without probes, a server that only reads would wait for ever for a client that has vanished.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The options of TCP sockets that limits set; by default none.
#[derive(Default)]
pub(crate) struct TcpOptions {
    /// The send and the receive buffer, in bytes; `None` leaves both to the kernel.
    buffer: Option<usize>,
    /// The congestion controller; `None` leaves it to the kernel.
    congestion: Option<Congestion>,
    /// True if a partial segment waits for more bytes (Nagle's algorithm), which is the default of the kernel.
    waits: bool,
}

impl FromLimits for TcpOptions {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        let buffer = bytes_unless_auto(limits, &SOCKET_BUFFER)?;
        choice(limits, &NODELAY, &[("on", ()), ("off", ())])?;
        Ok(Self { buffer, congestion: Congestion::from_limits(limits)?, waits: !limits.has(&NODELAY) })
    }
}

impl TcpOptions {
    /// Returns the congestion controller that the limits name, by its name in Linux.
    pub(crate) fn controller(&self) -> Option<&'static str> {
        self.congestion.map(Congestion::tcp_name)
    }

    /// Returns a socket with these options for an address.
    pub(crate) fn socket(&self, addr: SocketAddr) -> io::Result<TcpSocket> {
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

/// Opens a connection to a peer: over its Unix socket if it has one, or over TCP, through its proxy if it has one.
///
/// # Errors
/// Fails if the peer cannot be reached, or the system refuses an option.
pub(crate) async fn connect(peer: &Peer, options: &TcpOptions) -> Result<SharedStream, Error> {
    let Some(path) = &peer.unix_socket else {
        let dialled = dial(peer.addr, options).await;
        return tunnelled(dialled.map_err(|error| error.of_proxy(peer))?, peer).await;
    };
    let connected = UnixStream::connect(path).await.and_then(|stream| {
        if let Some(size) = options.buffer {
            set_buffers(&stream, size)?;
        }
        Ok(SharedStream::new(stream))
    });
    connected.map_err(|source| Error::ConnectUnix { path: path.clone(), source })
}

/// Opens a TCP connection.
///
/// # Errors
/// Fails if the peer cannot be reached, or the system refuses an option.
pub(crate) async fn dial(addr: SocketAddr, options: &TcpOptions) -> Result<SharedStream, Error> {
    let connected = async {
        let stream = options.socket(addr)?.connect(addr).await?;
        stream.set_nodelay(!options.waits)?;
        Ok(SharedStream::new(stream))
    };
    connected.await.map_err(|source| Error::Connect { addr, source })
}

/// A listening socket. Connections over TCP inherit its options.
pub(crate) struct Acceptor {
    socket: Listening,
    addr: SocketAddr,
    waits: bool,
    /// The threads that get the connections in turn; `None` leaves them to the caller of [`accept`](Self::accept).
    spread: Option<Spread>,
}

/// A connection that was accepted.
pub(crate) struct Arrival {
    pub(crate) stream: StreamSocket,
    pub(crate) peer: SocketAddr,
    /// The number of the thread that drives the socket; `None` for the caller's own.
    pub(crate) thread: Option<usize>,
}

enum Listening {
    Tcp(TcpListener),
    Unix(UnixAcceptor),
}

/// The placeholder address of a Unix socket and of its clients, which are on this machine.
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Acceptor {
    /// Listens on the Unix socket of `bind` if it has one, or on its address.
    ///
    /// # Errors
    /// Fails if the address cannot be bound, or the system refuses an option.
    pub(crate) fn bind(bind: &Bind, options: &TcpOptions) -> Result<Self, Error> {
        let spread = bind.spread.clone();
        let Some(path) = &bind.unix_socket else { return Self::bind_tcp(bind.addr, options, spread) };
        let bound = UnixAcceptor::bind(path);
        let socket = bound.map_err(|source| Error::ListenUnix { path: path.clone(), source })?;
        Ok(Self { socket: Listening::Unix(socket), addr: LOCAL, waits: options.waits, spread })
    }

    /// Listens on an address over TCP.
    ///
    /// # Errors
    /// Fails if the address cannot be bound, or the system refuses an option.
    pub(crate) fn bind_tcp(
        addr: SocketAddr,
        options: &TcpOptions,
        spread: Option<Spread>,
    ) -> Result<Self, Error> {
        let listening = || {
            let socket = options.socket(addr)?;
            socket.set_reuseaddr(true)?;
            let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
            SockRef::from(&socket).set_tcp_keepalive(&keep_alive)?;
            socket.bind(addr)?;
            let socket = socket.listen(BACKLOG)?;
            let addr = socket.local_addr()?;
            Ok(Self { addr, socket: Listening::Tcp(socket), waits: options.waits, spread })
        };
        listening().map_err(|source| Error::Listen { addr, source })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns whether the kernel delays partial segments of accepted connections, to join them with later bytes.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Waits for the next connection, and hands it to the thread whose turn it is.
    ///
    /// With one listener per thread on a common port (SO_REUSEPORT), no hand-over would be needed. But the kernel
    /// chooses among such listeners by a hash of the addresses. Two connections to two threads would share one of them
    /// in half of all cases.
    ///
    /// # Errors
    /// Fails if the system refuses to accept.
    pub(crate) async fn accept(&self) -> Result<Arrival, Error> {
        let accepted = match &self.socket {
            Listening::Tcp(socket) => socket.accept().await.map(|(stream, peer)| (stream.into(), peer)),
            Listening::Unix(socket) => socket.accept().await.map(|stream| (stream.into(), LOCAL)),
        };
        let handed = accepted.and_then(|(stream, peer)| self.hand_over(stream, peer));
        handed.map_err(|source| match &self.socket {
            Listening::Tcp(_) => Error::Listen { addr: self.addr, source },
            Listening::Unix(socket) => Error::ListenUnix { path: socket.path().to_owned(), source },
        })
    }

    fn hand_over(&self, stream: StreamSocket, peer: SocketAddr) -> io::Result<Arrival> {
        let Some(spread) = &self.spread else { return Ok(Arrival { stream, peer, thread: None }) };
        let (thread, _entered) = spread.take_turn();
        Ok(Arrival { stream: stream.moved()?, peer, thread: Some(thread) })
    }
}

/// Returns a UDP socket bound to `addr`, with buffers of `buffer` bytes; `None` leaves both to the kernel.
///
/// # Errors
/// Fails if the address cannot be bound, or the system refuses the buffers.
pub(crate) fn udp(addr: SocketAddr, buffer: Option<usize>) -> io::Result<UdpSocket> {
    bound_udp(addr, buffer, Sharing::No)
}

/// Returns a UDP socket as [`udp`] does, on an address that it shares with other sockets (SO_REUSEPORT).
///
/// # Errors
/// Fails if the address cannot be bound, or the system refuses an option.
pub(crate) fn udp_beside(addr: SocketAddr, buffer: Option<usize>) -> io::Result<UdpSocket> {
    bound_udp(addr, buffer, Sharing::Port)
}

/// The sharing of a socket's address with other sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    No,
    Port,
}

fn bound_udp(addr: SocketAddr, buffer: Option<usize>, sharing: Sharing) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None)?;
    if let Some(size) = buffer {
        set_buffers(&socket, size)?;
    }
    if sharing == Sharing::Port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Makes a UDP socket join received datagrams (GRO), and cut the bytes of one send into datagrams of `mtu` bytes (GSO).
/// Returns the most datagrams of one send.
#[cfg(target_os = "linux")]
pub(crate) fn offload(socket: &impl AsFd, mtu: u16) -> usize {
    // Without the option, every call receives one datagram.
    let _ = setsockopt(socket, sockopt::UdpGroSegment, &true);
    let segments = MOST_SEGMENTS.min(MAX_QUIC_MTU as usize / usize::from(mtu.max(1)));
    let can_cut = segments > 1 && setsockopt(socket, sockopt::UdpGsoSegment, &i32::from(mtu)).is_ok();
    if can_cut { segments } else { 1 }
}

/// The most datagrams of one send: UDP_MAX_SEGMENTS of linux/udp.h before Linux 6.9, which raised it.
#[cfg(target_os = "linux")]
const MOST_SEGMENTS: usize = 64;

/// Returns 1, since only Linux has the options: each call sends one datagram.
#[cfg(not(target_os = "linux"))]
pub(crate) fn offload(_: &impl AsFd, _: u16) -> usize {
    1
}

/// Sets the congestion controller; the connections of a listener inherit it. If the user lacks the permission, or the
/// kernel lacks the controller, the kernel's own choice stays in effect.
/// [`controller`](crate::capabilities::controller) reports it beforehand, and [`Link`](crate::Link) afterwards.
#[cfg(target_os = "linux")]
pub(crate) fn set_congestion(socket: &impl AsFd, congestion: Congestion) -> io::Result<()> {
    use io::ErrorKind::{NotFound, PermissionDenied};
    match SockRef::from(socket).set_tcp_congestion(congestion.tcp_name().as_bytes()) {
        Err(error) if matches!(error.kind(), NotFound | PermissionDenied) => Ok(()),
        other => other,
    }
}

/// Returns the congestion controller of a TCP socket; `None` if the system does not report it.
#[cfg(target_os = "linux")]
pub(crate) fn congestion_of(socket: &impl AsFd) -> Option<String> {
    let name = SockRef::from(socket).tcp_congestion().ok()?;
    Some(String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned())
}

/// Returns `None`, since only Linux has the option.
#[cfg(not(target_os = "linux"))]
pub(crate) fn congestion_of(_: &impl AsFd) -> Option<String> {
    None
}

/// Does nothing: only Linux has the option.
#[cfg(not(target_os = "linux"))]
fn set_congestion(_: &impl AsFd, _: Congestion) -> io::Result<()> {
    Ok(())
}

/// Sets both buffers to `size` bytes, past the system's ceiling if privileges allow it. The sizes in effect are in
/// [`Link`](crate::Link).
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use record::{LimitValue, Profile};
    use tokio::net::TcpStream;

    use super::*;

    /// Most kernels have no BBR unless its module was loaded, and let only root choose it.
    #[tokio::test]
    async fn a_controller_that_cannot_be_had_leaves_the_kernels_own() {
        let own = congestion_of(&TcpSocket::new_v4().unwrap()).unwrap();
        for congestion in [Congestion::Cubic, Congestion::NewReno, Congestion::Bbr] {
            let options = TcpOptions { buffer: None, congestion: Some(congestion), waits: false };
            let found = congestion_of(&options.socket(([127, 0, 0, 1], 0).into()).unwrap()).unwrap();
            assert!(
                [congestion.tcp_name(), &own].contains(&found.as_str()),
                "{found} instead of {congestion:?}"
            );
        }
    }

    #[tokio::test]
    async fn the_stock_profile_leaves_sockets_to_the_kernel() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let untouched = TcpStream::connect(addr).await.unwrap();
        let kernel = SockRef::from(&untouched).tcp_congestion().unwrap();
        let mut delayed = Limits::of(Profile::Stock);
        delayed.set(&NODELAY, LimitValue::Choice("off".into())).unwrap();
        let [balanced, stock] = [Profile::Balanced, Profile::Stock].map(Limits::of);
        for (limits, is_stock, nodelay) in
            [(balanced, false, true), (stock, true, true), (delayed, true, false)]
        {
            let options = TcpOptions::from_limits(&limits).unwrap();
            assert_eq!(options.buffer.is_none(), is_stock);
            let stream = dial(addr, &options).await.unwrap();
            let ask = |socket: std::os::fd::BorrowedFd<'_>| {
                let socket = SockRef::from(&socket);
                (socket.tcp_nodelay().unwrap(), socket.tcp_congestion().unwrap())
            };
            let (has_nodelay, congestion) = stream.socket().ask(ask).unwrap();
            assert_eq!(has_nodelay, nodelay);
            assert!(!is_stock || congestion == kernel);
        }
    }

    #[tokio::test]
    async fn connections_go_to_each_thread_in_turn_at_all_listeners_together() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let runtimes = [(); 3].map(|()| runtime());
        let spread = Spread::over(runtimes.iter().map(|runtime| runtime.handle().clone()).collect()).unwrap();
        let listen = || {
            let any = ([127, 0, 0, 1], 0).into();
            Acceptor::bind_tcp(any, &TcpOptions::default(), Some(spread.clone())).unwrap()
        };
        let listeners = [listen(), listen()];
        let mut threads = Vec::new();
        for connection in 0..7 {
            let listener = &listeners[connection % 2];
            let _client = TcpStream::connect(listener.local_addr()).await.unwrap();
            threads.extend(listener.accept().await.unwrap().thread);
        }
        assert_eq!(threads, [0, 1, 2, 0, 1, 2, 0]);
        runtimes.into_iter().for_each(tokio::runtime::Runtime::shutdown_background);
    }

    #[tokio::test]
    async fn an_accepted_connection_notices_a_client_that_has_vanished() {
        let options = TcpOptions::default();
        let acceptor = Acceptor::bind_tcp(([127, 0, 0, 1], 0).into(), &options, None).unwrap();
        let _client = TcpStream::connect(acceptor.local_addr()).await.unwrap();
        let accepted = acceptor.accept().await.unwrap();
        assert_eq!(accepted.thread, None);
        let socket = SockRef::from(&accepted.stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEP_ALIVE);
    }
}
