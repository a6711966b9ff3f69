//! quinn's configuration from limits.

use std::{io, net::UdpSocket, sync::Arc, time::Duration};

use quinn::{
    Endpoint, EndpointConfig, MtuDiscoveryConfig, Runtime as _, ServerConfig, TokioRuntime, TransportConfig,
    VarInt, congestion,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use record::{
    DISCOVERED_QUIC_MTU, Limits, MIN_QUIC_MTU, QUIC_CONNECTION_WINDOW, QUIC_ENDPOINT, QUIC_MTU,
    QUIC_SEND_WINDOW, QUIC_WINDOW, UDP_BUFFER,
};
use rustls::quic::Suite;

use super::{
    agreed, closing::ClosableFactory, connection_ids::ThreadIds, mailboxes::Post, receives::Receives, udp,
};
use crate::{
    Error, FramingObserver, Guards,
    cipher::{Cipher, Ciphers},
    congestion::Congestion,
    resumption::takes_early_data,
    settings::{FromLimits, bytes, bytes_unless_auto, choice},
    window_budget::FIRST_WINDOW,
};

/// The idle timeout, which ends a connection whose peer has vanished. RFC 9308 section 3.2 advises against less than 30
/// s. It is longer than the default timeouts of transfers, which end first because they know whether bytes could move.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// The interval of keep-alives, so that a connection outlives a pause of either end.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The unidirectional streams that a peer may have open: a control stream, two of QPACK, and some of reserved types
/// (RFC 9114 section 6.2).
const UNIDIRECTIONAL: u32 = 3 + 5;

/// The UDP payload that every path carries, and that path MTU discovery starts from.
const LEAST_MTU: u16 = MIN_QUIC_MTU as u16;

/// The largest UDP payload that path MTU discovery tries.
const DISCOVERED_MTU: u16 = DISCOVERED_QUIC_MTU as u16;

/// The limits of a QUIC endpoint and its connections, as quinn takes them.
pub(super) struct Settings {
    pub(super) ciphers: Ciphers,
    /// The send and receive buffer of the UDP socket, in bytes; `None` leaves them to the kernel.
    pub(super) udp_buffer: Option<usize>,
    window: u32,
    pub(super) connection_window: u32,
    pub(super) send_window: u64,
    /// The largest UDP payload; `None` leaves it to path MTU discovery (RFC 8899).
    mtu: Option<u16>,
    /// The congestion controller; `None` leaves the choice to quinn.
    congestion: Option<Congestion>,
    origin: Origin,
}

/// The origin of the settings that are not windows: longhaul's own values, or the defaults of quinn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Longhaul,
    Quinn,
}

impl FromLimits for Settings {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Ok(Self {
            ciphers: Ciphers::from_limits(limits)?,
            udp_buffer: bytes_unless_auto(limits, &UDP_BUFFER)?,
            window: bytes(limits, &QUIC_WINDOW)?,
            connection_window: bytes(limits, &QUIC_CONNECTION_WINDOW)?,
            send_window: bytes(limits, &QUIC_SEND_WINDOW)?,
            mtu: bytes_unless_auto(limits, &QUIC_MTU)?,
            congestion: Congestion::from_limits(limits)?,
            origin: choice(limits, &QUIC_ENDPOINT, &[("on", Origin::Longhaul), ("off", Origin::Quinn)])?,
        })
    }
}

/// A controller's configuration with an initial window; the three types have no trait in common.
macro_rules! with_initial_window {
    ($config:ty, $window:expr) => {{
        let mut config = <$config>::default();
        config.initial_window($window);
        config
    }};
}

impl Settings {
    /// Returns the configuration of connections on which the peer may open `streams` at once.
    ///
    /// # Errors
    /// Fails if quinn refuses the idle timeout.
    pub(super) fn transport(&self, streams: u32) -> Result<TransportConfig, Error> {
        let mut config = TransportConfig::default();
        config
            .stream_receive_window(VarInt::from_u32(self.window))
            .receive_window(VarInt::from_u32(self.connection_window))
            .send_window(self.send_window);
        let (mut mtu, mut controller) = (self.mtu, self.congestion);
        if self.origin == Origin::Longhaul {
            set_bounds(&mut config, streams)?;
            // Both ends start at the requested datagram size. Without a request they start at the size that every path
            // carries, and discover a larger size. quinn falls back to the smallest size if large datagrams are lost.
            (mtu, controller) = (mtu.or(Some(LEAST_MTU)), controller.or(Some(Congestion::Cubic)));
        }
        if let Some(initial) = mtu {
            let mut discovery = MtuDiscoveryConfig::default();
            discovery.upper_bound(self.largest_mtu());
            config.initial_mtu(initial).min_mtu(LEAST_MTU).mtu_discovery_config(Some(discovery));
        }
        if let Some(controller) = controller {
            set_controller(&mut config, controller, initial_window(mtu.unwrap_or(LEAST_MTU).into()));
        }
        Ok(config)
    }

    /// Returns the configuration of connections of unknown clients, whose windows start at `first` bytes and grow from
    /// budgets.
    ///
    /// # Errors
    /// Fails if quinn refuses the idle timeout.
    pub(super) fn strangers(&self, guards: &Guards, first: u32) -> Result<TransportConfig, Error> {
        let mut config = self.transport(guards.streams)?;
        if guards.receive_budget.is_some() {
            config.receive_window(first.into());
        }
        if guards.send_budget.is_some() {
            config.send_window(self.send_window.min(FIRST_WINDOW.into()));
        }
        Ok(config)
    }

    /// Returns an endpoint on a bound socket, and the count of its receive calls. It accepts connections if `server` is
    /// given. It counts received datagrams if `framing` is given. It shares its port with other endpoints if `post` is
    /// given.
    ///
    /// # Errors
    /// Fails if the socket cannot be used by the runtime.
    pub(super) fn endpoint(
        &self,
        socket: UdpSocket,
        server: Option<ServerConfig>,
        framing: Option<&FramingObserver>,
        post: Option<Post>,
    ) -> io::Result<(Endpoint, Receives)> {
        let mut config = EndpointConfig::default();
        if let Some((thread, threads)) = post.as_ref().map(Post::place) {
            config.cid_generator(move || Box::new(ThreadIds::new(thread, threads)));
        }
        let runtime = Arc::new(TokioRuntime);
        let socket = runtime.wrap_udp_socket(socket)?;
        let socket = if (self.origin, self.mtu) == (Origin::Quinn, None) {
            udp::Socket::unbounded(socket)
        } else {
            config.max_udp_payload_size(self.largest_mtu()).map_err(io::Error::other)?;
            udp::Socket::bounded(socket, self.largest_mtu())
        };
        let socket = socket.counting(framing.map(|framing| &framing.datagrams)).exchanging(post);
        let receives = socket.receives();
        Ok((Endpoint::new_with_abstract_socket(config, server, Arc::new(socket), runtime)?, receives))
    }

    /// Returns the largest UDP payload that is ever sent or accepted, in bytes.
    fn largest_mtu(&self) -> u16 {
        self.mtu.unwrap_or(DISCOVERED_MTU)
    }
}

/// Sets the timeouts, and the bounds on what the peer may open.
///
/// # Errors
/// Fails if quinn refuses the idle timeout.
fn set_bounds(config: &mut TransportConfig, streams: u32) -> Result<(), Error> {
    config
        .max_concurrent_bidi_streams(streams.into())
        .max_concurrent_uni_streams(UNIDIRECTIONAL.into())
        // Nobody reads datagrams (RFC 9221), so none are announced.
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IDLE_TIMEOUT.try_into().map_err(Error::handshake)?))
        .keep_alive_interval(Some(KEEP_ALIVE));
    Ok(())
}

fn set_controller(config: &mut TransportConfig, controller: Congestion, window: u64) {
    let controller: Arc<dyn congestion::ControllerFactory + Send + Sync> = match controller {
        Congestion::Cubic => Arc::new(with_initial_window!(congestion::CubicConfig, window)),
        Congestion::NewReno => Arc::new(with_initial_window!(congestion::NewRenoConfig, window)),
        Congestion::Bbr => Arc::new(with_initial_window!(congestion::BbrConfig, window)),
    };
    config.congestion_controller_factory(Arc::new(ClosableFactory(controller)));
}

/// Returns the initial congestion window of RFC 9002 section 7.2, in bytes. quinn's default is made for datagrams of
/// 1200 bytes: with datagrams over 12 KB, no handshake fits in that window.
fn initial_window(mtu: u64) -> u64 {
    14_720.max(2 * mtu).min(10 * mtu)
}

/// Returns a client's TLS configuration in the form for QUIC.
///
/// # Errors
/// Fails if aws-lc-rs lacks the initial cipher.
pub(super) fn client_crypto(tls: Arc<rustls::ClientConfig>) -> Result<Arc<agreed::Client>, Error> {
    let crypto = QuicClientConfig::with_initial(tls, initial_suite()?).map_err(Error::handshake)?;
    Ok(Arc::new(agreed::Client(Arc::new(crypto))))
}

/// Returns a server's TLS configuration in the form for QUIC.
///
/// # Errors
/// Fails if aws-lc-rs lacks the initial cipher.
pub(super) fn server_crypto(mut tls: Arc<rustls::ServerConfig>) -> Result<Arc<agreed::Server>, Error> {
    if takes_early_data(&tls) {
        // QUIC permits only this value (RFC 9001 section 4.6.1). Its windows bound early data instead.
        Arc::make_mut(&mut tls).max_early_data_size = u32::MAX;
    }
    let crypto = QuicServerConfig::with_initial(tls, initial_suite()?).map_err(Error::identity)?;
    Ok(Arc::new(agreed::Server(Arc::new(crypto))))
}

/// Returns a server's TLS configuration with the same sessions, which accepts no early data.
pub(super) fn without_early_data(mut tls: Arc<rustls::ServerConfig>) -> Arc<rustls::ServerConfig> {
    Arc::make_mut(&mut tls).max_early_data_size = 0;
    tls
}

/// Returns the suite of initial packets: AES-128-GCM (RFC 9001 section 5.2), regardless of the cipher that follows.
fn initial_suite() -> Result<Suite, Error> {
    Cipher::Aes128
        .suite()
        .tls13()
        .and_then(|suite| suite.quic_suite())
        .ok_or_else(|| Error::handshake("aws-lc-rs lacks the initial cipher of QUIC"))
}
