//! A server: its bound ports, and the content that they serve.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use record::Limits;
use tokio::{pin, sync::watch, time::timeout};
use tracing::debug;
use transport::Spread;

use crate::{
    Options, ServeError, Traffic, accept,
    connection::{ConnectionHandler, Timeouts},
    content::Content,
    listeners::{Listeners, loopback},
    measuring::Measuring,
    metrics_port::MetricsPort,
    patience::Patience,
    places::Places,
    requests::RequestPlaces,
};

/// The time limit for the handshake of a rehearsal, which takes a few milliseconds.
const REHEARSAL: Duration = Duration::from_secs(2);

/// A server whose ports are bound. Clients can connect from then on, and are answered while it [runs](Self::run).
pub struct Server {
    listeners: Listeners,
    metrics: Option<MetricsPort>,
    limits: Limits,
    content: Arc<Content>,
    timeouts: Timeouts,
    max_connections: u32,
    max_connections_per_address: u32,
    max_requests: u32,
    spread: Option<Spread>,
}

impl Server {
    /// Binds the ports and opens the folder for uploads. Must be called within a tokio runtime with I/O and time
    /// enabled.
    ///
    /// # Errors
    /// Fails if a port cannot be bound, the folder cannot be used, a limit or the certificate cannot be used, or the
    /// smallest chunk exceeds the largest. Also fails if other machines can reach an address, unless the options name a
    /// token or allow an open server. A server that measures needs TLS, and a token unless it is open and listens on
    /// loopback only.
    pub fn bind(options: Options) -> Result<Self, ServeError> {
        protected(&options)?;
        let (min, max) = (options.min_chunk, options.max_chunk);
        if min > max {
            return Err(ServeError::ChunkBounds { min, max });
        }
        let listeners = Listeners::open(&options)?;
        let address = listeners.tls.as_ref().map(|tls| tls.addr.ip());
        let measuring =
            options.measuring.clone().zip(address).map(|(host, address)| Measuring::new(host, address));
        let content = Arc::new(Content::new(&options)?.measuring(measuring));
        let metrics =
            options.listen_metrics.map(|addr| MetricsPort::open(addr, &options, content.exporter(&options)));
        Ok(Self {
            content,
            listeners,
            metrics: metrics.transpose()?,
            limits: options.limits,
            timeouts: Timeouts {
                handshake: options.handshake_timeout,
                patience: Patience { idle: options.idle_timeout, min_rate: options.min_rate },
            },
            max_connections: options.max_connections,
            max_connections_per_address: options.max_connections_per_address,
            max_requests: options.max_requests,
            spread: options.spread,
        })
    }

    /// Returns the address for cleartext, with the port in effect. `None` without a port for cleartext.
    pub fn cleartext_addr(&self) -> Option<SocketAddr> {
        self.listeners.cleartext
    }

    /// Returns the address for TLS (on TCP) and QUIC (on UDP), with the port in effect. `None` without TLS.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.listeners.tls.as_ref().map(|tls| tls.addr)
    }

    /// Returns the address of the figures for Prometheus, with the port in effect. `None` without them.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsPort::local_addr)
    }

    /// Returns the SHA-256 of the certificate's DER, for clients to pin. `None` without TLS.
    pub fn fingerprint(&self) -> Option<[u8; 32]> {
        self.listeners.tls.as_ref().map(|tls| tls.identity.fingerprint())
    }

    /// Returns the certificate chain in PEM, for clients to trust. `None` without TLS.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.listeners.tls.as_ref().map(|tls| tls.identity.certificate_pem())
    }

    /// Returns a reader of this server's counters.
    pub fn traffic(&self) -> Traffic {
        self.content.traffic()
    }

    /// Completes a QUIC handshake with the server itself over loopback. The first handshake of a process allocates
    /// memory that is never freed. With a rehearsal, this happens before clients connect. A failure is ignored.
    pub async fn rehearse(&self) {
        let Some(tls) = &self.listeners.tls else { return };
        let handshake = transport::rehearse_quic(&tls.identity, loopback(), &self.limits);
        match timeout(REHEARSAL, handshake).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!("no rehearsal: {error}"),
            Err(_) => debug!("no rehearsal: the handshake took too long"),
        }
    }

    /// Serves until `stop` resolves. Then the ports of TCP are released at once, clients are told to end their
    /// connections (GOAWAY, `Connection: close`), and running transfers may take `grace` to end. After that, they are
    /// cut off. The port of QUIC is released with its last connection.
    ///
    /// Dropping the future cuts off all connections at once. Threads that wait for the disk of a saved body outlive the
    /// future.
    pub async fn run(self, stop: impl Future<Output = ()>, grace: Duration) {
        let (stopping, stops) = watch::channel(false);
        let content = self.content.clone();
        let alt_svc = self.listeners.tls.as_ref().map(|tls| Arc::from(tls.alt_svc()));
        let handler = ConnectionHandler {
            content: self.content,
            timeouts: self.timeouts,
            requests: RequestPlaces::new(self.max_requests),
            alt_svc,
            stopping: stops,
        };
        let ports = self.listeners.all;
        let places = Places::of_ports(ports.len(), self.max_connections, self.max_connections_per_address);
        let spread = self.spread;
        let serve = |(port, places)| accept::serve(port, handler.clone(), places, spread.clone(), grace);
        let serving = join_all(ports.into_iter().zip(places).map(serve));
        pin!(serving);
        let metrics = async {
            match self.metrics {
                Some(port) => port.serve().await,
                None => std::future::pending().await,
            }
        };
        let serving = async {
            tokio::select! {
                _ = &mut serving => return,
                () = stop => {}
            }
            stopping.send_replace(true);
            serving.await;
        };
        tokio::select! {
            () = serving => {}
            () = content.expire() => {}
            () = metrics => {}
        }
        content.close().await;
    }
}

/// Refuses addresses beyond loopback without a token, unless the options allow an open server. Also refuses to measure
/// without TLS, or for anybody.
fn protected(options: &Options) -> Result<(), ServeError> {
    let access = &options.access;
    let beyond = |addr: &SocketAddr| !addr.ip().to_canonical().is_loopback();
    let addrs = [options.listen, options.listen_tls, options.listen_metrics];
    let unprotected = addrs.into_iter().flatten().find(beyond);
    if options.measuring.is_some() {
        let has_tls =
            options.listen_tls.is_some() || (options.listen.is_none() && options.listen_unix.is_none());
        if !has_tls {
            return Err(ServeError::MeasuringInCleartext);
        }
        if access.token.is_none() && (unprotected.is_some() || !access.open) {
            return Err(ServeError::MeasuringForAnybody);
        }
    }
    match unprotected {
        Some(addr) if access.token.is_none() && !access.open => Err(ServeError::Unprotected { addr }),
        _ => Ok(()),
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("cleartext_addr", &self.cleartext_addr())
            .field("tls_addr", &self.tls_addr())
            .finish_non_exhaustive()
    }
}
