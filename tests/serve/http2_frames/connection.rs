//! Frames of the connection: their sizes, SETTINGS, PING, GOAWAY and extensions.

use super::{
    Case,
    Reaction::{Answers, Ends, Nothing},
    STREAM, assert_reactions, case,
    code::{FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR},
    download, get, head, put,
};
use crate::common::{
    http2::{
        ACK, CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PRIORITY,
        PUSH_PROMISE, SETTINGS, frame, frame_head, request, settings,
    },
    server::Server,
};

/// A type of frames that nobody has defined.
const UNKNOWN: u8 = 0xfa;

/// A set of flags that nobody has defined.
const UNDEFINED: u8 = 0xf0;

/// The names of settings (section 6.5.2).
const ENABLE_PUSH: u16 = 2;
const MAX_FRAME_SIZE: u16 = 5;

fn extensions() -> Vec<Case> {
    vec![
        case("a frame of an unknown type", "4.1", frame(UNKNOWN, 0xff, 0, b"x"), Nothing),
        case("an unknown frame of a stream that is idle", "5.5", frame(UNKNOWN, 0, 99, b"x"), Nothing),
        case("flags that are not defined", "4.1", frame(SETTINGS, UNDEFINED, 0, b""), Nothing),
        case("the reserved bit of a stream identifier", "4.1", frame(PING, 0, 1 << 31, b"reserved"), Nothing),
        case("an unknown setting", "6.5.2", frame(SETTINGS, 0, 0, &settings(&[(0xfa, 1)])), Nothing),
        case(
            "an unknown frame within a block of fields",
            "5.5",
            [frame(HEADERS, END_STREAM, STREAM, &request("GET", "/", &[])), frame(UNKNOWN, 0, 0, b"")]
                .concat(),
            Ends(PROTOCOL_ERROR),
        ),
    ]
}

fn control() -> Vec<Case> {
    let setting = |name, value| frame(SETTINGS, 0, 0, &settings(&[(name, value)]));
    vec![
        case("SETTINGS of a stream", "6.5", frame(SETTINGS, 0, STREAM, b""), Ends(PROTOCOL_ERROR)),
        case("ENABLE_PUSH of 2", "6.5.2", setting(ENABLE_PUSH, 2), Ends(PROTOCOL_ERROR)),
        case("MAX_FRAME_SIZE under 16,384", "6.5.2", setting(MAX_FRAME_SIZE, 16_383), Ends(PROTOCOL_ERROR)),
        case("MAX_FRAME_SIZE of 2^24", "6.5.2", setting(MAX_FRAME_SIZE, 1 << 24), Ends(PROTOCOL_ERROR)),
        case("PING of a stream", "6.7", frame(PING, 0, STREAM, b"together"), Ends(PROTOCOL_ERROR)),
        case("an answer to no PING", "6.7", frame(PING, ACK, 0, b"together"), Nothing),
        case("GOAWAY of a stream", "6.8", frame(GOAWAY, 0, STREAM, &[0; 8]), Ends(PROTOCOL_ERROR)),
        case(
            "PUSH_PROMISE of a client",
            "8.4",
            [put(&[]), frame(PUSH_PROMISE, END_HEADERS, STREAM, &[0, 0, 0, 2, 0x82])].concat(),
            Ends(PROTOCOL_ERROR),
        ),
        case("PRIORITY of the connection", "6.3", frame(PRIORITY, 0, 0, &[0; 5]), Ends(PROTOCOL_ERROR)),
        case(
            "PRIORITY of a stream that is idle",
            "5.1",
            frame(PRIORITY, 0, STREAM, &[0, 0, 0, 9, 1]),
            Nothing,
        ),
    ]
}

fn continuations() -> Vec<Case> {
    let block = request("GET", "/.longhaul/health", &[]);
    let (first, rest) = block.split_at(10);
    let begun = frame(HEADERS, END_STREAM, STREAM, first);
    let after = |next: Vec<u8>| [begun.clone(), next].concat();
    let rest = |stream| frame(CONTINUATION, END_HEADERS, stream, rest);
    vec![
        case("a block of fields in two frames", "6.10", after(rest(STREAM)), Answers),
        case("CONTINUATION of another stream", "6.10", after(rest(3)), Ends(PROTOCOL_ERROR)),
        case("CONTINUATION of the connection", "6.10", after(rest(0)), Ends(PROTOCOL_ERROR)),
        case("CONTINUATION without HEADERS", "6.10", rest(STREAM), Ends(PROTOCOL_ERROR)),
        case(
            "CONTINUATION behind the end of a block",
            "6.10",
            [get(STREAM), rest(STREAM)].concat(),
            Ends(PROTOCOL_ERROR),
        ),
        case("HEADERS within a block", "6.2", after(get(3)), Ends(PROTOCOL_ERROR)),
        case("DATA within a block", "6.2", after(frame(DATA, 0, STREAM, b"x")), Ends(PROTOCOL_ERROR)),
        case("PING within a block", "6.2", after(frame(PING, 0, 0, b"together")), Ends(PROTOCOL_ERROR)),
    ]
}

#[test]
fn extensions_are_ignored() {
    assert_reactions(extensions());
}

#[test]
fn control_frames_that_are_invalid_end_the_connection() {
    assert_reactions(control());
}

#[test]
fn a_block_of_fields_is_not_interrupted() {
    assert_reactions(continuations());
}

#[test]
fn a_frame_above_the_announced_size_ends_the_connection() {
    for args in [&[][..], &["--h2-frame", "16KiB"]] {
        let server = Server::start(args);
        for (kind, stream, before) in
            [(HEADERS, STREAM, vec![]), (DATA, STREAM, put(&[])), (UNKNOWN, 0, vec![])]
        {
            let mut client = Client::connect(server.cleartext());
            let size = client.setting(MAX_FRAME_SIZE).unwrap_or(16_384) as usize;
            client.send(&[before, frame_head(size + 1, kind, 0, stream), vec![0; size + 1]].concat());
            let last = client.until(|frame| frame.kind == GOAWAY);
            assert_eq!(last.number(), FRAME_SIZE_ERROR, "{kind}");
            assert_eq!(client.next(), None);
        }
        // A frame of exactly that size.
        let mut client = Client::connect(server.cleartext());
        let size = client.setting(MAX_FRAME_SIZE).unwrap_or(16_384) as usize;
        client.send(&[frame(UNKNOWN, 0, 0, &vec![0; size])].concat());
        client.until_pong();
    }
}

#[test]
fn settings_and_pings_are_acknowledged_once_each_and_in_order() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    let ack = |kind, payload: &[u8]| Frame { kind, flags: ACK, stream: 0, payload: payload.to_vec() };
    for round in 0..3_u8 {
        client
            .send(&[frame(SETTINGS, 0, 0, &settings(&[(0xfa, 1)])), frame(PING, 0, 0, &[round; 8])].concat());
    }
    let acknowledged = |frame: &Frame| frame.flags == ACK && matches!(frame.kind, SETTINGS | PING);
    let mut seen: Vec<_> = client.until_pong().into_iter().filter(acknowledged).collect();
    while seen.len() < 6 {
        seen.push(client.until(acknowledged));
    }
    let pings: Vec<_> = seen.iter().filter(|frame| frame.kind == PING).cloned().collect();
    assert!(pings.iter().enumerate().all(|(at, ping)| *ping == ack(PING, &[at as u8; 8])), "{pings:?}");
    assert_eq!(seen.iter().filter(|frame| **frame == ack(SETTINGS, b"")).count(), 3);
}

#[test]
fn streams_that_are_open_at_goaway_of_the_client_are_answered() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    let last = [[0; 4], NO_ERROR.to_be_bytes()].concat();
    client.send(&[put(&[]), frame(GOAWAY, 0, 0, &last), frame(DATA, END_STREAM, STREAM, b"hello")].concat());
    let answered = client.until(|frame| frame.stream == STREAM);
    assert_eq!((answered.kind, answered.payload[0]), (HEADERS, 0x88));
}

#[test]
fn a_server_that_stops_says_so_before_it_closes() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    client.send(&[download(), head(3, 0, &request("PUT", "/a", &[]))].concat());
    client.until_pong();
    nix::sys::signal::kill(server.pid(), nix::sys::signal::Signal::SIGTERM).unwrap();
    let goaway = client.until(|frame| frame.kind == GOAWAY);
    assert_eq!(goaway.number(), NO_ERROR);
    // The upload that was begun is still taken (section 6.8).
    client.send(&frame(DATA, END_STREAM, 3, b"hello"));
    let answered = client.until(|frame| (frame.kind, frame.stream) == (HEADERS, 3));
    assert_eq!(answered.payload[0], 0x88);
}
