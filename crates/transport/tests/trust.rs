//! The trust of a client: it accepts only its trusted certificate, and only for the dialled name. Both ends refuse
//! another application protocol.

use std::{fs, sync::Arc};

use longhaul_transport::{
    Bind, Error, Identity, Listener, Peer, TlsVersion, Transport, Trust, all, by_name, listen_secured,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use record::{CIPHER, LimitValue, Limits, Profile};

fn listen(transport: &dyn Transport, identity: Identity) -> Box<dyn Listener> {
    let bind = Bind::new("127.0.0.1:0".parse().unwrap()).with_identity(identity);
    transport.listen(&bind, &Limits::default()).unwrap()
}

async fn connect(
    transport: &dyn Transport,
    listener: &dyn Listener,
    name: &str,
    pem: &str,
) -> Result<(), Error> {
    let peer = Peer::new(listener.local_addr(), name, Trust::pem(pem).unwrap());
    let limits = Limits::default();
    let accept = async {
        // The server's error after the client's refusal does not matter here.
        let _session = listener.accept().await.unwrap().handshake.await;
        std::future::pending().await
    };
    tokio::select! {
        connected = transport.connect(&peer, &limits) => connected.map(drop),
        () = accept => unreachable!(),
    }
}

fn secured() -> impl Iterator<Item = &'static dyn Transport> {
    all().filter(|transport| transport.protocol().is_encrypted())
}

#[tokio::test]
async fn a_certificate_that_was_handed_over_is_accepted() {
    for transport in secured() {
        let identity = Identity::self_signed(&["localhost"]).unwrap();
        let pem = identity.certificate_pem().to_owned();
        let listener = listen(transport, identity);
        connect(transport, listener.as_ref(), "localhost", &pem).await.unwrap();
    }
}

#[tokio::test]
async fn another_certificate_for_the_same_name_is_refused() {
    let other = Identity::self_signed(&["localhost"]).unwrap();
    for transport in secured() {
        let listener = listen(transport, Identity::self_signed(&["localhost"]).unwrap());
        let refused =
            connect(transport, listener.as_ref(), "localhost", other.certificate_pem()).await.unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, Error::Handshake { .. }) && text.contains("certificate"), "{text}");
    }
}

#[tokio::test]
async fn the_right_certificate_for_another_name_is_refused() {
    for transport in secured() {
        let identity = Identity::self_signed(&["localhost"]).unwrap();
        let pem = identity.certificate_pem().to_owned();
        let listener = listen(transport, identity);
        let refused = connect(transport, listener.as_ref(), "elsewhere", &pem).await.unwrap_err();
        assert!(refused.to_string().contains("not valid for name"), "{refused}");
    }
}

/// Starts a server of TLS without ALPN, which keeps one connection open. Returns a peer that trusts it.
async fn without_alpn() -> Peer {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let chain = vec![certificate.der().clone()];
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _stream = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        std::future::pending::<()>().await;
    });
    Peer::new(addr, "localhost", Trust::pem(&certificate.pem()).unwrap())
}

#[tokio::test]
async fn a_server_without_alpn_speaks_http_1_and_nothing_else() {
    let connect = async |name: &str| {
        let (peer, limits) = (without_alpn().await, Limits::default());
        let connected = by_name(name).unwrap().connect(&peer, &limits);
        tokio::time::timeout(std::time::Duration::from_secs(20), connected).await.unwrap()
    };
    assert_eq!(connect("h1").await.unwrap().link().alpn, None);
    for (name, alpn) in [("h2", "h2"), ("tls", "longhaul-tls")] {
        let refused = connect(name).await.err().unwrap();
        assert!(matches!(refused, Error::Handshake { .. }), "{refused}");
        let text = format!("the application protocol is none, not {alpn}");
        assert!(refused.to_string().contains(&text), "{refused}");
    }
}

#[tokio::test]
async fn ends_that_speak_different_protocols_do_not_connect() {
    for (client, server) in [("h1", "h2"), ("h2", "h1"), ("tls", "h2"), ("h3", "quic"), ("quic", "h3")] {
        let identity = Identity::self_signed(&["localhost"]).unwrap();
        let pem = identity.certificate_pem().to_owned();
        let listener = listen(by_name(server).unwrap(), identity);
        let client = by_name(client).unwrap();
        let refused = connect(client, listener.as_ref(), "localhost", &pem).await.unwrap_err();
        // The alert is no_application_protocol (RFC 7301 section 3.2), worded by rustls and by quinn.
        let text = refused.to_string();
        assert!(text.contains("NoApplicationProtocol") || text.contains("any known protocol"), "{text}");
    }
}

/// Returns a self-signed certificate that claims to be an authority, as `openssl req -x509` makes it.
fn authority(names: &[&str]) -> Identity {
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [certificate, secret] = ["certificate", "key"].map(|name| folder.path().join(name));
    fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&secret, key.serialize_pem()).unwrap();
    Identity::read(&certificate, &secret).unwrap()
}

#[tokio::test]
async fn a_listed_certificate_may_claim_to_be_an_authority() {
    for transport in secured() {
        let (identity, other) = (authority(&["localhost"]), authority(&["localhost"]));
        let pem = identity.certificate_pem().to_owned();
        let listener = listen(transport, identity);
        connect(transport, listener.as_ref(), "localhost", &pem).await.unwrap();
        let name = connect(transport, listener.as_ref(), "elsewhere", &pem).await.unwrap_err();
        assert!(name.to_string().contains("not valid for name"), "{name}");
        assert!(connect(transport, listener.as_ref(), "localhost", other.certificate_pem()).await.is_err());
    }
}

/// Connects a client with its limits to a server for unknown clients. Returns the cipher suite.
async fn cipher(client: &Limits, ours: TlsVersion, theirs: TlsVersion) -> Result<String, Error> {
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    let trust = Trust::pem(identity.certificate_pem()).unwrap();
    let bind = Bind::new("127.0.0.1:0".parse().unwrap()).with_identity(identity).with_oldest_tls(theirs);
    let listener = listen_secured(&bind, &Limits::for_any_peer(Profile::default())).unwrap();
    let peer = Peer::new(listener.local_addr(), "localhost", trust).with_oldest_tls(ours);
    let accept = async {
        let _session = listener.accept().await.unwrap().handshake.await;
        std::future::pending().await
    };
    tokio::select! {
        connected = by_name("h2").unwrap().connect(&peer, client) => Ok(connected?.link().cipher.unwrap()),
        () = accept => unreachable!(),
    }
}

#[tokio::test]
async fn a_server_of_strangers_takes_every_suite_of_tls_1_3() {
    for (word, suite) in [
        ("aes128", "TLS_AES_128_GCM_SHA256"),
        ("aes256", "TLS_AES_256_GCM_SHA384"),
        ("chacha20", "TLS_CHACHA20_POLY1305_SHA256"),
    ] {
        let mut limits = Limits::default();
        limits.set(&CIPHER, LimitValue::Choice(word.into())).unwrap();
        let agreed = cipher(&limits, TlsVersion::Tls13, TlsVersion::Tls13).await.unwrap();
        assert_eq!(agreed, suite);
    }
}

/// The client's limits leave the choice of the suite to both ends.
#[tokio::test]
async fn both_ends_of_quic_state_the_suite_that_they_agreed_on() {
    let mut aes256 = Limits::default();
    aes256.set(&CIPHER, LimitValue::Choice("aes256".into())).unwrap();
    let any = Limits::for_any_peer(Profile::default());
    for (name, ours, theirs, suite) in [
        ("h3", &any, &any, "TLS_AES_256_GCM_SHA384"),
        ("h3", &any, &Limits::default(), "TLS_AES_128_GCM_SHA256"),
        ("h3", &aes256, &any, "TLS_AES_256_GCM_SHA384"),
        ("quic", &any, &any, "TLS_AES_256_GCM_SHA384"),
    ] {
        let transport = by_name(name).unwrap();
        let identity = Identity::self_signed(&["localhost"]).unwrap();
        let trust = Trust::pem(identity.certificate_pem()).unwrap();
        let bind = Bind::new("127.0.0.1:0".parse().unwrap()).with_identity(identity);
        let listener = transport.listen(&bind, theirs).unwrap();
        let peer = Peer::new(listener.local_addr(), "localhost", trust);
        let accept = async { listener.accept().await.unwrap().handshake.await };
        let (session, connection) = tokio::join!(accept, transport.connect(&peer, ours));
        assert_eq!(connection.unwrap().link().cipher.as_deref(), Some(suite), "{name}, client");
        assert_eq!(session.unwrap().link().cipher.as_deref(), Some(suite), "{name}, server");
    }
}

#[tokio::test]
async fn tls_1_2_needs_a_setting_and_is_the_last_resort() {
    let any = Limits::for_any_peer(Profile::default());
    for (ours, theirs) in [(TlsVersion::Tls12, TlsVersion::Tls13), (TlsVersion::Tls12, TlsVersion::Tls12)] {
        assert!(cipher(&any, ours, theirs).await.unwrap().starts_with("TLS_"));
    }
}

#[tokio::test]
async fn a_client_that_knows_tls_1_2_alone_is_served_by_a_setting() {
    use rustls::{
        ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject as _,
        version::TLS12,
    };
    for (oldest, is_served) in [(TlsVersion::Tls13, false), (TlsVersion::Tls12, true)] {
        let identity = Identity::self_signed(&["localhost"]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes()).unwrap()).unwrap();
        let bind = Bind::new("127.0.0.1:0".parse().unwrap()).with_identity(identity).with_oldest_tls(oldest);
        let listener = listen_secured(&bind, &Limits::for_any_peer(Profile::default())).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let stream = tokio::net::TcpStream::connect(listener.local_addr()).await.unwrap();
        let accept = async { listener.accept().await.unwrap().handshake.await };
        let connect = connector.connect("localhost".try_into().unwrap(), stream);
        let (accepted, connected) = tokio::join!(accept, connect);
        // A client without ALPN speaks HTTP/1.1.
        assert_eq!((accepted.is_ok(), connected.is_ok()), (is_served, is_served));
    }
}
