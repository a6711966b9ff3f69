//! HTTP/2 to clients that return little credit: long bodies leave a part of the connection's window to short answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use futures_util::stream::iter;
use http::Response;
use http_body::Frame as Part;
use http_body_util::{BodyExt as _, StreamBody};
use longhaul_transport::{Body, BodyError, Guards, Incoming, Listener};
use tokio::{io::AsyncWriteExt as _, time::timeout};

use common::{count, http2::*, listen, request, soon};

const WINDOW: u32 = 65_535;

fn server() -> Box<dyn Listener> {
    let mut guards = Guards::default();
    guards.data_frame_budget = 8 << 20;
    listen(guards)
}

/// Returns a body of `chunks` chunks, whose length it does not state.
fn long(chunks: usize, chunk: usize) -> Body {
    let part = move |_| Ok::<_, BodyError>(Part::data(vec![7; chunk].into()));
    StreamBody::new(iter((0..chunks).map(part))).boxed_unsync()
}

/// Answers with a long body in a separate task.
fn download(incoming: Incoming, body: Body) {
    tokio::spawn(incoming.responder.respond(Response::new(body)));
}

/// Reads the data of a stream until none has arrived for 300 ms. Returns the number of bytes.
async fn drain(client: &mut End, stream: u32) -> usize {
    let mut length = 0;
    while let Ok(frame) = timeout(Duration::from_millis(300), client.find(DATA, stream)).await {
        length += frame.payload.len();
    }
    length
}

#[tokio::test]
async fn a_receipt_arrives_beside_a_cancelled_and_a_stalled_download() {
    for (is_first, is_cancelled) in [(true, true), (true, false), (false, true), (false, false)] {
        let (mut client, session) = End::connect(server().as_ref(), WINDOW).await;
        let (upload, cancelled) = if is_first { (1, 3) } else { (3, 1) };
        let mut uploading = None;
        for stream in [1, 3] {
            if stream == upload {
                client.put(upload).await;
                uploading = Some(request(session.as_ref()).await);
            } else {
                client.get(cancelled).await;
                download(request(session.as_ref()).await, long(100, 64 << 10));
            }
        }
        let length = drain(&mut client, cancelled).await;
        assert_eq!(length, WINDOW as usize - 4096);
        if is_cancelled {
            client.send(RST_STREAM, 0, cancelled, &8_u32.to_be_bytes()).await;
        }
        client.send(DATA, END_STREAM, upload, b"abc").await;
        let (body, ()) = tokio::join!(client.body(upload), count(uploading.unwrap()));
        assert_eq!(body, b"3", "first: {is_first}, cancelled: {is_cancelled}");
    }
}

#[tokio::test]
async fn a_client_that_returns_credit_at_the_last_byte_of_its_window_gets_the_whole_body() {
    let (mut client, session) = End::connect(server().as_ref(), WINDOW).await;
    client.get(1).await;
    download(request(session.as_ref()).await, long(2, 60_000));
    let (mut length, mut left) = (0, WINDOW as usize);
    while length < 120_000 {
        let data = client.find(DATA, 1).await.payload.len();
        (length, left) = (length + data, left - data);
        if left == 0 {
            client.credit(0, WINDOW).await;
            client.credit(1, WINDOW).await;
            left = WINDOW as usize;
        }
    }
}

#[tokio::test]
async fn streams_whose_own_windows_are_closed_take_nothing_from_the_connection() {
    let (mut client, session) = End::connect(server().as_ref(), 1).await;
    for stream in [1, 3, 5, 7, 9, 11] {
        client.get(stream).await;
        download(request(session.as_ref()).await, long(4, 15_000));
    }
    client.synchronise().await;
    client.credit(11, WINDOW).await;
    // One of the streams may have queued a chunk while the window was large.
    let length = drain(&mut client, 11).await;
    assert!(length > 40_000, "{length}");
}

#[tokio::test]
async fn cancelled_downloads_take_no_more_of_the_window_than_was_sent() {
    let (mut client, session) = End::connect(server().as_ref(), 1000).await;
    for round in 0..20 {
        let stream = 2 * round + 1;
        client.get(stream).await;
        download(request(session.as_ref()).await, long(4, 12_000));
        assert_eq!(client.find(DATA, stream).await.payload.len(), 1000);
        client.send(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await;
        client.synchronise().await;
    }
    client.get(41).await;
    client.credit(41, WINDOW).await;
    download(request(session.as_ref()).await, long(4, 10_000));
    assert_eq!(drain(&mut client, 41).await, 40_000);
    soon(client.0.shutdown()).await.unwrap();
}
