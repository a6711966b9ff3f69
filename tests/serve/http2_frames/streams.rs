//! The states of streams, their identifiers and their resets.

use super::{
    Case,
    Reaction::{Answers, Ends, Nothing, Resets},
    STREAM, assert_reactions, case,
    code::{NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM},
    download, get, head, put,
};
use crate::common::{
    http2::{
        CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, PADDED, PRIORITY, RST_STREAM, WINDOW_UPDATE,
        frame, request,
    },
    server::Server,
};

/// The name of a setting (section 6.5.2).
const MAX_CONCURRENT_STREAMS: u16 = 3;

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn credit(stream: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &1_u32.to_be_bytes())
}

fn identifiers() -> Vec<Case> {
    vec![
        case("a request on stream 0", "6.2", get(0), Ends(PROTOCOL_ERROR)),
        case("DATA of stream 0", "6.1", frame(DATA, 0, 0, b"x"), Ends(PROTOCOL_ERROR)),
        case("RST_STREAM of stream 0", "6.4", reset(0), Ends(PROTOCOL_ERROR)),
        case("a stream of an even number", "5.1.1", get(2), Ends(PROTOCOL_ERROR)),
        case("a stream below the last one", "5.1.1", [get(5), get(STREAM)].concat(), Ends(PROTOCOL_ERROR)),
    ]
}

fn idle() -> Vec<Case> {
    vec![
        case("DATA of a stream that is idle", "5.1", frame(DATA, 0, STREAM, b"x"), Ends(PROTOCOL_ERROR)),
        case("RST_STREAM of a stream that is idle", "5.1", reset(STREAM), Ends(PROTOCOL_ERROR)),
        case("WINDOW_UPDATE of a stream that is idle", "5.1", credit(STREAM), Ends(PROTOCOL_ERROR)),
        case(
            "CONTINUATION of a stream that is idle",
            "5.1",
            frame(CONTINUATION, END_HEADERS, STREAM, &request("GET", "/", &[])),
            Ends(PROTOCOL_ERROR),
        ),
    ]
}

/// The client has ended its half of a stream, and the server has not.
fn half_closed() -> Vec<Case> {
    let after = |next: Vec<u8>| [download(), next].concat();
    vec![
        case("WINDOW_UPDATE behind the end", "5.1", after(credit(STREAM)), Answers),
        case("PRIORITY behind the end", "5.1", after(frame(PRIORITY, 0, STREAM, &[0, 0, 0, 9, 1])), Answers),
        case(
            "RST_STREAM behind the end, twice",
            "5.1",
            after([reset(STREAM), reset(STREAM)].concat()),
            Nothing,
        ),
    ]
}

fn closed() -> Vec<Case> {
    let after = |next: Vec<u8>| [put(&[]), reset(STREAM), next].concat();
    vec![
        case("RST_STREAM behind RST_STREAM", "5.1", after(reset(STREAM)), Nothing),
        case("WINDOW_UPDATE behind RST_STREAM", "5.1", after(credit(STREAM)), Nothing),
        case(
            "PRIORITY behind RST_STREAM",
            "5.1",
            after(frame(PRIORITY, 0, STREAM, &[0, 0, 0, 9, 1])),
            Nothing,
        ),
    ]
}

/// The padding of DATA and HEADERS.
fn padding() -> Vec<Case> {
    let padded = |pad: u8, payload: &[u8]| {
        [put(&[]), frame(DATA, PADDED | END_STREAM, STREAM, &[&[pad], payload].concat())].concat()
    };
    vec![
        case("padding", "6.1", padded(3, b"hello\0\0\0"), Answers),
        case("nothing but padding", "6.1", padded(3, b"\0\0\0"), Answers),
        case("padding as long as the payload", "6.1", padded(6, b"hello"), Ends(PROTOCOL_ERROR)),
        case(
            "padding longer than a HEADERS frame",
            "6.2",
            frame(
                1,
                PADDED | END_HEADERS | END_STREAM,
                STREAM,
                &[&[200][..], &request("GET", "/", &[])].concat(),
            ),
            Ends(PROTOCOL_ERROR),
        ),
        case(
            "padding of HEADERS",
            "6.2",
            frame(
                1,
                PADDED | END_HEADERS | END_STREAM,
                STREAM,
                &[&[2][..], &request("GET", "/.longhaul/health", &[]), &[0, 0]].concat(),
            ),
            Answers,
        ),
    ]
}

#[test]
fn streams_have_odd_and_growing_numbers() {
    assert_reactions(identifiers());
}

#[test]
fn only_headers_and_priority_may_name_an_idle_stream() {
    assert_reactions(idle());
}

#[test]
fn frames_that_cross_the_end_of_a_stream_are_allowed() {
    assert_reactions(half_closed());
    assert_reactions(closed());
}

#[test]
fn padding_is_no_part_of_a_body_and_never_longer_than_its_frame() {
    assert_reactions(padding());
}

#[test]
fn a_stream_beyond_the_announced_number_is_refused_alone() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    let most = client.setting(MAX_CONCURRENT_STREAMS).expect("a bound");
    let last = 2 * most + 1;
    let block = request("PUT", "/a", &[]);
    client.send(&(0..=most).flat_map(|at| head(2 * at + 1, 0, &block)).collect::<Vec<_>>());
    let seen = client.until_pong();
    let resets: Vec<_> = seen.iter().filter(|frame| frame.kind == RST_STREAM).collect();
    let [refused] = resets[..] else { panic!("{resets:?}") };
    assert_eq!((refused.stream, refused.number()), (last, REFUSED_STREAM));
    // A place is free once a stream has ended.
    client.send(&[reset(STREAM), get(last + 2)].concat());
    client.until(|frame| frame.stream == last + 2 && frame.ends_stream());
}

#[test]
fn a_cancelled_download_sends_no_more() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    client.send(&download());
    client.until(|frame| frame.kind == DATA);
    client.send(&reset(STREAM));
    client.until_pong();
    client.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
    let late = client.until_pong();
    assert!(late.iter().all(|frame| frame.stream != STREAM), "{late:?}");
}

/// A server may answer before it has the whole request. It then stops the upload by RST_STREAM with NO_ERROR
/// (section 8.1).
#[test]
fn an_answer_before_the_end_of_a_request_stops_its_upload() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    client.send(&head(STREAM, 0, &request("GET", "/.longhaul/health", &[])));
    let mut is_answered = false;
    let reset = loop {
        let frame = client.next().expect("a connection that goes on");
        if frame.kind == RST_STREAM {
            break frame;
        }
        is_answered |= frame.stream == STREAM && frame.ends_stream();
    };
    assert!(is_answered);
    assert_eq!((reset.stream, reset.number()), (STREAM, NO_ERROR));
    // Frames that the client has sent before it knew are discarded (section 5.1).
    let largest = frame(WINDOW_UPDATE, 0, STREAM, &(u32::MAX >> 1).to_be_bytes());
    let late = [frame(DATA, 0, STREAM, b"late"), largest.clone(), largest, head(STREAM, END_STREAM, b"")];
    client.send(&late.concat());
    let seen = client.until_pong();
    assert!(seen.iter().all(|frame| frame.stream == 0), "{seen:?}");
}

/// The reset of one stream by the server leaves the others alone.
#[test]
fn a_stream_error_is_an_error_of_its_stream_alone() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    client.send(&put(&[]));
    client.send(&head(3, 0, &request("PUT", "/b", &[("content-length", "1")])));
    client.send(&frame(DATA, END_STREAM, 3, b"hello"));
    let reset = client.until(|frame| frame.kind == RST_STREAM);
    assert_eq!((reset.stream, super::reaction(&reset)), (3, Some(Resets(PROTOCOL_ERROR))));
    client.send(&frame(DATA, END_STREAM, STREAM, b"hello"));
    let answer = client.until(|frame| frame.stream == STREAM && frame.kind == 1);
    assert_eq!(super::reaction(&answer), Some(Answers));
}
