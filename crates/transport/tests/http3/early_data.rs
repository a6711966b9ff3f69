//! Early data of a client while the connections of the server take turns.

use http::{Request, Response, StatusCode};
use longhaul_transport::{
    Bind, Identity, Link, Listener, Peer as Address, Resumption, Sessions, Trust, WindowBudget, body,
    by_name, listen_quic,
};
use record::{LimitValue, Limits, UDP_BUFFER};

use super::{
    peer::{Peer, soon},
    server::strict,
};

/// Answers all requests.
async fn serve(listener: Box<dyn Listener>) {
    while let Ok(accepted) = listener.accept().await {
        tokio::spawn(async move {
            let Ok(session) = accepted.handshake.await else { return };
            while let Ok(Some(incoming)) = session.accept().await {
                let _ = incoming.responder.respond(Response::new(body::empty())).await;
            }
        });
    }
}

/// Downloads, and returns the facts about the connection.
async fn download(address: &Address) -> Link {
    let (transport, limits) = (by_name("h3").unwrap(), Limits::default());
    let connection = soon(transport.connect(address, &limits)).await.unwrap();
    let request = Request::get("https://localhost/").body(body::empty()).unwrap();
    let response = soon(connection.exchange(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let link = connection.link();
    soon(connection.close()).await;
    link
}

#[tokio::test]
async fn a_crowded_server_accepts_no_early_data_since_its_windows_are_smaller_than_before() {
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    let mut guards = strict();
    guards.receive_budget = Some(WindowBudget::new(1 << 20));
    let bind = Bind::new(([127, 0, 0, 1], 0).into())
        .with_identity(identity.clone())
        .with_guards(guards)
        .with_resumption(Resumption::EarlyData);
    // One first window fits in this buffer.
    let mut limits = Limits::default();
    limits.set(&UDP_BUFFER, LimitValue::Bytes(128 << 10)).unwrap();
    let listener = listen_quic(&bind, &limits).unwrap();
    let addr = listener.local_addr();
    tokio::spawn(serve(listener));

    let sessions = Sessions::new().with_early_data();
    let trust = Trust::pem(identity.certificate_pem()).unwrap();
    let address = Address::new(addr, "localhost", trust).with_sessions(sessions.clone());
    assert_eq!(download(&address).await.early_data, None);
    soon(sessions.received()).await;
    let mut crowd = Vec::new();
    for _ in 0..5 {
        crowd.push(Peer::connect(addr, &identity).await);
    }
    assert_eq!(download(&address).await.early_data, Some(false));
}
