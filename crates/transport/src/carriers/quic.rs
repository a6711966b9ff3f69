//! QUIC: endpoints whose every window stands in the limits.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use quinn::{
    ClientConfig, Endpoint, EndpointConfig, MtuDiscoveryConfig, Runtime as _, ServerConfig, TokioRuntime,
    TransportConfig, VarInt, congestion,
    crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig},
};
use rustls::quic::Suite;

use crate::{
    Bind, Cipher, Congestion, DISCOVERED_QUIC_MTU, End, Error, Limits, Link, MAX_STREAMS, MIN_QUIC_MTU, Peer,
    QuicStats, Shape, Stats, Term,
    carriers::udp,
    session::Linked,
    socket::{self, Probe},
    trust::{suite, suite_name},
};

/// How long a silent peer is waited for: RFC 9308 section 3.2 advises against idle timeouts under 30 s.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a connection that waits for a slow end says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A receiver holds what its windows admit, in slices of whole receive batches; a sender the bookkeeping of
/// what is not acknowledged: the bytes are the payload's own.
pub(crate) fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
    let connections = shape.connections();
    // Each client's connection has an endpoint of its own.
    let receiving = |bytes| {
        Term::new(
            "QUIC receive buffer",
            bytes * connections,
            "4 messages of at most 64 KiB a socket (a datagram that GRO has joined has at most 65,535 bytes)",
        )
    };
    match end {
        End::Sender => {
            let window = limits.quic_send_window;
            let pieces = window.div_ceil(shape.chunk.min(limits.quic_mtu.unwrap_or(MIN_QUIC_MTU))) * PIECE;
            let mut terms = vec![
                Term::new(
                    "QUIC packets in flight",
                    pieces * connections,
                    "256 bytes for each piece of quic-send-window (quinn-proto's connection/spaces.rs and send_buffer.rs)",
                ),
                Term::new(
                    "QUIC transmit buffer",
                    2 * BATCH * connections,
                    "2 × 64 KiB a connection: up to 10 datagrams for one GSO send",
                ),
                Term::new(
                    "QUIC receive buffer",
                    udp::RECEIVED_AT_ONCE as u64 * ACKS * connections,
                    "4 messages of acknowledgements, two pages each, a socket",
                ),
            ];
            let unacknowledged = (window + shape.chunk) * connections;
            terms.extend(
                shape.held(
                    unacknowledged,
                    "quic-send-window and a chunk a connection, kept until acknowledged",
                ),
            );
            terms
        }
        End::Receiver => {
            let window = (limits.quic_window * u64::from(shape.streams)).min(limits.quic_connection_window);
            vec![
                Term::new(
                    "QUIC window",
                    window * connections,
                    "quic-window a stream, quic-connection-window a connection: what the peer may send that nobody has taken (RFC 9000 section 4)",
                ),
                Term::new(
                    "QUIC packet overhead",
                    5 * window / 4 * connections,
                    "1.25 windows: what unread data may take over its own size (packet heads, the rest of batches that a slice pins, an entry for each) before quinn-proto's connection/assembler.rs copies it together",
                ),
                receiving(udp::RECEIVED_AT_ONCE as u64 * BATCH),
            ]
        }
    }
}

/// The most that one system call sends or receives in one piece.
const BATCH: u64 = 64 << 10;

/// What a batch of acknowledgements touches of its part of the receive buffer.
const ACKS: u64 = 8 << 10;

/// Bookkeeping of a packet that is not acknowledged and of the frames in it.
const PIECE: u64 = 256;

/// An established connection, with the endpoint that drives it.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) connection: quinn::Connection,
    probe: Arc<Probe>,
    cipher: String,
    /// A client's own endpoint; a server's belongs to its listener.
    endpoint: Option<Endpoint>,
}

/// Opens a connection from an endpoint of its own.
pub(crate) async fn connect(peer: &Peer, limits: &Limits, alpn: &'static str) -> Result<Established, Error> {
    let tls = peer.trust.client_config(alpn, limits.cipher, peer.key_log.as_ref())?;
    let crypto = QuicClientConfig::with_initial(tls, initial_suite()?).map_err(Error::handshake)?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport(limits, MAX_STREAMS)?));

    let local: IpAddr =
        if peer.addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let bound = socket::udp(SocketAddr::new(local, 0), limits)
        .and_then(|socket| Ok((Arc::new(Probe::new(&socket)), endpoint(socket, None, limits)?)));
    let (probe, endpoint) = bound.map_err(|source| Error::Connect { addr: peer.addr, source })?;
    let connecting = endpoint.connect_with(config, peer.addr, &peer.name).map_err(Error::handshake)?;
    let connection = connecting.await.map_err(Error::handshake)?;
    let cipher = cipher_name(limits.cipher);
    let established = Established { connection, probe, cipher, endpoint: Some(endpoint) };
    established.assert_alpn(alpn)?;
    Ok(established)
}

/// A listening endpoint.
pub(crate) struct QuicListener {
    endpoint: Endpoint,
    addr: SocketAddr,
    probe: Arc<Probe>,
    alpn: &'static str,
    cipher: String,
    retry_from: usize,
}

/// Listens for connections.
pub(crate) fn listen(bind: &Bind, limits: &Limits, alpn: &'static str) -> Result<QuicListener, Error> {
    let tls = bind.identity()?.server_config(&[alpn], limits.cipher, bind.key_log.as_ref())?;
    let crypto = QuicServerConfig::with_initial(tls, initial_suite()?)
        .map_err(|error| Error::Identity(error.to_string()))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport(limits, bind.guards.streams)?));

    let bound = socket::udp(bind.addr, limits).and_then(|socket| {
        let (addr, probe) = (socket.local_addr()?, Probe::new(&socket));
        Ok((addr, Arc::new(probe), endpoint(socket, Some(config), limits)?))
    });
    let (addr, probe, endpoint) = bound.map_err(|source| Error::Listen { addr: bind.addr, source })?;
    let (cipher, retry_from) = (cipher_name(limits.cipher), bind.guards.retry_from);
    Ok(QuicListener { endpoint, addr, probe, alpn, cipher, retry_from })
}

impl QuicListener {
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits for a connection; what is returned makes its handshake.
    pub(crate) async fn accept(
        &self,
    ) -> Result<impl Future<Output = Result<Established, Error>> + Send + 'static, Error> {
        let closed = || std::io::Error::other("the endpoint was closed");
        let incoming = loop {
            let incoming = self.endpoint.accept().await;
            let incoming = incoming.ok_or_else(|| Error::Listen { addr: self.addr, source: closed() })?;
            let crowded = self.endpoint.open_connections() >= self.retry_from;
            if !crowded || incoming.remote_address_validated() {
                break incoming;
            }
            // An address that was validated cannot be asked again, and this one was not.
            let _ = incoming.retry();
        };
        let (probe, cipher, alpn) = (self.probe.clone(), self.cipher.clone(), self.alpn);
        Ok(async move {
            let connection = incoming.await.map_err(Error::handshake)?;
            let established = Established { connection, probe, cipher, endpoint: None };
            established.assert_alpn(alpn)?;
            Ok(established)
        })
    }
}

impl Established {
    fn alpn(&self) -> Option<String> {
        let data = self.connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
        data.protocol.map(|name| String::from_utf8_lossy(&name).into_owned())
    }

    /// Tells the peer that the connection is over, and sees to it that it hears.
    pub(crate) async fn close(&self, code: u32) {
        self.connection.close(code.into(), b"");
        if let Some(endpoint) = &self.endpoint {
            endpoint.wait_idle().await;
        }
    }

    fn assert_alpn(&self, expected: &str) -> Result<(), Error> {
        let agreed = self.alpn();
        if agreed.as_deref() == Some(expected) {
            return Ok(());
        }
        let agreed = agreed.as_deref().unwrap_or("none");
        Err(Error::Handshake(format!("the application protocol is {agreed}, not {expected}")))
    }
}

impl Linked for Established {
    fn link(&self) -> Link {
        let stats = self.connection.stats();
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Link {
            alpn: self.alpn(),
            cipher: Some(self.cipher.clone()),
            mtu: Some(stats.path.current_mtu.into()),
            stats: Some(Stats::Quic(QuicStats {
                datagrams_sent: stats.udp_tx.datagrams,
                datagrams_received: stats.udp_rx.datagrams,
                bytes_sent: stats.udp_tx.bytes,
                bytes_received: stats.udp_rx.bytes,
                sends: stats.udp_tx.ios,
                receives: stats.udp_rx.ios,
                lost_packets: stats.path.lost_packets,
                congestion_events: stats.path.congestion_events,
                mtu: stats.path.current_mtu.into(),
                rtt_us: micros(stats.path.rtt),
                cwnd: stats.path.cwnd,
            })),
            ..self.probe.socket()
        }
    }
}

fn endpoint(socket: UdpSocket, server: Option<ServerConfig>, limits: &Limits) -> std::io::Result<Endpoint> {
    let mtu = limits.quic_mtu.unwrap_or(DISCOVERED_QUIC_MTU);
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(datagram(mtu)).map_err(std::io::Error::other)?;
    let runtime = Arc::new(TokioRuntime);
    let socket = udp::Socket::new(runtime.wrap_udp_socket(socket)?, mtu);
    Endpoint::new_with_abstract_socket(config, server, socket, runtime)
}

/// A controller's configuration with an initial window; the three have no trait in common.
macro_rules! with {
    ($config:ty, $window:expr) => {{
        let mut config = <$config>::default();
        config.initial_window($window);
        config
    }};
}

fn transport(limits: &Limits, streams: u32) -> Result<TransportConfig, Error> {
    let window = |bytes: u64| VarInt::from_u64(bytes).map_err(Error::handshake);
    let mut config = TransportConfig::default();
    config
        .stream_receive_window(window(limits.quic_window)?)
        .receive_window(window(limits.quic_connection_window)?)
        .send_window(limits.quic_send_window)
        .max_concurrent_bidi_streams(streams.into())
        .max_idle_timeout(Some(IDLE_TIMEOUT.try_into().map_err(Error::handshake)?))
        .keep_alive_interval(Some(KEEP_ALIVE));
    // Both ends start at the size that was asked for, or else at what every path carries and look for more;
    // quinn falls back to the latter where it is lost.
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(datagram(limits.quic_mtu.unwrap_or(DISCOVERED_QUIC_MTU)));
    config
        .initial_mtu(datagram(limits.quic_mtu.unwrap_or(MIN_QUIC_MTU)))
        .min_mtu(datagram(MIN_QUIC_MTU))
        .mtu_discovery_config(Some(discovery));
    let window = initial_window(limits.quic_mtu.unwrap_or(MIN_QUIC_MTU));
    let controller: Arc<dyn congestion::ControllerFactory + Send + Sync> =
        match limits.congestion.unwrap_or(Congestion::Cubic) {
            Congestion::Cubic => Arc::new(with!(congestion::CubicConfig, window)),
            Congestion::NewReno => Arc::new(with!(congestion::NewRenoConfig, window)),
            Congestion::Bbr => Arc::new(with!(congestion::BbrConfig, window)),
        };
    config.congestion_controller_factory(controller);
    Ok(config)
}

/// RFC 9002 section 7.2. quinn's own is for datagrams of 1200 bytes: with larger ones than 12 KB it would not
/// let a handshake through.
fn initial_window(mtu: u64) -> u64 {
    14_720.max(2 * mtu).min(10 * mtu)
}

fn datagram(bytes: u64) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

/// Initial packets are always protected with AES-128-GCM (RFC 9001 section 5.2), whatever comes after.
fn initial_suite() -> Result<Suite, Error> {
    suite(Cipher::Aes128)
        .tls13()
        .and_then(|suite| suite.quic_suite())
        .ok_or_else(|| Error::Handshake("aws-lc-rs lacks QUIC's initial cipher".into()))
}

/// Only one suite is offered and accepted, so it is the one in effect; quinn does not tell.
fn cipher_name(cipher: Cipher) -> String {
    suite_name(suite(cipher).suite())
}
