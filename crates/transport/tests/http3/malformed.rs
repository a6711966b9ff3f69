//! Requests that are malformed (RFC 9114 sections 4.1.2, 4.2 and 4.3): their streams end, and the connection goes on.

use longhaul_transport::{Error, Session};

use super::{
    peer::{Answer, MESSAGE_ERROR, data, head, put, soon},
    server::{Server, answering, strict},
};

const METHOD: (&str, &str) = (":method", "PUT");
const SCHEME: (&str, &str) = (":scheme", "https");
const AUTHORITY: (&str, &str) = (":authority", "localhost");
const PATH: (&str, &str) = (":path", "/a");

#[tokio::test]
async fn malformed_heads_are_refused() {
    let (peer, _reports) = answering().await;
    let lengths =
        ["x", "-1", "", "5, 5", "18446744073709551616"].map(|length| vec![("content-length", length)]);
    let of_connections = [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "timeout=5"),
        ("upgrade", "h2c"),
        ("proxy-connection", "close"),
        ("te", "gzip"),
    ];
    let fields = of_connections.map(|field| vec![field]).into_iter().chain(lengths);
    let two = vec![("content-length", "10"), ("content-length", "9")];
    let mut heads: Vec<_> = fields.chain([two]).map(|fields| put("/a", &fields)).collect();
    heads.extend(
        [
            &[METHOD, SCHEME, AUTHORITY, PATH, PATH][..],
            &[METHOD, METHOD, SCHEME, AUTHORITY, PATH],
            &[METHOD, SCHEME, AUTHORITY, ("a", "b"), PATH],
            &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")],
            &[METHOD, SCHEME, AUTHORITY, PATH, (":protocol", "websocket")],
            &[METHOD, SCHEME, AUTHORITY, PATH, (":other", "x")],
            &[SCHEME, AUTHORITY, PATH],
            &[METHOD, AUTHORITY, PATH],
            &[METHOD, SCHEME, AUTHORITY],
            &[METHOD, AUTHORITY],
            &[METHOD, SCHEME, PATH],
            &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "elsewhere")],
            &[METHOD, SCHEME, (":authority", "user:secret@localhost"), PATH],
            &[METHOD, SCHEME, AUTHORITY, PATH, ("Upper", "case")],
        ]
        .map(head),
    );
    for head in heads {
        let answer = peer.request(&[head.clone(), data(&[0; 10])].concat()).await.answer().await;
        assert_eq!(answer, Err(MESSAGE_ERROR), "{}", String::from_utf8_lossy(&head));
    }
    peer.assert_goes_on().await;
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_announced_is_never_complete() {
    let (peer, mut reports) = answering().await;
    let running = peer.begin(&[put("/running", &[]), data(&[0; 10])].concat()).await;
    for (path, length) in [("/longer", "9"), ("/shorter", "11"), ("/empty", "0"), ("/much", "99999999999")] {
        let parts = [put(path, &[("content-length", length)]), data(&[0; 10])];
        let exchange = peer.request(&parts.concat()).await;
        reports.of(path).await.unwrap_err();
        assert_eq!(exchange.answer().await, Err(MESSAGE_ERROR), "{path}");
    }
    let parts = [put("/right", &[("content-length", "10")]), data(&[0; 10])];
    let answer = peer.request(&parts.concat()).await.answer().await;
    assert_eq!(answer, Ok(Answer { status: 200, body: b"10".to_vec() }));
    let mut running = running;
    running.send.finish().unwrap();
    assert_eq!(running.answer().await.unwrap().body, b"10");
}

#[tokio::test]
async fn malformed_trailers_make_a_body_incomplete() {
    let (peer, mut reports) = answering().await;
    let faults = [("connection", "close"), PATH, (":status", "200"), ("Upper", "case")];
    for (at, fault) in faults.into_iter().enumerate() {
        let path = format!("/{at}");
        let parts = [put(&path, &[]), data(&[0; 10]), head(&[("checksum", "1"), fault])];
        let exchange = peer.request(&parts.concat()).await;
        assert!(reports.of(&path).await.is_err(), "{fault:?}");
        assert_eq!(exchange.answer().await, Err(MESSAGE_ERROR), "{fault:?}");
    }
    peer.assert_goes_on().await;
}

#[tokio::test]
async fn a_refused_request_is_told_with_the_status_that_was_sent() {
    let server = Server::new(strict());
    let (peer, session) = server.connect().await;
    let large = put("/large", &[("large", &"x".repeat(70_000))]);
    let _large = peer.request(&large).await;
    let mut told = vec![refusal(session.as_ref()).await];
    for head in [put("/a", &[("connection", "close")]), head(&[METHOD, SCHEME, AUTHORITY]), vec![]] {
        let _refused = peer.request(&head).await;
        told.push(refusal(session.as_ref()).await);
    }
    assert_eq!(told, [Some(431), None, None, None]);
    // A client that cancels its request was not refused.
    let mut cancelled = peer.begin(&put("/b", &[])[..10]).await;
    cancelled.send.reset(0x10c_u32.into()).unwrap();
    let _served = peer.request(&put("/served", &[])).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    assert_eq!(incoming.request.uri().path(), "/served");
}

/// Returns the status of the next refusal. Panics if none comes.
async fn refusal(session: &dyn Session) -> Option<u16> {
    match soon(session.accept()).await {
        Err(Error::Refused { status, .. }) => status.map(|status| status.as_u16()),
        other => panic!("{:?}", other.map(|incoming| incoming.is_some())),
    }
}
