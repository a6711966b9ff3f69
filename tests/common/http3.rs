//! A client that writes HTTP/3 byte by byte.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, ReadError, ReadToEndError, RecvStream, SendStream,
    crypto::rustls::QuicClientConfig,
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

pub const DATA: u64 = 0x0;
pub const HEADERS: u64 = 0x1;
pub const SETTINGS: u64 = 0x4;

/// Waits for `work`. Panics if it takes too long for any machine.
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("something within 30 s")
}

/// A QUIC connection to a server of HTTP/3, without any stream.
pub struct Client {
    connection: Connection,
    /// The streams that must stay open as long as the connection.
    kept: Vec<SendStream>,
    /// The responses that are not read.
    unread: Vec<RecvStream>,
    _endpoint: Endpoint,
}

impl Client {
    /// Connects to a server, and trusts the certificate in a PEM file.
    pub async fn connect(addr: SocketAddr, certificate: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let mut endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
        let crypto = QuicClientConfig::try_from(tls).unwrap();
        endpoint.set_default_client_config(ClientConfig::new(Arc::new(crypto)));
        let connection = soon(endpoint.connect(addr, "localhost").unwrap()).await.unwrap();
        Self { connection, kept: Vec::new(), unread: Vec::new(), _endpoint: endpoint }
    }

    /// Opens a unidirectional stream with these bytes, and keeps it open.
    pub async fn open_uni(&mut self, bytes: &[u8]) {
        let mut stream = soon(self.connection.open_uni()).await.unwrap();
        // The server may close the connection meanwhile.
        let _ = soon(stream.write_all(bytes)).await;
        self.kept.push(stream);
    }

    /// Opens a stream with a whole request. Returns the status in the response, or the error code of its reset. `None`
    /// if the connection ended.
    pub async fn request(&self, bytes: &[u8]) -> Option<Result<u16, u64>> {
        let (mut send, recv) = soon(self.connection.open_bi()).await.ok()?;
        let _ = soon(send.write_all(bytes)).await;
        let _ = send.finish();
        answer(recv).await
    }

    /// Opens a stream with a whole request, and leaves the response unread.
    pub async fn begin(&mut self, bytes: &[u8]) {
        let (mut send, recv) = soon(self.connection.open_bi()).await.unwrap();
        soon(send.write_all(bytes)).await.unwrap();
        send.finish().unwrap();
        self.unread.push(recv);
    }

    /// Opens a stream with a whole request. Returns the types of the frames of all responses to it.
    pub async fn frames(&self, bytes: &[u8]) -> Vec<u64> {
        let (mut send, mut recv) = soon(self.connection.open_bi()).await.unwrap();
        soon(send.write_all(bytes)).await.unwrap();
        send.finish().unwrap();
        let answer = soon(recv.read_to_end(1 << 20)).await.unwrap();
        let (mut rest, mut kinds) = (answer.as_slice(), Vec::new());
        while !rest.is_empty() {
            kinds.push(read_integer(&mut rest));
            let length = read_integer(&mut rest) as usize;
            rest = &rest[length..];
        }
        kinds
    }

    /// Returns the error code with which the server closes the connection; `None` if it does not.
    pub async fn close_code(&self) -> Option<u64> {
        match tokio::time::timeout(Duration::from_secs(10), self.connection.closed()).await {
            Ok(ConnectionError::ApplicationClosed(close)) => Some(close.error_code.into_inner()),
            Ok(other) => panic!("{other}"),
            Err(_) => None,
        }
    }
}

async fn answer(mut recv: RecvStream) -> Option<Result<u16, u64>> {
    match soon(recv.read_to_end(1 << 20)).await {
        Ok(bytes) => Some(Ok(status(&bytes))),
        Err(ReadToEndError::Read(ReadError::Reset(code))) => Some(Err(code.into_inner())),
        Err(ReadToEndError::Read(ReadError::ConnectionLost(_))) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Returns the status in the first frame of a response: an entry of the static table (RFC 9204 appendix A).
fn status(bytes: &[u8]) -> u16 {
    let [0x01, rest @ ..] = bytes else { panic!("no HEADERS frame: {bytes:02x?}") };
    match rest.get(3) {
        Some(0xd9) => 200,
        // Entry 67, in two bytes.
        Some(0xff) if rest.get(4) == Some(&4) => 400,
        _ => match rest.get(4..6) {
            Some([0xd9, _]) => 200,
            Some([0xff, 4]) => 400,
            _ => panic!("an unknown status: {rest:02x?}"),
        },
    }
}

/// Returns an integer of RFC 9000 section 16.
pub fn integer(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (0x4000 | value as u16).to_be_bytes().to_vec(),
        _ => (0xc000_0000_0000_0000 | value).to_be_bytes().to_vec(),
    }
}

/// Reads an integer of RFC 9000 section 16.
fn read_integer(bytes: &mut &[u8]) -> u64 {
    let length = 1 << (bytes[0] >> 6);
    let (read, rest) = bytes.split_at(length);
    *bytes = rest;
    read.iter().skip(1).fold(u64::from(read[0] & 0x3f), |sum, byte| sum << 8 | u64::from(*byte))
}

/// Returns a literal field line with a literal name (RFC 9204 section 4.5.6).
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut line = vec![0x27, (name.len() - 7) as u8];
    line.extend(name.as_bytes());
    line.push(value.len() as u8);
    line.extend(value.as_bytes());
    line
}

/// Returns a frame.
pub fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [integer(kind), integer(payload.len() as u64), payload.to_vec()].concat()
}

/// Returns the field section of a request, with further bytes behind its literal field lines.
pub fn section(method: &str, path: &str, more: &[u8]) -> Vec<u8> {
    let mut section = vec![0, 0];
    for (name, value) in
        [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
    {
        // Literal field lines with literal names (RFC 9204 section 4.5.6). The prefix of a name's length has three bits.
        match name.len() {
            length @ 0..7 => section.push(0x20 | length as u8),
            length => section.extend([0x27, (length - 7) as u8]),
        }
        section.extend(name.as_bytes());
        section.push(value.len() as u8);
        section.extend(value.as_bytes());
    }
    section.extend(more);
    section
}
