//! A client of HTTP/2: it reports why its server ended a stream or a connection, and reads an answer that has arrived.

use std::{net::SocketAddr, time::Duration};

use http::{Request, StatusCode};
use http_body::Frame as Part;
use http_body_util::{BodyExt as _, StreamBody};
use longhaul_transport::{
    Body, BodyError, BodySent, ChunkExtensions, Connection, Peer, Trust, body, by_name,
};
use record::{Limits, Profile};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::common::{http2::*, soon};

/// The heads of responses: 200, and 413 as a literal.
const OK: &[u8] = b"\x88";
const TOO_LARGE: &[u8] = b"\x08\x03413";

/// Accepts a client, and exchanges the settings.
async fn accept(listener: &TcpListener) -> End {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut [0; PREFACE.len()]).await.unwrap();
    let mut server = End(stream);
    server.send(SETTINGS, 0, 0, b"").await;
    server.send(SETTINGS, ACK, 0, b"").await;
    server
}

/// Connects to a server.
async fn dial(addr: SocketAddr) -> Box<dyn Connection> {
    let peer = Peer::new(addr, "localhost", Trust::SystemRoots).with_chunk_extensions(ChunkExtensions::Any);
    let limits = Limits::for_any_peer(Profile::default());
    soon(by_name("h2c").unwrap().connect(&peer, &limits)).await.unwrap()
}

/// Starts a server that sends `frames` once a request has arrived, and closes without reading on. Returns a client of
/// that server.
async fn client_of(frames: Vec<Frame>) -> Box<dyn Connection> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut server = accept(&listener).await;
        server.find(HEADERS, 1).await;
        for frame in frames {
            server.0.write_all(&frame.bytes()).await.unwrap();
        }
        // The pause lets the request fill the buffers, so that closing resets the connection.
        sleep(Duration::from_millis(200)).await;
    });
    dial(addr).await
}

fn put(body: Body) -> Request<Body> {
    Request::put("http://localhost/").body(body).unwrap()
}

#[tokio::test]
async fn the_code_and_the_text_of_goaway_are_told_escaped_and_cut() {
    let text = [&b"calm \x1b[31m down "[..], &[b'x'; 1000]].concat();
    let goaway = [&[0, 0, 0, 0, 0, 0, 0, 11][..], &text].concat();
    let connection = client_of(vec![Frame::new(GOAWAY, 0, 0, &goaway)]).await;
    let error = soon(connection.exchange(put(body::empty()))).await.err().unwrap().to_string();
    assert!(error.contains("GOAWAY ENHANCE_YOUR_CALM") && error.contains("\\x1b[31m"), "{error}");
    assert!(!error.contains('\x1b') && error.chars().count() < 250, "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_after_goaway_names_it() {
    // This GOAWAY names the request as possibly processed, so it does not end the request by itself.
    let goaway = Frame::new(GOAWAY, 0, 0, b"\0\0\0\x01\0\0\0\x02restarting");
    let connection = client_of(vec![goaway]).await;
    let error = soon(connection.exchange(put(body::empty()))).await.err().unwrap().to_string();
    assert!(error.contains("INTERNAL_ERROR") && error.contains("restarting"), "{error}");
}

#[tokio::test]
async fn the_code_of_a_reset_is_told() {
    let reset = Frame::new(RST_STREAM, 0, 1, &7_u32.to_be_bytes());
    let connection = client_of(vec![reset]).await;
    let error = soon(connection.exchange(put(body::empty()))).await.err().unwrap().to_string();
    assert!(error.contains("RST_STREAM REFUSED_STREAM"), "{error}");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_read_although_the_server_closed() {
    let frames =
        vec![Frame::new(HEADERS, END_HEADERS, 1, TOO_LARGE), Frame::new(DATA, END_STREAM, 1, b"large")];
    let connection = client_of(frames).await;
    let response = soon(connection.exchange(put(body::full(vec![7; 50_000_000])))).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!response.extensions().get::<BodySent>().unwrap().is_complete());
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "large");
}

#[tokio::test]
async fn a_closed_connection_takes_leave() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serve = async {
        let mut server = accept(&listener).await;
        loop {
            if let Frame { kind: GOAWAY, .. } = server.next().await.expect("GOAWAY before the end") {
                return;
            }
        }
    };
    let dial = async { dial(listener.local_addr().unwrap()).await.close().await };
    soon(async { tokio::join!(serve, dial) }).await;
}

#[tokio::test]
async fn a_connection_with_an_unread_body_of_small_frames_is_not_read_and_loses_nothing() {
    const FRAMES: usize = 10_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (read, is_read) = oneshot::channel();
    let serve = async {
        let mut server = accept(&listener).await;
        server.find(HEADERS, 1).await;
        server.send(HEADERS, END_HEADERS, 1, OK).await;
        server.0.write_all(&Frame::new(DATA, 0, 1, b"x").bytes().repeat(FRAMES)).await.unwrap();
        server.send(DATA, END_STREAM, 1, b"x").await;
        let synchronised = timeout(Duration::from_millis(500), server.synchronise()).await;
        assert!(synchronised.is_err(), "a PING behind unread frames was answered");
        read.send(()).unwrap();
        while !matches!(server.next().await.unwrap(), Frame { kind: PING, flags: ACK, .. }) {}
    };
    let fetch = async {
        let connection = dial(listener.local_addr().unwrap()).await;
        let response = connection.exchange(put(body::empty())).await.unwrap();
        is_read.await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes().len(), FRAMES + 1);
        connection
    };
    let ((), _connection) = soon(async { tokio::join!(serve, fetch) }).await;
}

#[tokio::test]
async fn the_end_of_a_request_needs_no_window() {
    const WINDOW: usize = 65_535;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serve = async {
        let mut server = accept(&listener).await;
        assert_eq!(server.body(1).await.len(), WINDOW);
        server.send(HEADERS, END_STREAM | END_HEADERS, 1, OK).await;
        server
    };
    let send = async {
        let chunk = |_| Ok::<_, BodyError>(Part::data(vec![7; WINDOW / 5].into()));
        let body = StreamBody::new(futures_util::stream::iter((0..5).map(chunk))).boxed_unsync();
        let connection = dial(listener.local_addr().unwrap()).await;
        let response = connection.exchange(put(body)).await.unwrap();
        assert!(response.extensions().get::<BodySent>().unwrap().is_complete());
    };
    soon(async { tokio::join!(serve, send) }).await;
}
