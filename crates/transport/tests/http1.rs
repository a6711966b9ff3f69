//! HTTP/1.1 with peers that use unusual parts of the protocol.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use longhaul_transport::{
    Body, BodySent, ChunkExtensions, Connection, Guards, Listener, Peer, Trust, body, by_name,
};
use record::{Limits, Profile};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::common::{count, listen, read_to_end, read_until, request, session, soon};

fn server() -> Box<dyn Listener> {
    let mut guards = Guards::default();
    guards.chunk_extensions = ChunkExtensions::Any;
    listen(guards)
}

/// Returns a body of 400 chunks with extensions of 27 KiB in sum, and 200 trailers.
fn adorned() -> Vec<u8> {
    let chunk = format!("400;sig={}\r\n{}\r\n", "a".repeat(64), "d".repeat(0x400));
    let trailers: String = (0..200).map(|at| format!("field-{at}: {}\r\n", "v".repeat(100))).collect();
    format!("{}0;x\r\n{trailers}\r\n", chunk.repeat(400)).into_bytes()
}

#[tokio::test]
async fn extensions_and_trailers_of_a_long_body_are_ignored_and_the_next_request_follows() {
    let listener = server();
    let head = b"PUT / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let (client, session) = session(listener.as_ref(), head).await;
    let (mut read, mut write) = client.into_split();
    let send = async {
        write.write_all(&adorned()).await.unwrap();
        write.write_all(b"PUT / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc").await.unwrap();
        write.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    };
    let serve = async {
        for _ in 0..3 {
            count(request(session.as_ref()).await).await;
        }
        assert!(soon(session.accept()).await.unwrap().is_none());
    };
    let mut answers = String::new();
    let (_, (), ()) = soon(async { tokio::join!(read.read_to_string(&mut answers), send, serve) }).await;
    for body in ["409600", "3", "0"] {
        assert!(answers.contains(&format!("\r\n\r\n{body}")), "{answers}");
    }
}

#[tokio::test]
async fn the_trailers_that_are_kept_arrive() {
    let start =
        b"PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\ndigest: d\r\n\r\n";
    let (_client, session) = session(server().as_ref(), start).await;
    let body = request(session.as_ref()).await.request.into_body();
    let body = soon(body.collect()).await.unwrap();
    assert_eq!(body.trailers().unwrap()["digest"], "d");
}

#[tokio::test]
async fn a_refusal_decided_from_the_head_comes_without_100_continue() {
    let start = b"PUT / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    let (mut client, session) = session(server().as_ref(), start).await;
    let incoming = request(session.as_ref()).await;
    let mut refusal = Response::new(body::full("no"));
    *refusal.status_mut() = StatusCode::FORBIDDEN;
    let (answered, drained) =
        tokio::join!(incoming.responder.respond(refusal), incoming.request.into_body().collect());
    answered.unwrap();
    assert!(drained.is_err());
    let read = read_until(&mut client, "no").await;
    assert!(read.starts_with("HTTP/1.1 403"), "{read}");
}

#[tokio::test]
async fn a_body_that_is_wanted_is_asked_for() {
    let start = b"PUT / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
    let (mut client, session) = session(server().as_ref(), start).await;
    let serve = async { count(request(session.as_ref()).await).await };
    let send = async {
        read_until(&mut client, "100 Continue\r\n\r\n").await;
        client.write_all(b"abc").await.unwrap();
        read_until(&mut client, "\r\n\r\n3").await;
    };
    tokio::join!(serve, send);
}

#[tokio::test]
async fn an_http_1_0_client_keeps_its_connection_if_it_asks() {
    let start = b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
    let (mut client, session) = session(server().as_ref(), start).await;
    for _ in 0..2 {
        count(request(session.as_ref()).await).await;
        let read = read_until(&mut client, "\r\n\r\n0").await.to_lowercase();
        assert!(read.contains("connection: keep-alive") && read.contains("content-length: 1"), "{read}");
        client.write_all(start).await.unwrap();
    }
}

#[tokio::test]
async fn codings_and_hosts_reach_the_session_as_they_are() {
    for coding in ["gzip, chunked", "chunked, chunked", "identity, chunked"] {
        let start =
            format!("PUT / HTTP/1.1\r\nhost: a\r\nhost: b\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n");
        let (_client, session) = session(server().as_ref(), start.as_bytes()).await;
        let headers = request(session.as_ref()).await.request.headers().clone();
        assert_eq!(headers["transfer-encoding"], coding);
        assert_eq!(headers.get_all("host").iter().count(), 2);
    }
    let (_client, session) = session(server().as_ref(), b"GET / HTTP/1.1\r\n\r\n").await;
    assert!(!request(session.as_ref()).await.request.headers().contains_key("host"));
}

/// Starts a server that reads the head of a request, sends `answer`, and closes without reading on. Returns a client of
/// that server.
async fn client_of(answer: Vec<u8>) -> Box<dyn Connection> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(&answer).await.unwrap();
        // The pause lets the request fill the buffers, so that closing resets the connection.
        sleep(Duration::from_millis(200)).await;
    });
    let peer = Peer::new(addr, "localhost", Trust::SystemRoots).with_chunk_extensions(ChunkExtensions::Any);
    by_name("h1c").unwrap().connect(&peer, &Limits::for_any_peer(Profile::default())).await.unwrap()
}

fn put(body: Body) -> Request<Body> {
    Request::put("http://localhost/").body(body).unwrap()
}

#[tokio::test]
async fn closing_does_not_wait_for_an_answer_that_never_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::new(listener.local_addr().unwrap(), "localhost", Trust::SystemRoots);
    let limits = Limits::for_any_peer(Profile::default());
    let connection = by_name("h1c").unwrap().connect(&peer, &limits).await.unwrap();
    let _server = soon(listener.accept()).await.unwrap();
    let mut exchange = std::pin::pin!(connection.exchange(put(body::full("abc"))));
    let close = async {
        sleep(Duration::from_millis(100)).await;
        timeout(Duration::from_secs(3), connection.close()).await
    };
    let closed = tokio::select! {
        response = &mut exchange => panic!("{:?}", response.map(|_| ())),
        closed = close => closed,
    };
    assert!(closed.is_ok(), "closing waits for the answer");
    assert!(soon(exchange).await.is_err(), "the exchange ends with its connection");
    assert!(soon(connection.exchange(put(body::full("abc")))).await.is_err());
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_read_although_the_server_closed() {
    let connection = client_of(b"HTTP/1.1 413 No\r\ncontent-length: 5\r\n\r\nlarge".to_vec()).await;
    let response = soon(connection.exchange(put(body::full(vec![7; 50_000_000])))).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "large");
}

#[tokio::test]
async fn a_body_counts_as_sent_once_it_was_taken_to_its_end() {
    let connection = client_of(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()).await;
    let response = soon(connection.exchange(put(body::full("short")))).await.unwrap();
    assert!(response.extensions().get::<BodySent>().unwrap().is_complete());
    let endless = http_body_util::StreamBody::new(futures_util::stream::repeat_with(|| {
        Ok(http_body::Frame::data(bytes::Bytes::from_static(&[7; 65_536])))
    }));
    let connection = client_of(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()).await;
    let response = soon(connection.exchange(put(endless.boxed_unsync()))).await.unwrap();
    assert!(!response.extensions().get::<BodySent>().unwrap().is_complete());
}

#[tokio::test]
async fn a_client_ignores_the_extensions_of_a_long_response_and_interim_responses() {
    let head = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let connection = client_of([&head[..], &adorned()].concat()).await;
    let response = soon(connection.exchange(put(body::empty()))).await.unwrap();
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes().len(), 409_600);
    soon(connection.close()).await;
}

#[tokio::test]
async fn a_response_that_the_end_of_the_connection_ends_passes_as_it_is() {
    let connection = client_of(b"HTTP/1.1 200 OK\r\n\r\n3;x\r\nabc".to_vec()).await;
    let response = soon(connection.exchange(put(body::empty()))).await.unwrap();
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "3;x\r\nabc");
}

#[tokio::test]
async fn a_head_that_is_no_head_ends_the_connection() {
    let (mut client, _session) = session(server().as_ref(), b"\r\n\r\nPUT / HTTP/9.9\r\n\r\nrest").await;
    let read = read_to_end(&mut client).await;
    assert!(read.starts_with("HTTP/1.1 400"), "{read}");
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn the_time_for_a_head_begins_with_its_first_byte() {
    for chunk_extensions in [ChunkExtensions::Few, ChunkExtensions::Any] {
        let mut guards = Guards::default();
        (guards.chunk_extensions, guards.header_timeout) = (chunk_extensions, Duration::from_millis(300));
        let (mut client, session) = session(listen(guards).as_ref(), GET).await;
        for _ in 0..2 {
            count(request(session.as_ref()).await).await;
            read_until(&mut client, "\r\n\r\n0").await;
            // An empty line begins no head.
            client.write_all(b"\r\n").await.unwrap();
            let next = timeout(Duration::from_secs(1), session.accept()).await;
            assert!(next.is_err(), "an idle connection goes on");
            client.write_all(GET).await.unwrap();
        }
        count(request(session.as_ref()).await).await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        let trickle = async {
            while client.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let ended = tokio::select! {
            ended = soon(session.accept()) => ended.err().unwrap().to_string(),
            () = trickle => panic!("the connection ended without an error"),
        };
        assert!(ended.contains("incomplete after 0.3 s"), "{ended}");
    }
}

#[tokio::test]
async fn a_slow_head_leaves_the_next_head_its_whole_time() {
    let mut guards = Guards::default();
    guards.header_timeout = Duration::from_secs(2);
    let (mut client, session) = session(listen(guards).as_ref(), &GET[..20]).await;
    // Each head takes more than half of its time, and comes together with the start of the next one.
    for _ in 0..2 {
        sleep(Duration::from_millis(1200)).await;
        client.write_all(&[&GET[20..], &GET[..20]].concat()).await.unwrap();
        count(request(session.as_ref()).await).await;
    }
}

#[tokio::test]
async fn a_target_that_is_too_long_is_414_unless_the_head_exceeds_its_limit() {
    let target = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(65_536));
    for (header_bytes, status) in [(64 << 10, "431"), (128 << 10, "414")] {
        let mut guards = Guards::default();
        guards.header_bytes = header_bytes;
        let (mut client, _session) = session(listen(guards).as_ref(), target.as_bytes()).await;
        let answer = read_to_end(&mut client).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_ends_its_direction_gets_its_response() {
    const LENGTH: usize = 5_000_000;
    for start in [GET, b"PUT / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc"] {
        let (mut client, session) = session(server().as_ref(), start).await;
        let incoming = request(session.as_ref()).await;
        client.shutdown().await.unwrap();
        sleep(Duration::from_millis(100)).await;
        soon(incoming.request.into_body().collect()).await.unwrap();
        soon(incoming.responder.respond(Response::new(body::full(vec![b'x'; LENGTH])))).await.unwrap();
        let (answer, end) = tokio::join!(read_to_end(&mut client), soon(session.accept()));
        assert_eq!(answer.matches('x').count(), LENGTH);
        assert!(end.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_client_that_vanishes_ends_its_response() {
    let (mut client, session) = session(server().as_ref(), GET).await;
    let (held, released) = oneshot::channel::<()>();
    let endless = futures_util::stream::repeat_with(move || {
        let _ = &held;
        Ok(http_body::Frame::data(bytes::Bytes::from_static(&[7; 65_536])))
    });
    let endless = http_body_util::StreamBody::new(endless).boxed_unsync();
    request(session.as_ref()).await.responder.respond(Response::new(endless)).await.unwrap();
    read_until(&mut client, "200 OK").await;
    drop(client);
    assert!(soon(released).await.is_err(), "the body is dropped");
}
