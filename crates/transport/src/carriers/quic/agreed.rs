//! The agreement of a QUIC handshake, with the cipher suite: quinn states only the protocol, so the suite is read from
//! the ServerHello.

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

/// The result of a handshake, in the place of quinn's [`HandshakeData`].
pub(super) struct Agreed {
    /// The application protocol by ALPN, or `None` without an agreement.
    pub(super) protocol: Option<Vec<u8>>,
    pub(super) suite: Option<CipherSuite>,
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
        Ok(Box::new(Watched { session, side: Side::Client, hello: ServerHello::default() }))
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
        Box::new(Watched { session, side: Side::Server, hello: ServerHello::default() })
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
        Some(Box::new(Agreed { protocol: data.protocol, suite: self.hello.suite() }))
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

/// The beginning of a server's first handshake message, which is a ServerHello. A HelloRetryRequest has the same
/// format, and names the suite that the later ServerHello repeats (RFC 8446 section 4.1.4).
#[derive(Default)]
struct ServerHello(Vec<u8>);

impl ServerHello {
    /// The message type of a ServerHello (RFC 8446 section 4).
    const TYPE: u8 = 2;

    /// The bytes before the session identifier: type, length, version and random value (RFC 8446 sections 4, 4.1.3).
    const BEFORE_SESSION: usize = 1 + 3 + 2 + 32;

    /// The most bytes up to the end of the suite, after a session identifier of its full length.
    const MOST: usize = Self::BEFORE_SESSION + 1 + 32 + 2;

    /// Takes the next bytes of the handshake, as far as they are needed.
    fn extend(&mut self, bytes: &[u8]) {
        let missing = Self::MOST.saturating_sub(self.0.len());
        self.0.extend_from_slice(bytes.get(..missing).unwrap_or(bytes));
    }

    fn suite(&self) -> Option<CipherSuite> {
        if self.0.first() != Some(&Self::TYPE) {
            return None;
        }
        let (session, rest) = self.0.get(Self::BEFORE_SESSION..)?.split_first()?;
        let suite = rest.get(usize::from(*session)..)?.first_chunk()?;
        Some(u16::from_be_bytes(*suite).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(session: usize) -> Vec<u8> {
        let start = [&[2, 0, 0, 90, 3, 3][..], &[9; 32]].concat();
        [&start[..], &[session as u8], &vec![7; session], &[0x13, 0x02], &[0; 500]].concat()
    }

    #[test]
    fn the_suite_is_read_whatever_pieces_the_message_comes_in() {
        for session in [0, 32] {
            for piece in [1, 40, 1000] {
                let mut read = ServerHello::default();
                hello(session).chunks(piece).for_each(|piece| read.extend(piece));
                assert_eq!(read.suite(), Some(CipherSuite::TLS13_AES_256_GCM_SHA384), "{session} {piece}");
                assert!(read.0.len() <= ServerHello::MOST);
            }
        }
    }

    #[test]
    fn a_message_that_is_cut_off_or_another_one_has_no_suite() {
        let mut read = ServerHello::default();
        read.extend(&hello(32)[..72]);
        assert_eq!(read.suite(), None);
        let mut other = hello(0);
        other[0] = 1;
        for bytes in [&other[..], &[2], &[2; 39], &[2; 40]] {
            let mut read = ServerHello::default();
            read.extend(bytes);
            assert_eq!(read.suite(), None, "{bytes:?}");
        }
    }
}
