//! The ports of a server, and the certificate that it presents there.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use record::Limits;
use transport::{Bind, Error, Identity, Listener, Resumption};

use crate::Options;

/// The number of attempts to find a port that is free for both TCP and UDP.
const ATTEMPTS: u32 = 16;

/// The port for cleartext of a server whose options name no address.
///
/// IANA has assigned neither this port nor [`DEFAULT_TLS_PORT`], for TCP or for UDP. Nearby, it has assigned 8423 and 8432 for
/// TCP, and 8433 for UDP (Service Name and Transport Protocol Port Number Registry, as Wireshark's `epan/services-data.c` has
/// it).
pub const DEFAULT_PORT: u16 = 8430;

/// The port for TLS and QUIC of a server whose options name no address.
pub const DEFAULT_TLS_PORT: u16 = 8434;

/// The lifetime of an alternative service in seconds (`ma`, RFC 7838 section 3.1): one hour.
const ALT_SVC_MAX_AGE: u32 = 3600;

/// The bound ports.
pub(crate) struct Listeners {
    /// The ports, one for each bound socket.
    pub(crate) all: Vec<Port>,
    /// The address for cleartext, if there is one.
    pub(crate) cleartext: Option<SocketAddr>,
    /// The port for TLS and QUIC, if there is one.
    pub(crate) tls: Option<SecuredPort>,
}

/// One bound socket.
pub(crate) struct Port {
    /// The acceptor of its connections.
    pub(crate) listener: Box<dyn Listener>,
    /// The sockets of the port's connections.
    pub(crate) sockets: Sockets,
}

/// The sockets of a port's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sockets {
    /// TCP: each connection has its own socket.
    PerConnection,
    /// UDP: all connections share the socket of their port.
    Shared,
}

/// The port for TLS and QUIC.
pub(crate) struct SecuredPort {
    /// The address on both TCP and UDP.
    pub(crate) addr: SocketAddr,
    /// The certificate that the port presents.
    pub(crate) identity: Identity,
}

impl SecuredPort {
    /// Returns the Alt-Svc header that points clients of TCP to HTTP/3 (RFC 7838).
    pub(crate) fn alt_svc(&self) -> String {
        format!("h3=\":{}\"; ma={ALT_SVC_MAX_AGE}", self.addr.port())
    }
}

impl Listeners {
    /// Binds the ports that the options name. If they name none, binds the default ports of the loopback address, or
    /// free ones in place of those in use.
    ///
    /// # Errors
    /// Fails if a port cannot be bound, or a limit or the certificate cannot be used.
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        let named =
            [options.listen, options.listen_tls].map(|addr| addr.map(|addr| Wanted { addr, or_free: false }));
        let [cleartext, tls] = match named {
            [None, None] if options.listen_unix.is_none() => [DEFAULT_PORT, DEFAULT_TLS_PORT]
                .map(|port| Some(Wanted { addr: SocketAddr::new(loopback(), port), or_free: true })),
            named => named,
        };
        let mut listeners = Self { all: Vec::new(), cleartext: None, tls: None };
        if let Some(wanted) = cleartext {
            let listener =
                wanted.open(|addr| transport::listen_cleartext(&bind(addr, options), &options.limits))?;
            listeners.cleartext = Some(listener.local_addr());
            listeners.all.push(Port { listener, sockets: Sockets::PerConnection });
        }
        if let Some(path) = &options.listen_unix {
            let bind = bind(SocketAddr::new(loopback(), 0), options).with_unix_socket(path.clone());
            let listener = transport::listen_cleartext(&bind, &options.limits)?;
            listeners.all.push(Port { listener, sockets: Sockets::PerConnection });
        }
        if let Some(wanted) = tls {
            let identity = options.identity.clone().map_or_else(|| self_signed(wanted.addr), Ok)?;
            let [tcp, udp] = wanted.open(|addr| {
                let bind = bind(addr, options)
                    .with_identity(identity.clone())
                    .with_clients(options.clients.clone())
                    .with_resumption(resumption(options));
                listen_paired(bind, &options.limits)
            })?;
            listeners.tls = Some(SecuredPort { addr: tcp.local_addr(), identity });
            listeners.all.push(Port { listener: tcp, sockets: Sockets::PerConnection });
            listeners.all.push(Port { listener: udp, sockets: Sockets::Shared });
        }
        Ok(listeners)
    }
}

/// An address to listen on.
#[derive(Clone, Copy)]
struct Wanted {
    addr: SocketAddr,
    /// True if a free port may take the place of one in use.
    or_free: bool,
}

impl Wanted {
    /// Calls `listen` with the address. If the port is in use, and a free port may take its place, calls `listen` again
    /// with port 0.
    fn open<T>(self, listen: impl Fn(SocketAddr) -> Result<T, Error>) -> Result<T, Error> {
        match listen(self.addr) {
            Err(Error::Listen { source, .. })
                if self.or_free && source.kind() == io::ErrorKind::AddrInUse =>
            {
                listen(SocketAddr::new(self.addr.ip(), 0))
            }
            outcome => outcome,
        }
    }
}

/// Returns the loopback address of IPv4, or that of IPv6 if the machine has no IPv4.
pub(crate) fn loopback() -> IpAddr {
    let has_ipv4 = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).is_ok();
    if has_ipv4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

fn bind(addr: SocketAddr, options: &Options) -> Bind {
    Bind::new(addr)
        .with_guards(options.guards.clone())
        .with_oldest_tls(options.oldest_tls)
        .with_key_log(options.key_log.clone())
        .with_spread(options.spread.clone())
}

/// Returns the permission to resume sessions. A client that must present a certificate presents it on each connection:
/// a session would outlive the certificate, and take the memory of its whole chain.
fn resumption(options: &Options) -> Resumption {
    match options.clients {
        Some(_) => Resumption::Never,
        None if options.accepts_early_data => Resumption::EarlyData,
        None => Resumption::Allowed,
    }
}

/// Returns a certificate for localhost, the loopback addresses, and `addr` unless it is a wildcard.
fn self_signed(addr: SocketAddr) -> Result<Identity, Error> {
    let own = (!addr.ip().is_unspecified()).then(|| addr.ip().to_string());
    let mut names = vec!["localhost", "127.0.0.1", "::1"];
    names.extend(own.as_deref().filter(|own| !["127.0.0.1", "::1"].contains(own)));
    Identity::self_signed(&names)
}

/// Listens with TLS on TCP and with QUIC on UDP, under one port number. If a free TCP port is in use on UDP, another
/// port is tried.
fn listen_paired(mut bind: Bind, limits: &Limits) -> Result<[Box<dyn Listener>; 2], Error> {
    let requested = bind.addr;
    let mut attempt = 1;
    loop {
        bind.addr = requested;
        let tcp = transport::listen_secured(&bind, limits)?;
        bind.addr = tcp.local_addr();
        match transport::listen_quic(&bind, limits) {
            Ok(udp) => return Ok([tcp, udp]),
            Err(_) if requested.port() == 0 && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}
