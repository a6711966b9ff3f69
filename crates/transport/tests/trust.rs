//! A client accepts only its trusted certificate, and only for the dialled name. Both ends refuse another application
//! protocol.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use longhaul_transport::{Bind, Error, Identity, Listener, Peer, Transport, Trust, all, by_name};
use record::Limits;

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
        // The server's error when the client refuses does not matter here.
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
