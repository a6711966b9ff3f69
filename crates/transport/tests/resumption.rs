//! The resumption of TLS sessions over every HTTP protocol, and its permission.

use std::{sync::Arc, time::Duration};

use longhaul_transport::{
    Bind, Connection, Identity, Listener, Peer, Resumption, Sessions, TlsVersion, Transport, Trust, all,
    by_name, listen_secured,
};
use record::{Limits, Profile};
use rustls::{
    ClientConfig,
    HandshakeKind::{Full, Resumed},
    RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, pem::PemObject as _},
    version::TLS12,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// The time within which a session must come. It is long enough for a busy machine.
const SOON: Duration = Duration::from_secs(10);

fn secured() -> impl Iterator<Item = &'static dyn Transport> {
    all().filter(|transport| transport.protocol().is_http() && transport.protocol().is_encrypted())
}

fn bind(resumption: Resumption) -> (Bind, Trust) {
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    let trust = Trust::pem(identity.certificate_pem()).unwrap();
    let bind = Bind::new("127.0.0.1:0".parse().unwrap());
    (bind.with_identity(identity).with_resumption(resumption), trust)
}

/// Connects, and drives the server's end until `then` has returned.
async fn connect<T>(
    transport: &dyn Transport,
    listener: &dyn Listener,
    peer: &Peer,
    then: impl AsyncFnOnce(Box<dyn Connection>) -> T,
) -> T {
    let serve = async {
        let session = listener.accept().await.unwrap().handshake.await.unwrap();
        let _ = session.accept().await;
        std::future::pending().await
    };
    let dial = async {
        let connection = transport.connect(peer, &Limits::default()).await.unwrap();
        then(connection).await
    };
    tokio::select! {
        result = dial => result,
        () = serve => unreachable!(),
    }
}

fn peer(listener: &dyn Listener, trust: &Trust, sessions: &Sessions) -> Peer {
    Peer::new(listener.local_addr(), "localhost", trust.clone()).with_sessions(sessions.clone())
}

#[tokio::test]
async fn a_later_connection_resumes_the_session_of_an_earlier_one() {
    for transport in secured() {
        let name = transport.protocol().name;
        let (bind, trust) = bind(Resumption::Allowed);
        let listener = transport.listen(&bind, &Limits::default()).unwrap();
        let (listener, sessions) = (listener.as_ref(), Sessions::new());
        let peer = peer(listener, &trust, &sessions);
        let first = connect(transport, listener, &peer, async |connection| {
            timeout(SOON, sessions.received()).await.unwrap();
            connection.link().resumed
        });
        assert_eq!(first.await, Some(false), "{name}");
        for _ in 0..2 {
            let next = connect(transport, listener, &peer, async |connection| connection.link().resumed);
            assert_eq!(next.await, Some(true), "{name}");
        }
        // A client that does not share the sessions makes a full handshake.
        let other = peer.with_sessions(None);
        let full = connect(transport, listener, &other, async |connection| connection.link().resumed);
        assert_eq!(full.await, Some(false), "{name}");
    }
}

#[tokio::test]
async fn a_server_gives_sessions_only_with_permission() {
    for transport in secured() {
        let name = transport.protocol().name;
        let (bind, trust) = bind(Resumption::default());
        let listener = transport.listen(&bind, &Limits::default()).unwrap();
        let (listener, sessions) = (listener.as_ref(), Sessions::new());
        let peer = peer(listener, &trust, &sessions);
        let first = connect(transport, listener, &peer, async |_connection| {
            timeout(Duration::from_millis(200), sessions.received()).await
        });
        assert!(first.await.is_err(), "{name}");
        let second = connect(transport, listener, &peer, async |connection| connection.link().resumed);
        assert_eq!(second.await, Some(false), "{name}");
    }
}

/// Each full handshake takes two of the 256 places.
#[tokio::test]
async fn beyond_256_sessions_the_oldest_is_forgotten() {
    let transport = by_name("h1").unwrap();
    let (bind, trust) = bind(Resumption::Allowed);
    let listener = transport.listen(&bind, &Limits::default()).unwrap();
    let listener = listener.as_ref();
    for (others, resumed) in [(126, true), (128, false)] {
        let sessions = Sessions::new();
        let peer = peer(listener, &trust, &sessions);
        connect(transport, listener, &peer, async |_connection| sessions.received().await).await;
        for _ in 0..others {
            let theirs = Sessions::new();
            let other = peer.clone().with_sessions(theirs.clone());
            connect(transport, listener, &other, async |_connection| theirs.received().await).await;
        }
        let next = connect(transport, listener, &peer, async |connection| connection.link().resumed);
        assert_eq!(next.await, Some(resumed), "{others}");
    }
}

#[tokio::test]
async fn sessions_of_tls_1_2_are_kept_only_with_permission() {
    for (resumption, second) in [(Resumption::Allowed, Resumed), (Resumption::Never, Full)] {
        let (bind, _) = bind(resumption);
        let mut roots = RootCertStore::empty();
        let pem = bind.identity.as_ref().unwrap().certificate_pem().as_bytes();
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let bind = bind.with_oldest_tls(TlsVersion::Tls12);
        let listener = listen_secured(&bind, &Limits::for_any_peer(Profile::default())).unwrap();
        for expected in [Full, second] {
            let stream = TcpStream::connect(listener.local_addr()).await.unwrap();
            let accept = async { listener.accept().await.unwrap().handshake.await };
            let connect = connector.connect("localhost".try_into().unwrap(), stream);
            let (accepted, connected) = tokio::join!(accept, connect);
            assert_eq!(accepted.unwrap().link().resumed, Some(expected == Resumed));
            assert_eq!(connected.unwrap().get_ref().1.handshake_kind(), Some(expected));
        }
    }
}
