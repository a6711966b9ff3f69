//! The agreement of a QUIC handshake, with the cipher suite and the resumption: quinn states only the protocol, so the
//! rest is read from the ServerHello.

use std::{any::Any, sync::Arc};

use quinn::{
    ConnectError, ConnectionId, Side,
    crypto::{
        self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session, UnsupportedVersion,
        rustls::{HandshakeData, QuicClientConfig, QuicServerConfig},
    },
};
use quinn_proto::{TransportError, transport_parameters::TransportParameters};
use rustls::CipherSuite;

use super::server_hello::ServerHello;

/// The result of a handshake, in the place of quinn's [`HandshakeData`].
pub(super) struct Agreed {
    /// The application protocol by ALPN, or `None` without an agreement.
    pub(super) protocol: Option<Vec<u8>>,
    pub(super) suite: Option<CipherSuite>,
    /// True if the handshake resumed an earlier session.
    pub(super) resumed: Option<bool>,
    /// True if this end is a server and has accepted early data.
    pub(super) takes_early_data: bool,
}

/// A client's configuration, whose sessions state an [`Agreed`].
pub(super) struct Client(pub(super) Arc<QuicClientConfig>);

impl crypto::ClientConfig for Client {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let session = self.0.clone().start_session(version, server_name, params)?;
        Ok(Box::new(Watched { session, side: Side::Client, hello: ServerHello::new() }))
    }
}

/// A server's configuration, whose sessions state an [`Agreed`].
pub(super) struct Server(pub(super) Arc<QuicServerConfig>);

impl crypto::ServerConfig for Server {
    fn initial_keys(&self, version: u32, dst_cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.0.initial_keys(version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.0.retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(self: Arc<Self>, version: u32, params: &TransportParameters) -> Box<dyn Session> {
        let session = self.0.clone().start_session(version, params);
        Box::new(Watched { session, side: Side::Server, hello: ServerHello::new() })
    }
}

/// A session of rustls, and the ServerHello that passes through it.
struct Watched {
    session: Box<dyn Session>,
    side: Side,
    hello: ServerHello,
}

impl Session for Watched {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        self.session.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let data = self.session.handshake_data()?.downcast::<HandshakeData>().ok()?;
        let facts = self.hello.facts();
        let (suite, resumed) = (facts.map(|facts| facts.suite), facts.map(|facts| facts.resumed));
        let takes_early_data = self.side == Side::Server && self.session.early_crypto().is_some();
        Some(Box::new(Agreed { protocol: data.protocol, suite, resumed, takes_early_data }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.session.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.session.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.session.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        if self.side == Side::Client {
            self.hello.extend(buf);
        }
        self.session.read_handshake(buf)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.session.transport_parameters()
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let before = buf.len();
        let keys = self.session.write_handshake(buf);
        if self.side == Side::Server {
            self.hello.extend(buf.get(before..).unwrap_or_default());
        }
        keys
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.session.next_1rtt_keys()
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.session.is_valid_retry(orig_dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.session.export_keying_material(output, label, context)
    }
}
