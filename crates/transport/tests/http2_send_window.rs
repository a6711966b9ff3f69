//! HTTP/2 to clients that return little credit: long bodies leave a part of the connection's window to short answers.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::iter;
use http::{HeaderMap, Response};
use http_body::Frame as Part;
use http_body_util::{BodyExt as _, StreamBody};
use longhaul_transport::{Body, BodyError, Guards, Incoming, Listener};
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::common::{count, http2::*, listen, request, soon};

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

/// Returns a body of several chunks that fill the window exactly, followed by `last`.
fn of_window(last: Option<Part<Bytes>>) -> Body {
    let chunk = || Part::data(vec![7; WINDOW as usize / 5].into());
    let parts = std::iter::repeat_with(chunk).take(5).chain(last).map(Ok::<_, BodyError>);
    StreamBody::new(iter(parts.collect::<Vec<_>>())).boxed_unsync()
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

#[tokio::test]
async fn trailers_and_an_end_without_data_need_no_window() {
    let trailers: HeaderMap = [("d".parse().unwrap(), "v".parse().unwrap())].into_iter().collect();
    for last in [Some(Part::trailers(trailers)), None] {
        let kind = if last.is_some() { HEADERS } else { DATA };
        let (mut client, session) = End::connect(server().as_ref(), WINDOW).await;
        client.get(1).await;
        download(request(session.as_ref()).await, of_window(last));
        let mut length = 0;
        let end = loop {
            let frame = client.next().await.unwrap();
            if frame.kind == DATA {
                length += frame.payload.len();
            }
            if frame.stream == 1 && frame.flags & END_STREAM != 0 {
                break frame;
            }
        };
        assert_eq!((length, end.kind), (WINDOW as usize, kind));
    }
}

#[tokio::test]
async fn a_body_whose_end_has_come_is_not_over_before_the_window_admits_it() {
    let (mut client, session) = End::connect(server().as_ref(), 100).await;
    client.get(1).await;
    let mut answer = request(session.as_ref()).await.responder.respond(Response::new(long(1, 1000)));
    tokio::select! {
        _ = &mut answer => panic!("900 bytes have no window"),
        first = client.find(DATA, 1) => assert_eq!(first.payload.len(), 100),
    }
    assert!(timeout(Duration::from_millis(300), &mut answer).await.is_err(), "900 bytes have no window");
    client.credit(1, 900).await;
    let (answered, body) = tokio::join!(soon(answer), client.body(1));
    answered.unwrap();
    assert_eq!(body.len(), 900);
}
