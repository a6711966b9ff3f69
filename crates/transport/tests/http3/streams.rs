//! Streams of one connection: a faulty stream affects neither others nor the connection.

use std::time::Duration;

use http::Response;
use longhaul_transport::{WindowBudget, body};
use quinn::VarInt;
use tokio::time::{Instant, timeout};

use super::{
    peer::{
        Answer, EXCESSIVE_LOAD, NO_ERROR, Peer, REQUEST_CANCELLED, REQUEST_INCOMPLETE, REQUEST_REJECTED,
        data, frame_head, get, put, soon,
    },
    server::{Reports, Server, answering, answering_with, read, strict},
};

/// H3_REQUEST_CANCELLED (RFC 9114 section 8.1), as the client sends it.
const CODE: VarInt = VarInt::from_u32(0x10c);

#[tokio::test]
async fn a_head_that_is_too_large_has_status_431_and_the_connection_goes_on() {
    let (peer, mut reports) = answering().await;
    let mut running = peer.begin(&[put("/running", &[]), data(&[0; 10])].concat()).await;
    // The sizes are just above the limit, above the size that is buffered, and far above both.
    for length in [66_000, 90_000, 500_000] {
        let value = "x".repeat(length);
        let exchange = peer.begin(&put("/large", &[("large", &value)])).await;
        assert_eq!(exchange.answer().await, Ok(Answer { status: 431, body: vec![] }), "{length}");
    }
    let answer = peer.request(&put("/a", &[("large", &"x".repeat(60_000))])).await.answer().await;
    assert_eq!(answer.unwrap().status, 200);
    running.send.finish().unwrap();
    assert_eq!(reports.of("/running").await, Ok(10));
    assert_eq!(running.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_head_with_too_many_fields_has_status_431_and_the_connection_goes_on() {
    let (peer, _reports) = answering().await;
    for (fields, status) in [(101, 431), (100, 200)] {
        let answer = peer.request(&put("/a", &vec![("a", "b"); fields])).await.answer().await;
        assert_eq!(answer.unwrap().status, status);
    }
}

/// A server whose connections begin with a small window, and whose clients have time for a head.
async fn patient() -> (Peer, Reports) {
    let mut guards = strict();
    guards.header_timeout = Duration::from_secs(20);
    guards.receive_budget = Some(WindowBudget::new(1 << 20));
    answering_with(guards).await
}

#[tokio::test]
async fn heads_that_arrive_in_parts_at_once_are_all_answered_if_they_are_short() {
    let (peer, _reports) = patient().await;
    let head = put("/a", &[("short", &"x".repeat(900))]);
    let (first, last) = head.split_at(head.len() - 1);
    let mut exchanges = Vec::new();
    for _ in 0..20 {
        exchanges.push(peer.begin(first).await);
    }
    for exchange in &mut exchanges {
        exchange.send.write_all(last).await.unwrap();
        exchange.send.finish().unwrap();
    }
    for exchange in exchanges {
        assert_eq!(exchange.answer().await.unwrap().status, 200);
    }
}

/// The client may make a rejected request again (RFC 9114 section 4.1.1).
#[tokio::test]
async fn long_heads_beyond_the_memory_for_heads_are_rejected_until_others_are_complete() {
    let (peer, _reports) = patient().await;
    let head = put("/a", &[("long", &"x".repeat(60_000))]);
    let (first, last) = head.split_at(100);
    let mut exchanges = Vec::new();
    for _ in 0..20 {
        exchanges.push(peer.begin(first).await);
    }
    let mut rejected = 0;
    for mut exchange in exchanges {
        let written = exchange.send.write_all(last).await.is_ok();
        let _ = exchange.send.finish();
        match exchange.answer().await {
            Ok(answer) => assert!(written && answer.status == 200),
            Err(code) => {
                assert_eq!(code, REQUEST_REJECTED);
                rejected += 1;
            }
        }
    }
    assert!((1..20).contains(&rejected), "{rejected}");
    assert_eq!(peer.request(&head).await.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_stream_that_is_cancelled_ends_alone() {
    let (peer, mut reports) = answering().await;
    let mut running = peer.begin(&[put("/running", &[]), data(&[0; 10])].concat()).await;
    let starts =
        [vec![], put("/a", &[])[..20].to_vec(), put("/a", &[]), [put("/b", &[]), data(b"x")].concat()];
    for start in starts {
        let mut cancelled = peer.begin(&start).await;
        if start.ends_with(b"x") {
            reports.begun("/b").await;
        }
        cancelled.send.reset(CODE).unwrap();
        cancelled.recv.stop(CODE).unwrap();
    }
    assert!(reports.of("/b").await.is_err());
    peer.assert_goes_on().await;
    running.send.finish().unwrap();
    assert_eq!(running.answer().await, Ok(Answer { status: 200, body: b"10".to_vec() }));
}

#[tokio::test]
async fn a_request_that_ends_within_its_head_is_reset() {
    let (peer, _reports) = answering().await;
    let nothing = peer.request(b"").await;
    assert_eq!(nothing.answer().await, Err(REQUEST_INCOMPLETE));
    peer.assert_goes_on().await;
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_given_up_and_one_that_has_not_begun_is_not() {
    let (peer, _reports) = answering().await;
    let mut quiet = peer.begin(b"").await;
    let began = Instant::now();
    let mut slow = peer.begin(&put("/slow", &[])[..10]).await;
    let trickle = async {
        while slow.send.write_all(&frame_head(0x21, 0)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = timeout(Duration::from_secs(10), trickle).await;
    assert_eq!(slow.stop_code().await, Some(REQUEST_INCOMPLETE));
    assert_eq!(slow.answer().await, Err(REQUEST_INCOMPLETE));
    assert!(began.elapsed() >= Duration::from_millis(300));
    // The server opens this stream because of a later one. Its own bytes may have to wait for the window of the
    // connection.
    soon(quiet.send.write_all(&get("/quiet"))).await.unwrap();
    quiet.send.finish().unwrap();
    assert_eq!(quiet.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn the_time_for_a_head_is_not_the_time_for_its_body() {
    let (peer, _reports) = answering().await;
    let mut exchange = peer.begin(&put("/a", &[])).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    exchange.send.write_all(&data(b"x")).await.unwrap();
    exchange.send.finish().unwrap();
    assert_eq!(exchange.answer().await.unwrap().body, b"1");
}

#[tokio::test]
async fn dropping_a_body_or_a_responder_ends_that_half_of_its_stream_alone() {
    let server = Server::new(strict());
    let (peer, session) = server.connect().await;
    let mut running = peer.begin(&[put("/running", &[]), data(&[0; 10])].concat()).await;
    let kept = soon(session.accept()).await.unwrap().unwrap();

    let exchange = peer.begin(&[put("/a", &[]), data(b"x")].concat()).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    drop(incoming.request);
    assert_eq!(exchange.stop_code().await, Some(NO_ERROR));
    incoming.responder.respond(Response::new(body::full("refused"))).await.unwrap();
    assert_eq!(exchange.answer().await, Ok(Answer { status: 200, body: b"refused".to_vec() }));

    let exchange = peer.begin(&put("/b", &[])).await;
    drop(soon(session.accept()).await.unwrap().unwrap().responder);
    assert_eq!(exchange.answer().await, Err(REQUEST_CANCELLED));

    running.send.finish().unwrap();
    assert_eq!(read(kept.request.into_body()).await, Ok(10));
    kept.responder.respond(Response::new(body::empty())).await.unwrap();
    assert_eq!(running.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_response_that_is_given_up_halfway_does_not_look_complete() {
    let server = Server::new(strict());
    let (peer, session) = server.connect().await;
    let exchange = peer.request(&get("/a")).await;
    let incoming = soon(session.accept()).await.unwrap().unwrap();
    // The body exceeds the client's window.
    let responding = incoming.responder.respond(Response::new(body::full(vec![0; 8 << 20])));
    timeout(Duration::from_millis(300), responding).await.unwrap_err();
    assert_eq!(exchange.answer().await, Err(REQUEST_CANCELLED));
}

#[tokio::test]
async fn rapid_reset_ends_the_connection() {
    let (peer, _reports) = answering().await;
    let mut streams = 0;
    let end = async {
        // The connection ends during this loop.
        while let Ok((mut send, mut recv)) = peer.connection.open_bi().await {
            let _ = send.write_all(&put("/a", &[])).await;
            let _ = (send.reset(CODE), recv.stop(CODE));
            streams += 1;
            assert!(streams < 5000);
        }
    };
    timeout(Duration::from_secs(60), end).await.unwrap();
    assert_eq!(peer.close_code().await, EXCESSIVE_LOAD);
    assert!(streams >= 1000, "{streams}");
}
