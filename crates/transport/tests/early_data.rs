//! Early data (RFC 8446 section 2.3): a server over TLS with a client that sends each part of its handshake when the
//! test says so, and both ends over QUIC.

use std::{
    io::{Cursor, ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use http::{Request, Response, StatusCode};
use longhaul_transport::{
    Bind, Identity, InEarlyData, Incoming, Link, Listener, Peer, Resumption, Sessions, Trust, body, by_name,
    listen_secured,
};
use record::{Limits, Profile};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The time within which something must happen. It is long enough for a busy machine.
const SOON: Duration = Duration::from_secs(30);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The answers of the server to a request in early data, and after the handshake.
const EARLY: StatusCode = StatusCode::NON_AUTHORITATIVE_INFORMATION;
const LATE: StatusCode = StatusCode::OK;

/// Starts a server. Returns its address, and a configuration of clients that trust it and share sessions.
fn server(resumption: Resumption) -> (SocketAddr, Arc<ClientConfig>) {
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.enable_early_data = true;
    let bind = Bind::new("127.0.0.1:0".parse().unwrap()).with_identity(identity).with_resumption(resumption);
    let listener = listen_secured(&bind, &Limits::for_any_peer(Profile::default())).unwrap();
    let addr = listener.local_addr();
    tokio::spawn(serve(listener));
    (addr, Arc::new(config))
}

async fn serve(listener: Box<dyn Listener>) {
    while let Ok(accepted) = listener.accept().await {
        tokio::spawn(async move {
            let Ok(session) = accepted.handshake.await else { return };
            while let Ok(Some(Incoming { request, responder, .. })) = session.accept().await {
                let is_early = request.extensions().get::<InEarlyData>().is_some();
                let status = if is_early { EARLY } else { LATE };
                let response = Response::builder().status(status).body(body::empty()).unwrap();
                let _ = responder.respond(response).await;
            }
        });
    }
}

/// A client whose bytes leave when the test sends them.
struct Client {
    tls: ClientConnection,
    socket: TcpStream,
}

impl Client {
    async fn new(addr: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let tls = ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
        Self { tls, socket: TcpStream::connect(addr).await.unwrap() }
    }

    /// Returns the bytes that TLS has to send.
    fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    async fn send(&mut self) {
        let bytes = self.outgoing();
        self.socket.write_all(&bytes).await.unwrap();
    }

    /// Receives some bytes from the server.
    async fn receive(&mut self) {
        let mut bytes = [0; 4096];
        let length = timeout(SOON, self.socket.read(&mut bytes)).await.unwrap().unwrap();
        assert!(length > 0, "the server ended the connection");
        let mut received = Cursor::new(&bytes[..length]);
        while received.position() < length as u64 {
            self.tls.read_tls(&mut received).unwrap();
            self.tls.process_new_packets().unwrap();
        }
    }

    /// Receives until there is a response. Sends nothing.
    async fn response(&mut self) -> StatusCode {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let mut bytes = [0; 4096];
            match self.tls.reader().read(&mut bytes) {
                Ok(length) => text.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.receive().await,
                Err(error) => panic!("{error}"),
            }
        }
        StatusCode::from_bytes(&text["HTTP/1.1 ".len()..][..3]).unwrap()
    }

    /// Completes the handshake, makes a request, and returns the status of its response.
    async fn exchange(&mut self) -> StatusCode {
        self.send().await;
        while self.tls.is_handshaking() {
            self.receive().await;
            self.send().await;
        }
        self.tls.writer().write_all(REQUEST).unwrap();
        self.send().await;
        self.response().await
    }
}

#[tokio::test]
async fn a_request_in_early_data_is_marked_and_answered_before_the_handshake_is_complete() {
    let (addr, config) = server(Resumption::EarlyData);
    let mut first = Client::new(addr, &config).await;
    assert!(first.tls.early_data().is_none());
    assert_eq!(first.exchange().await, LATE);

    let mut second = Client::new(addr, &config).await;
    second.tls.early_data().unwrap().write_all(REQUEST).unwrap();
    second.send().await;
    assert_eq!(second.response().await, EARLY);
    assert!(second.tls.is_early_data_accepted());
    assert_eq!(second.exchange().await, LATE);
}

#[tokio::test]
async fn the_early_data_of_a_session_is_taken_once() {
    let (addr, config) = server(Resumption::EarlyData);
    assert_eq!(Client::new(addr, &config).await.exchange().await, LATE);
    let mut client = Client::new(addr, &config).await;
    client.tls.early_data().unwrap().write_all(REQUEST).unwrap();
    let flight = client.outgoing();
    client.socket.write_all(&flight).await.unwrap();
    let mut answer = [0; 1];
    timeout(SOON, client.socket.read_exact(&mut answer)).await.unwrap().unwrap();

    // The attacker's connection. The client stands in for an attacker who would wait for the server's answer.
    client.socket = TcpStream::connect(addr).await.unwrap();
    client.socket.write_all(&flight).await.unwrap();
    assert_eq!(client.exchange().await, LATE);
    assert!(!client.tls.is_early_data_accepted());
}

#[tokio::test]
async fn sessions_allow_no_early_data_without_permission() {
    let (addr, config) = server(Resumption::Allowed);
    assert_eq!(Client::new(addr, &config).await.exchange().await, LATE);
    let mut next = Client::new(addr, &config).await;
    assert!(next.tls.early_data().is_none());
    assert_eq!(next.exchange().await, LATE);
    assert_eq!(next.tls.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
}

/// Downloads over HTTP/3. Returns the status, and the facts about the connection.
async fn download(peer: &Peer) -> (StatusCode, Link) {
    let limits = Limits::default();
    let connecting = by_name("h3").unwrap().connect(peer, &limits);
    let connection = timeout(SOON, connecting).await.unwrap().unwrap();
    let request = Request::get("https://localhost/").body(body::empty()).unwrap();
    let response = timeout(SOON, connection.exchange(request)).await.unwrap().unwrap();
    let link = connection.link();
    timeout(SOON, connection.close()).await.unwrap();
    (response.status(), link)
}

#[tokio::test]
async fn over_quic_early_data_is_answered_early_or_sent_again_on_another_connection() {
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    let trust = Trust::pem(identity.certificate_pem()).unwrap();
    let bind = Bind::new("127.0.0.1:0".parse().unwrap());
    let bind = bind.with_identity(identity).with_resumption(Resumption::EarlyData);
    let listen = |bind: &Bind| by_name("h3").unwrap().listen(bind, &Limits::default());
    let listener = listen(&bind).unwrap();
    let addr = listener.local_addr();
    let server = tokio::spawn(serve(listener));
    let known = async || {
        let sessions = Sessions::new().with_early_data();
        let peer = Peer::new(addr, "localhost", trust.clone()).with_sessions(sessions.clone());
        let (status, link) = download(&peer).await;
        assert_eq!((status, link.resumed, link.early_data), (LATE, Some(false), None));
        timeout(SOON, sessions.received()).await.unwrap();
        peer
    };

    // A slow server sees the end of the handshake before the request.
    let mut is_early = false;
    for _ in 0..50 {
        let (status, link) = download(&known().await).await;
        assert_eq!((link.resumed, link.early_data), (Some(true), Some(true)));
        is_early |= status == EARLY;
    }
    assert!(is_early);

    // Another server under the same name does not know the session.
    let peer = known().await;
    server.abort();
    let _ = server.await;
    let mut at = bind.clone();
    at.addr = addr;
    let next = timeout(SOON, async {
        loop {
            match listen(&at) {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    });
    tokio::spawn(serve(next.await.unwrap()));
    let (status, link) = download(&peer).await;
    assert_eq!((status, link.resumed, link.early_data), (LATE, Some(false), Some(false)));
}
