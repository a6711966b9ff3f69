//! A peer that writes HTTP/3 byte by byte.

use std::{
    future::Future,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use longhaul_transport::Identity;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

pub(crate) const DATA: u64 = 0x0;
pub(crate) const HEADERS: u64 = 0x1;
pub(crate) const SETTINGS: u64 = 0x4;
pub(crate) const GOAWAY: u64 = 0x7;
/// A type that is reserved to be unknown (RFC 9114 section 7.2.8).
pub(crate) const UNKNOWN: u64 = 0x21;

pub(crate) const NO_ERROR: u64 = 0x100;
pub(crate) const STREAM_CREATION_ERROR: u64 = 0x103;
pub(crate) const CLOSED_CRITICAL_STREAM: u64 = 0x104;
pub(crate) const FRAME_UNEXPECTED: u64 = 0x105;
pub(crate) const FRAME_ERROR: u64 = 0x106;
pub(crate) const EXCESSIVE_LOAD: u64 = 0x107;
pub(crate) const ID_ERROR: u64 = 0x108;
pub(crate) const SETTINGS_ERROR: u64 = 0x109;
pub(crate) const MISSING_SETTINGS: u64 = 0x10a;
pub(crate) const REQUEST_REJECTED: u64 = 0x10b;
pub(crate) const REQUEST_CANCELLED: u64 = 0x10c;
pub(crate) const REQUEST_INCOMPLETE: u64 = 0x10d;
pub(crate) const MESSAGE_ERROR: u64 = 0x10e;
pub(crate) const QPACK_DECOMPRESSION_FAILED: u64 = 0x200;
pub(crate) const QPACK_ENCODER_STREAM_ERROR: u64 = 0x201;
pub(crate) const QPACK_DECODER_STREAM_ERROR: u64 = 0x202;

/// Waits for `work`. Panics if it takes longer than on any loaded machine.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("something within 30 s")
}

/// One end of a QUIC connection, with an open control stream.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) control: SendStream,
    endpoint: Endpoint,
}

impl Peer {
    /// Connects a client, which sends its SETTINGS.
    pub(crate) async fn connect(addr: SocketAddr, identity: &Identity) -> Self {
        Self::connect_with(addr, identity, TransportConfig::default()).await
    }

    /// Connects a client with the windows of `config`.
    pub(crate) async fn connect_with(addr: SocketAddr, identity: &Identity, config: TransportConfig) -> Self {
        let (connection, endpoint) = connect(addr, identity, config).await;
        let mut control = connection.open_uni().await.unwrap();
        control.write_all(&[&[0][..], &frame(SETTINGS, b"")].concat()).await.unwrap();
        Self { connection, control, endpoint }
    }

    /// Returns the server's end of a connection, which has sent these bytes on its control stream.
    pub(crate) async fn accept(endpoint: &Endpoint, frames: &[u8]) -> Self {
        let connection = soon(endpoint.accept()).await.unwrap().await.unwrap();
        let mut control = connection.open_uni().await.unwrap();
        control.write_all(&[&[0], frames].concat()).await.unwrap();
        Self { connection, control, endpoint: endpoint.clone() }
    }

    /// Opens a stream, and writes a part of a request.
    pub(crate) async fn begin(&self, bytes: &[u8]) -> Exchange {
        let (mut send, recv) = soon(self.connection.open_bi()).await.unwrap();
        soon(send.write_all(bytes)).await.unwrap();
        Exchange { send, recv }
    }

    /// Opens a stream, and writes a whole request.
    pub(crate) async fn request(&self, bytes: &[u8]) -> Exchange {
        let mut exchange = self.begin(bytes).await;
        exchange.send.finish().unwrap();
        exchange
    }

    /// Opens a unidirectional stream.
    pub(crate) async fn open_uni(&self, bytes: &[u8]) -> SendStream {
        let mut stream = soon(self.connection.open_uni()).await.unwrap();
        // The connection may end meanwhile.
        let _ = stream.write_all(bytes).await;
        stream
    }

    /// Asserts that another request is answered, so that the connection goes on.
    pub(crate) async fn assert_goes_on(&self) {
        let answer = self.request(&[get("/ping"), data(b"")].concat()).await.answer().await;
        assert_eq!(answer.unwrap().status, 200);
    }

    /// Changes the address of this end.
    pub(crate) fn move_to(&self, socket: UdpSocket) {
        self.endpoint.rebind(socket).unwrap();
    }

    /// Returns the port of this end.
    pub(crate) fn local_port(&self) -> u16 {
        self.endpoint.local_addr().unwrap().port()
    }

    /// Returns the error code with which the other end closes the connection.
    pub(crate) async fn close_code(&self) -> u64 {
        match soon(self.connection.closed()).await {
            ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("{other}"),
        }
    }
}

/// Opens a connection without sending anything of HTTP/3.
pub(crate) async fn connect(
    addr: SocketAddr,
    identity: &Identity,
    config: TransportConfig,
) -> (Connection, Endpoint) {
    let mut endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    endpoint.set_default_client_config(client_config(identity, config));
    (soon(endpoint.connect(addr, "localhost").unwrap()).await.unwrap(), endpoint)
}

/// Returns a configuration that trusts `identity`.
pub(crate) fn client_config(identity: &Identity, config: TransportConfig) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(identity.certificate_pem().as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    client.transport_config(Arc::new(config));
    client
}

/// Returns a server's endpoint, and its certificate in PEM.
pub(crate) fn listen() -> (Endpoint, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    (Endpoint::server(config, ([127, 0, 0, 1], 0).into()).unwrap(), certificate.pem())
}

/// Both halves of a request stream.
pub(crate) struct Exchange {
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
}

/// A response as it was received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Exchange {
    /// Returns the response, or the error code with which the stream was reset.
    pub(crate) async fn answer(mut self) -> Result<Answer, u64> {
        let bytes = soon(self.recv.read_to_end(1 << 24)).await;
        let bytes = bytes.map_err(|error| match error {
            quinn::ReadToEndError::Read(quinn::ReadError::Reset(code)) => code.into_inner(),
            other => panic!("{other}"),
        })?;
        let (mut status, mut body) = (0, Vec::new());
        for (kind, payload) in frames(&bytes) {
            match kind {
                HEADERS if status == 0 => status = status_of(payload),
                DATA => body.extend_from_slice(payload),
                _ => {}
            }
        }
        Ok(Answer { status, body })
    }

    /// Returns the error code with which the peer stops reading the request.
    pub(crate) async fn stop_code(&self) -> Option<u64> {
        soon(self.send.stopped()).await.unwrap().map(quinn::VarInt::into_inner)
    }
}

/// Returns an integer of RFC 9000 section 16, in eight bytes if it does not fit in two.
pub(crate) fn integer(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (0x4000 | value as u16).to_be_bytes().to_vec(),
        _ => (0xc000_0000_0000_0000 | value).to_be_bytes().to_vec(),
    }
}

/// Reads an integer, and returns it with its length.
pub(crate) fn read_integer(bytes: &[u8]) -> (u64, usize) {
    let length = 1 << (bytes[0] >> 6);
    let value =
        bytes[1..length].iter().fold(u64::from(bytes[0] & 0x3f), |value, byte| value << 8 | u64::from(*byte));
    (value, length)
}

/// Returns a frame.
pub(crate) fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [frame_head(kind, payload.len() as u64), payload.to_vec()].concat()
}

/// Returns the head of a frame.
pub(crate) fn frame_head(kind: u64, length: u64) -> Vec<u8> {
    [integer(kind), integer(length)].concat()
}

pub(crate) fn data(payload: &[u8]) -> Vec<u8> {
    frame(DATA, payload)
}

/// Returns the frames in `bytes`.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (kind, size) = read_integer(bytes);
        let (length, more) = read_integer(&bytes[size..]);
        let (payload, rest) = bytes[size + more..].split_at(length as usize);
        frames.push((kind, payload));
        bytes = rest;
    }
    frames
}

/// Returns a HEADERS frame of literal field lines.
pub(crate) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = vec![0, 0];
    for (name, value) in fields {
        section.extend(prefixed(0x20, 3, name.len()));
        section.extend_from_slice(name.as_bytes());
        section.extend(prefixed(0, 7, value.len()));
        section.extend_from_slice(value.as_bytes());
    }
    frame(HEADERS, &section)
}

/// Returns an integer of RFC 7541 section 5.1.
fn prefixed(flags: u8, bits: u32, value: usize) -> Vec<u8> {
    let full = (1 << bits) - 1;
    if value < full {
        return vec![flags | value as u8];
    }
    let (mut bytes, mut rest) = (vec![flags | full as u8], value - full);
    while rest >= 0x80 {
        bytes.push(0x80 | rest as u8 & 0x7f);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// Returns the head of an upload, with further fields.
pub(crate) fn put(path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    request("PUT", path, fields)
}

/// Returns the head of a request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    request("GET", path, &[])
}

fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let own = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)];
    head(&[&own, fields].concat())
}

/// Returns the head of a response.
pub(crate) fn response(status: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    head(&[&[(":status", status)], fields].concat())
}

/// Returns the status in a field section that h3 has encoded: an entry of the static table, or three digits in
/// Huffman's code.
fn status_of(section: &[u8]) -> u16 {
    match section[2..] {
        [0xd9, ..] => 200,
        [_, _, _, 0x69, 0x90, 0xff, ..] | [_, _, 0x69, 0x90, 0xff, ..] => 431,
        _ => panic!("{section:02x?}"),
    }
}
