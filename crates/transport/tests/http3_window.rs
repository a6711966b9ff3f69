//! The receive windows of QUIC connections of unknown clients, which grow from one budget.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use longhaul_transport::{Bind, Guards, Identity, Peer, Trust, WindowBudget, body, by_name, listen_quic};
use record::{Limits, Profile, TransportStats};
use tokio::time::{sleep, timeout};

const LENGTH: usize = 8_000_000;

#[tokio::test]
async fn windows_of_quic_open_from_the_budget_and_return_it() {
    let budget = WindowBudget::new(1_000_000);
    let mut guards = Guards::default();
    guards.receive_budget = Some(budget.clone());
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    let trust = Trust::pem(identity.certificate_pem()).unwrap();
    let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_identity(identity).with_guards(guards);
    let limits = Limits::for_any_peer(Profile::default());
    let listener = listen_quic(&bind, &limits).unwrap();
    let peer = Peer::new(listener.local_addr(), "localhost", trust);
    let serve = async {
        let session = listener.accept().await.unwrap().handshake.await.unwrap();
        let incoming = session.accept().await.unwrap().unwrap();
        // The body is not read yet, so only a first window of bytes arrives.
        sleep(Duration::from_millis(300)).await;
        assert_eq!(budget.granted(), 0);
        let received = incoming.request.into_body().collect().await.unwrap().to_bytes().len();
        assert_eq!((received, budget.granted()), (LENGTH, 1_000_000));
        let Some(TransportStats::Quic(stats)) = session.link().stats else { panic!("no statistics") };
        // A call receives several datagrams.
        assert!((1..stats.datagrams_received).contains(&stats.receives), "{stats:?}");
        incoming.responder.respond(Response::new(body::full("taken"))).await.unwrap();
        let _ = session.accept().await;
    };
    let send = async {
        let connection = by_name("h3").unwrap().connect(&peer, &limits).await.unwrap();
        let upload = Request::put("https://localhost/").body(body::full(vec![7; LENGTH])).unwrap();
        let response = connection.exchange(upload).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "taken");
        connection.close().await;
    };
    timeout(Duration::from_secs(30), async { tokio::join!(serve, send) }).await.unwrap();
    timeout(Duration::from_secs(20), async {
        while budget.granted() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}
