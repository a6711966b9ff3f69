//! The endpoint of a client, and the connections that it opens to one server.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use quinn::{ClientConfig, Connecting, Endpoint};
use record::{Limits, MAX_STREAMS};

use super::{
    Established, QuicEngine, connection_ids, dial,
    receives::Receives,
    settings::{self, Settings},
};
use crate::{
    Connection, Error, FramingObserver, Peer, TlsVersion, probe::Probe, settings::FromLimits as _, socket,
};

/// The endpoint of a client for connections to one server.
pub(super) struct Dialler<E> {
    pub(super) engine: E,
    config: ClientConfig,
    endpoint: Endpoint,
    probe: Arc<Probe>,
    receives: Receives,
    framing: Option<FramingObserver>,
    addr: SocketAddr,
    name: String,
}

impl<E: QuicEngine> Dialler<E> {
    /// Binds the endpoint.
    ///
    /// # Errors
    /// Fails if a limit, the trust or the certificate cannot be used, or no port can be bound.
    pub(super) fn new(peer: &Peer, limits: &Limits) -> Result<Self, Error> {
        let engine = E::from_limits(limits)?;
        let settings = Settings::from_limits(limits)?;
        let tls = peer.tls_config(&[E::ALPN], settings.ciphers, TlsVersion::Tls13)?;
        let mut config = ClientConfig::new(settings::client_crypto(tls)?);
        config.transport_config(Arc::new(settings.transport(MAX_STREAMS)?));
        if let Some(ordinal) = peer.ordinal {
            config.initial_dst_cid_provider(Arc::new(move || connection_ids::first_id(ordinal)));
        }

        let local: IpAddr =
            if peer.addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let bound = socket::udp(SocketAddr::new(local, 0), settings.udp_buffer).and_then(|socket| {
            let probe = Arc::new(Probe::of_endpoint(&socket));
            Ok((probe, settings.endpoint(socket, None, peer.framing.as_ref(), None)?))
        });
        let (probe, (endpoint, receives)) =
            bound.map_err(|source| Error::Connect { addr: peer.addr, source })?;
        let (framing, addr, name) = (peer.framing.clone(), peer.addr, peer.name.clone());
        Ok(Self { engine, config, endpoint, probe, receives, framing, addr, name })
    }

    /// Opens a connection, and runs the engine over it once the handshake is complete.
    ///
    /// # Errors
    /// Fails if the handshake fails, or the server speaks another protocol.
    pub(super) async fn dial(&self) -> Result<Box<dyn Connection>, Error> {
        let connection = dial::dial(|| self.begin()).await?;
        self.run(connection).await
    }

    /// Begins a handshake.
    ///
    /// # Errors
    /// Fails if the name or the address cannot be used.
    pub(super) fn begin(&self) -> Result<Connecting, Error> {
        let connecting = self.endpoint.connect_with(self.config.clone(), self.addr, &self.name);
        connecting.map_err(Error::handshake)
    }

    /// Runs the engine over a connection whose handshake is complete.
    ///
    /// # Errors
    /// Fails if the server speaks another protocol.
    pub(super) async fn run(&self, connection: quinn::Connection) -> Result<Box<dyn Connection>, Error> {
        let established = self.established(connection);
        established.assert_alpn(E::ALPN)?;
        self.engine.client(established).await
    }

    /// Returns a connection for the engine.
    pub(super) fn established(&self, connection: quinn::Connection) -> Established {
        Established::new(connection, self.probe.clone(), &self.receives)
            .with_endpoint(self.endpoint.clone())
            .with_framing(self.framing.clone())
    }
}
