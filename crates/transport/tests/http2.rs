//! HTTP/2 with unknown clients: a faulty stream does not affect others, and the cost of a client is bounded.

use std::time::Duration;

use futures_util::FutureExt as _;
use http::{HeaderMap, Response};
use http_body::Frame as Part;
use http_body_util::{BodyExt as _, StreamBody};
use longhaul_transport::{
    Bind, BodyError, Error, FIRST_WINDOW, Guards, Listener, Session, WindowBudget, body,
};
use record::{H2_SEND_BUFFER, LimitValue, Limits, Profile};
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::common::{count, http2::*, listen, request, soon};

/// Returns the bounds of a server of unknown clients.
fn guards() -> Guards {
    let mut guards = Guards::default();
    guards.data_frame_budget = 8 << 20;
    guards.receive_budget = Some(WindowBudget::new(8 << 20));
    guards
}

fn server() -> Box<dyn Listener> {
    listen(guards())
}

/// Ends a running upload on stream 1, and expects its confirmation.
async fn confirm(client: &mut End, upload: longhaul_transport::Incoming) {
    client.send(DATA, END_STREAM, 1, b"abc").await;
    let (body, ()) = tokio::join!(client.body(1), count(upload));
    assert_eq!(body, b"3");
}

#[tokio::test]
async fn a_request_that_is_left_unanswered_resets_its_stream_alone() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    client.put(1).await;
    client.get(3).await;
    client.put(5).await;
    let upload = request(session.as_ref()).await;
    drop(request(session.as_ref()).await);
    assert_eq!(client.find(RST_STREAM, 3).await.number(), 2, "INTERNAL_ERROR");
    // The body is kept, so that the stream stays open.
    let (responder, body) = {
        let incoming = request(session.as_ref()).await;
        (incoming.responder, incoming.request.into_body())
    };
    drop(responder);
    assert_eq!(client.find(RST_STREAM, 5).await.number(), 2);
    drop(body);
    confirm(&mut client, upload).await;
}

#[tokio::test]
async fn an_answer_without_a_window_ends_when_it_is_dropped_and_harms_no_other() {
    let (mut client, session) = End::connect(server().as_ref(), 0).await;
    client.put(1).await;
    client.get(3).await;
    let upload = request(session.as_ref()).await;
    let stuck = request(session.as_ref()).await;
    let answer = stuck.responder.respond(Response::new(body::full("no window")));
    assert!(timeout(Duration::from_millis(100), answer).await.is_err(), "the answer has not gone out");
    assert_eq!(client.find(RST_STREAM, 3).await.number(), 8, "CANCEL");
    client.credit(1, 100).await;
    confirm(&mut client, upload).await;
}

#[tokio::test]
async fn an_answer_is_over_once_the_window_admits_exactly_all_of_it() {
    let (mut client, session) = End::connect(server().as_ref(), 0).await;
    client.get(1).await;
    let incoming = request(session.as_ref()).await;
    let mut answer = incoming.responder.respond(Response::new(body::full("0123456789")));
    assert!((&mut answer).now_or_never().is_none());
    client.credit(1, 4).await;
    let first = tokio::select! {
        _ = &mut answer => panic!("six bytes have no window"),
        first = client.find(DATA, 1) => first,
    };
    assert_eq!(first.payload, b"0123");
    client.credit(1, 6).await;
    let (answered, body) = tokio::join!(soon(answer), client.body(1));
    answered.unwrap();
    assert_eq!(body, b"456789");
}

#[tokio::test]
async fn a_send_buffer_of_one_byte_makes_no_frames_of_one_byte() {
    let mut limits = Limits::for_any_peer(Profile::default());
    limits.set(&H2_SEND_BUFFER, LimitValue::Bytes(1)).unwrap();
    let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_guards(guards());
    let listener = longhaul_transport::listen_cleartext(&bind, &limits).unwrap();
    let (mut client, session) = End::connect(listener.as_ref(), 65_535).await;
    client.get(1).await;
    let incoming = request(session.as_ref()).await;
    let answer = incoming.responder.respond(Response::new(body::full(vec![7; 40_000])));
    let frames = async {
        let (mut frames, mut left) = (0, 40_000);
        while left > 0 {
            left -= client.find(DATA, 1).await.payload.len();
            frames += 1;
        }
        frames
    };
    let (answered, frames) = tokio::join!(soon(answer), frames);
    answered.unwrap();
    assert!(frames <= 6, "{frames} frames");
}

#[tokio::test]
async fn a_cancelled_request_is_an_error_of_its_own_stream() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    client.put(1).await;
    client.put(3).await;
    let upload = request(session.as_ref()).await;
    let cancelled = request(session.as_ref()).await;
    client.send(RST_STREAM, 0, 3, &8_u32.to_be_bytes()).await;
    let error = soon(cancelled.request.into_body().collect()).await.unwrap_err().to_string();
    assert!(error.contains("RST_STREAM CANCEL"), "{error}");
    confirm(&mut client, upload).await;
}

#[tokio::test]
async fn a_client_that_cancels_thousands_of_accepted_requests_is_told_to_calm_down() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    let serve = async {
        while let Ok(Some(incoming)) = session.accept().await {
            let _responder = incoming.responder;
            assert!(incoming.request.into_body().collect().await.is_err());
        }
        std::future::pending().await
    };
    let cancel = async {
        let mut stream = 1;
        loop {
            client.put(stream).await;
            client.send(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await;
            stream += 2;
            client.send(PING, 0, 0, b"together").await;
            loop {
                let frame = client.next().await.expect("GOAWAY comes before the end");
                match frame.kind {
                    GOAWAY => return (stream / 2, frame.number()),
                    PING => break,
                    _ => {}
                }
            }
        }
    };
    let (cancelled, code) = tokio::select! {
        end = cancel => end,
        never = serve => never,
    };
    assert_eq!(code, 11, "ENHANCE_YOUR_CALM");
    assert!((1000..3000).contains(&cancelled), "after {cancelled}");
}

#[tokio::test]
async fn a_session_that_shuts_down_says_so_at_once_and_its_exchanges_go_on() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    client.put(1).await;
    let upload = request(session.as_ref()).await;
    session.shut_down();
    let goaway = loop {
        let frame = client.next().await.unwrap();
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!(goaway.number(), 0, "NO_ERROR");
    // The client sends this request as if it had not received the GOAWAY yet.
    client.get(3).await;
    count(request(session.as_ref()).await).await;
    assert_eq!(client.body(3).await, b"0");
    client.send(DATA, END_STREAM, 1, b"abc").await;
    count(upload).await;
    assert_eq!(client.body(1).await, b"3");
    let end = async { while client.next().await.is_some() {} };
    let (last, ()) = soon(async { tokio::join!(session.accept(), end) }).await;
    assert!(last.unwrap().is_none());
}

/// Sends a body of `length` bytes within the connection's window. Returns the most bytes that were ever left in the window.
async fn upload(client: &mut End, length: usize) -> i64 {
    let settings = client.find(SETTINGS, 0).await.payload;
    let initial = settings.chunks(6).find(|setting| setting[..2] == [0, 4]).unwrap();
    let mut of_stream = i64::from(u32::from_be_bytes(initial[2..].try_into().unwrap()));
    let (mut window, mut most, mut sent) = (i64::from(FIRST_WINDOW), 0, 0);
    while sent < length {
        let size = 16_384.min(length - sent);
        while window.min(of_stream) < size as i64 {
            let frame = client.next().await.unwrap();
            match (frame.kind, frame.stream) {
                (WINDOW_UPDATE, 0) => {
                    window += i64::from(frame.number());
                    most = most.max(window);
                }
                (WINDOW_UPDATE, _) => of_stream += i64::from(frame.number()),
                _ => {}
            }
        }
        sent += size;
        window -= size as i64;
        of_stream -= size as i64;
        let flags = if sent == length { END_STREAM } else { 0 };
        client.send(DATA, flags, 1, &vec![7; size]).await;
    }
    client.send(PING, 0, 0, b"together").await;
    loop {
        let frame = client.next().await.unwrap();
        match frame.kind {
            WINDOW_UPDATE if frame.stream == 0 => {
                window += i64::from(frame.number());
                most = most.max(window);
            }
            PING => return most,
            _ => {}
        }
    }
}

#[tokio::test]
async fn windows_open_as_data_is_taken_and_the_budget_allows() {
    const LENGTH: usize = 5_000_000;
    let mut guards = guards();
    let budget = WindowBudget::new(600_000);
    guards.receive_budget = Some(budget.clone());
    let listener = listen(guards);
    let mut held = Vec::new();
    for at in 0..2 {
        let (mut client, session) = End::connect(listener.as_ref(), 65_535).await;
        client.put(1).await;
        let incoming = request(session.as_ref()).await;
        let (window, ()) = tokio::join!(upload(&mut client, LENGTH), count(incoming));
        let (least, most) = [(65_536, 665_535), (0, 65_535)][at];
        assert!((least..=most).contains(&window), "connection {at}: {window}");
        assert_eq!(budget.granted(), 600_000);
        held.push((client, session));
    }
    held.clear();
    soon(async {
        while budget.granted() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_unread_body_of_one_byte_frames_stops_its_connection_and_loses_nothing() {
    // h2 itself ends a connection with more than 32,896 such frames (`data_frame_budget`).
    const FRAMES: usize = 60_000;
    let (client, session) = End::connect(server().as_ref(), 65_535).await;
    let mut client = client;
    client.put(1).await;
    let incoming = request(session.as_ref()).await;
    let (mut read, mut write) = client.0.into_split();
    let frames = Frame::new(DATA, 0, 1, b"x").bytes().repeat(FRAMES);
    let last = Frame::new(DATA, END_STREAM, 1, b"x").bytes();
    let send = async {
        write.write_all(&frames).await.unwrap();
        write.write_all(&last).await.unwrap();
    };
    let serve = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let body = soon(incoming.request.into_body().collect()).await.unwrap();
        assert_eq!(body.to_bytes().len(), FRAMES + 1);
    };
    let drain = async {
        let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
    };
    tokio::select! {
        ((), ()) = soon(async { tokio::join!(send, serve) }) => {}
        () = drain => panic!("the connection ended"),
    }
}

#[tokio::test]
async fn a_connection_goes_on_after_a_head_that_is_too_large() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    // Ten fields of 7,000 bytes each: literal names and values.
    let field = [&b"\x00\x01x\x7f\xd9\x35"[..], &[b'a'; 7000]].concat();
    client.send(HEADERS, END_STREAM, 1, &[GET, &field, &field].concat()).await;
    for at in 0..4 {
        client.send(CONTINUATION, if at == 3 { END_HEADERS } else { 0 }, 1, &field.repeat(2)).await;
    }
    let refusal = client.find(HEADERS, 1).await;
    assert_eq!(refusal.flags & END_STREAM, END_STREAM);
    assert_eq!(told(session.as_ref()).await, Some(431));
    client.get(3).await;
    count(request(session.as_ref()).await).await;
    assert_eq!(client.body(3).await, b"0");
}

#[tokio::test]
async fn a_connection_goes_on_after_a_head_with_too_many_fields() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    // The field is `accept-charset:` of the static table.
    let head = |fields| [GET, &vec![0x8f; fields]].concat();
    client.send(HEADERS, END_STREAM | END_HEADERS, 1, &head(101)).await;
    assert_eq!(client.find(HEADERS, 1).await.flags & END_STREAM, END_STREAM);
    assert_eq!(told(session.as_ref()).await, Some(431));
    client.send(HEADERS, END_STREAM | END_HEADERS, 3, &head(100)).await;
    let incoming = request(session.as_ref()).await;
    assert_eq!(incoming.request.headers().len(), 100);
    count(incoming).await;
    assert_eq!(client.body(3).await, b"0");
}

#[tokio::test]
async fn a_head_whose_end_is_withheld_ends_its_connection_once_it_is_too_large() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    // The value of the field claims a megabyte.
    client.send(HEADERS, END_STREAM, 1, &[GET, b"\x00\x01x\x7f\x81\x80\x40"].concat()).await;
    for _ in 0..4 {
        client.send(CONTINUATION, 0, 1, &[b'a'; 40_000]).await;
    }
    let goaway = client.find(GOAWAY, 0).await;
    assert_eq!(goaway.payload[4..8], [0, 0, 0, 11], "ENHANCE_YOUR_CALM");
    assert_eq!(told(session.as_ref()).await, None);
}

#[tokio::test]
async fn heads_are_not_read_until_the_session_accepts_those_before() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    for stream in (1..200).step_by(2) {
        client.send(HEADERS, END_STREAM | END_HEADERS, stream, &[GET, &[0x8f; 90]].concat()).await;
    }
    client.send(PING, 0, 0, &[7; 8]).await;
    let answered = async { client.find(PING, 0).await };
    assert!(timeout(Duration::from_millis(300), answered).await.is_err(), "the heads wait");
    for stream in (1..200).step_by(2) {
        count(request(session.as_ref()).await).await;
        assert_eq!(client.body(stream).await, b"0");
    }
}

#[tokio::test]
async fn a_malformed_request_is_told_and_its_stream_reset() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    client.get(1).await;
    count(request(session.as_ref()).await).await;
    // The first head has two paths, the second a field of HTTP/1.1.
    for (stream, more) in [(3, &b"\x84"[..]), (5, b"\x00\x0aconnection\x05close")] {
        client.send(HEADERS, END_STREAM | END_HEADERS, stream, &[GET, more].concat()).await;
        assert_eq!(client.find(RST_STREAM, stream).await.number(), 1, "PROTOCOL_ERROR");
        assert_eq!(told(session.as_ref()).await, None);
    }
    client.get(7).await;
    count(request(session.as_ref()).await).await;
    // h2 ends the connection because of an invalid field name.
    client.send(HEADERS, END_STREAM | END_HEADERS, 9, &[GET, b"\x00\x03a b\x01v"].concat()).await;
    assert_eq!(told(session.as_ref()).await, None);
}

/// Returns the status of the next refusal. Panics if none comes.
async fn told(session: &dyn Session) -> Option<u16> {
    match soon(session.accept()).await {
        Err(Error::Refused { status, .. }) => status.map(|status| status.as_u16()),
        other => panic!("{:?}", other.map(|incoming| incoming.is_some())),
    }
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let (mut client, session) = End::connect(server().as_ref(), 65_535).await;
    client.put(1).await;
    client.send(DATA, 0, 1, b"abc").await;
    client.send(HEADERS, END_STREAM | END_HEADERS, 1, b"\x00\x01d\x01v").await;
    let incoming = request(session.as_ref()).await;
    let received = soon(incoming.request.into_body().collect()).await.unwrap();
    assert_eq!(received.trailers().unwrap()["d"], "v");
    assert_eq!(received.to_bytes(), "abc");
    let trailers: HeaderMap = [("e".parse().unwrap(), "w".parse().unwrap())].into_iter().collect();
    let parts: [Result<_, BodyError>; 2] = [Ok(Part::data("abc".into())), Ok(Part::trailers(trailers))];
    let body = StreamBody::new(futures_util::stream::iter(parts)).boxed_unsync();
    soon(incoming.responder.respond(Response::new(body))).await.unwrap();
    assert_eq!(client.find(DATA, 1).await.payload, b"abc");
    let last = client.find(HEADERS, 1).await;
    assert_eq!(last.flags & END_STREAM, END_STREAM);
}
