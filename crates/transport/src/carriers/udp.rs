//! Bare datagrams over UDP, as large as those of QUIC: the upper bound for any QUIC library. Heads go over a TCP stream
//! beside the datagrams.
//!
//! There is no encryption and no retransmission. A window keeps the receiver's buffer from overflowing, which is the
//! only way in which loopback loses datagrams. A body that has lost a datagram never ends, and the idle timeout of its
//! run reports the loss.

use std::{io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use record::{DISCOVERED_QUIC_MTU, End, Limits, QUIC_MTU, Term, UDP_BUFFER};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UdpSocket,
};

use super::Carries;
use crate::{
    Accepted, Bind, Connection, Error, Link, Listener, Peer, Session, Shape,
    engines::datagrams::{self, Datagrams},
    footprint::Footprint,
    probe::Probe,
    settings::{FromLimits, bytes_unless_auto},
    socket::{self, Acceptor, Arrival, TcpOptions, dial},
    tcp_stream::SharedStream,
};

/// The most bytes in flight to a receiver: few enough to stay in its processor cache.
const WINDOW: u64 = 512 << 10;

/// The divisor of a receive buffer: at most a quarter of the buffer may be in flight. The kernel accounts a datagram of
/// 1,452 bytes as 2,304 if it is not joined with others, and may hold a quarter of a buffer back (udp_rmem_release in
/// its net/ipv4/udp.c).
const SHARE: u64 = 4;

/// The carrier of the `quic-ceiling` row.
pub(crate) struct Udp;

impl Footprint for Udp {
    /// Returns no term: the kernel owns the buffers of a socket.
    fn footprint(_: &Limits, _: End, _: Shape) -> Vec<Term> {
        Vec::new()
    }
}

/// The limits of the sockets.
#[derive(Clone, Copy)]
struct Settings {
    /// The send and receive buffer of the UDP socket, in bytes; `None` leaves them to the kernel.
    buffer: Option<usize>,
    /// The payload of a datagram, in bytes.
    mtu: u16,
}

impl FromLimits for Settings {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        let mtu: Option<u16> = bytes_unless_auto(limits, &QUIC_MTU)?;
        Ok(Self {
            buffer: bytes_unless_auto(limits, &UDP_BUFFER)?,
            mtu: mtu.unwrap_or(u16::try_from(DISCOVERED_QUIC_MTU).unwrap_or(u16::MAX)),
        })
    }
}

#[async_trait]
impl Carries<Datagrams> for Udp {
    async fn connect(peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        let settings = Settings::from_limits(limits)?;
        let control = dial(peer.addr, &TcpOptions::default()).await?;
        let channel = Channel::open(control, peer.addr, settings).await.map_err(Error::handshake)?;
        Ok(Box::new(datagrams::link(channel)))
    }

    fn listen(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        let settings = Settings::from_limits(limits)?;
        let acceptor = Acceptor::bind_tcp(bind.addr, &TcpOptions::default(), bind.spread.clone())?;
        Ok(Box::new(UdpListener { acceptor, settings }))
    }
}

struct UdpListener {
    acceptor: Acceptor,
    settings: Settings,
}

#[async_trait]
impl Listener for UdpListener {
    fn local_addr(&self) -> SocketAddr {
        self.acceptor.local_addr()
    }

    async fn accept(&self) -> Result<Accepted, Error> {
        let Arrival { stream, peer, thread } = self.acceptor.accept().await?;
        let settings = self.settings;
        let handshake = Box::pin(async move {
            stream.set_nodelay(true).map_err(Error::handshake)?;
            let channel = Channel::open(SharedStream::new(stream), peer, settings).await;
            let session: Box<dyn Session> = Box::new(datagrams::link(channel.map_err(Error::handshake)?));
            Ok(session)
        });
        Ok(Accepted::new(peer, handshake).on_thread(thread))
    }
}

/// A stream of TCP for heads, and a UDP socket for bodies, between two ends.
pub(crate) struct Channel {
    pub(crate) control: SharedStream,
    pub(crate) socket: Arc<Socket>,
}

/// A UDP socket that is connected to that of the peer.
pub(crate) struct Socket {
    pub(crate) udp: UdpSocket,
    probe: Probe,
    /// The payload of a datagram, in bytes.
    pub(crate) mtu: usize,
    /// The bytes of one send: whole datagrams.
    pub(crate) batch: usize,
    /// The bytes that may be in flight to the peer.
    pub(crate) window: u64,
    /// The number of received bytes after which this end reports its count to the peer.
    pub(crate) report_after: u64,
}

impl Channel {
    /// Tells the peer the port and the window of this end, and connects the sockets.
    async fn open(mut control: SharedStream, peer: SocketAddr, settings: Settings) -> io::Result<Self> {
        let own = control.socket().ask(|socket| SockRef::from(&socket).local_addr());
        let own = own.transpose()?.and_then(|addr| addr.as_socket());
        let mut addr = own.ok_or(io::ErrorKind::NotConnected)?;
        addr.set_port(0);
        let socket = socket::udp(addr, settings.buffer)?;
        socket.set_nonblocking(true)?;
        let buffer = SockRef::from(&socket).recv_buffer_size()? as u64;
        let window = (buffer / SHARE).min(WINDOW);
        control.write_u16(socket.local_addr()?.port()).await?;
        control.write_u64(window).await?;
        control.flush().await?;

        let mut peer = peer;
        peer.set_port(control.read_u16().await?);
        let theirs = control.read_u64().await?;
        socket.connect(peer)?;
        let segments = socket::offload(&socket, settings.mtu);
        let mtu = usize::from(settings.mtu).max(1);
        let most = segments.min(usize::try_from(theirs).unwrap_or(usize::MAX) / mtu / 2).max(1);
        let probe = Probe::of_endpoint(&socket);
        let udp = UdpSocket::from_std(socket)?;
        let report_after = window / 4;
        let socket = Socket { udp, probe, mtu, batch: most * mtu, window: theirs, report_after };
        Ok(Self { control, socket: Arc::new(socket) })
    }
}

impl Socket {
    /// Returns the state of the socket.
    pub(crate) fn link(&self) -> Link {
        Link { mtu: Some(self.mtu as u64), ..self.probe.link() }
    }
}
