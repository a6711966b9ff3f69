//! Deviations of h2 from RFC 9113, and stream errors that it treats as errors of the connection, as section 5.4.1 allows.
//! `docs/reference/conformance.md` lists them. A test that fails here after an update of h2 tells that one is gone: the
//! case moves to its table, with the reaction that its section asks for.

use super::{
    Case,
    Reaction::{Answers, Ends, Malformed, Resets},
    STREAM, assert_reactions, case,
    code::{COMPRESSION_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED},
    download, head, put,
};
use crate::common::http2::{
    ACK, DATA, END_STREAM, GOAWAY, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame,
    request, settings,
};

/// A case with the reaction that is seen, and the one that its section asks for.
struct Deviation {
    case: Case,
    required: super::Reaction,
}

fn deviation(
    name: &'static str,
    section: &'static str,
    bytes: Vec<u8>,
    required: super::Reaction,
    seen: super::Reaction,
) -> Deviation {
    assert_ne!(required, seen, "{name} is no deviation");
    Deviation { case: case(name, section, bytes, seen), required }
}

/// Frames whose length is wrong end the connection with another error code.
fn sizes() -> Vec<Deviation> {
    let wrong =
        |name, section, bytes| deviation(name, section, bytes, Ends(FRAME_SIZE_ERROR), Ends(PROTOCOL_ERROR));
    vec![
        wrong("SETTINGS of 5 bytes", "6.5", frame(SETTINGS, 0, 0, &[0; 5])),
        wrong("an acknowledgement with a payload", "6.5", frame(SETTINGS, ACK, 0, &[0; 6])),
        wrong("PING of 7 bytes", "6.7", frame(PING, 0, 0, &[0; 7])),
        wrong("GOAWAY of 7 bytes", "4.2", frame(GOAWAY, 0, 0, &[0; 7])),
        wrong("WINDOW_UPDATE of 3 bytes", "6.9", frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        wrong("RST_STREAM of 3 bytes", "6.4", [put(&[]), frame(RST_STREAM, 0, STREAM, &[0; 3])].concat()),
        deviation(
            "PRIORITY of 4 bytes",
            "6.3",
            frame(PRIORITY, 0, STREAM, &[0; 4]),
            Resets(FRAME_SIZE_ERROR),
            Ends(PROTOCOL_ERROR),
        ),
    ]
}

/// Other error codes than required.
fn codes() -> Vec<Deviation> {
    let block = |bytes: &[u8]| head(STREAM, END_STREAM, &[&request("GET", "/", &[]), bytes].concat());
    let broken =
        |name, bytes| deviation(name, "4.3", block(bytes), Ends(COMPRESSION_ERROR), Ends(PROTOCOL_ERROR));
    vec![
        broken("a field with index 0", b"\x80"),
        broken("a field with an index beyond the tables", b"\xff\x00"),
        broken("a literal that is cut off", b"\x00\x05ab"),
        broken("a table above its announced size", b"\x3f\xff\xff\x7f"),
        deviation(
            "an initial window of 2^31",
            "6.5.2",
            frame(SETTINGS, 0, 0, &settings(&[(4, 1 << 31)])),
            Ends(FLOW_CONTROL_ERROR),
            Ends(PROTOCOL_ERROR),
        ),
        deviation(
            "DATA behind the end of a stream",
            "5.1",
            [download(), frame(DATA, 0, STREAM, b"x")].concat(),
            Resets(STREAM_CLOSED),
            Ends(PROTOCOL_ERROR),
        ),
    ]
}

/// Errors of a stream that end the connection, as section 5.4.1 allows.
fn scopes() -> Vec<Deviation> {
    let with = |name: &str, value: &str| head(STREAM, END_STREAM, &request("PUT", "/a", &[(name, value)]));
    let malformed = |name, section, bytes| deviation(name, section, bytes, Malformed, Ends(PROTOCOL_ERROR));
    vec![
        malformed("a name in upper case", "8.2.1", with("Upper", "x")),
        malformed("a blank in a name", "8.2.1", with("a b", "x")),
        malformed("a colon in a name", "8.2.1", with("a:b", "x")),
        malformed("an empty name", "8.2.1", with("", "x")),
        malformed("NUL in a value", "8.2.1", with("a", "x\0y")),
        malformed("CR in a value", "8.2.1", with("a", "x\ry")),
        malformed("LF in a value", "8.2.1", with("a", "x\ny")),
        malformed("an unknown pseudo-header field", "8.3", {
            let lines = [(":method", "PUT"), (":scheme", "http"), (":path", "/a"), (":other", "x")];
            head(STREAM, END_STREAM, &fields(&lines))
        }),
        deviation(
            "a credit of 0 for a stream",
            "6.9",
            [put(&[]), frame(WINDOW_UPDATE, 0, STREAM, &[0; 4])].concat(),
            Resets(PROTOCOL_ERROR),
            Ends(PROTOCOL_ERROR),
        ),
    ]
}

/// Malformed requests that are served.
fn accepted() -> Vec<Deviation> {
    let trailers = fields(&[(":path", "/b"), ("a", "b")]);
    let served = |name, section, bytes| deviation(name, section, bytes, Malformed, Answers);
    vec![
        served(
            "pseudo-header fields in trailers",
            "8.1",
            [put(&[]), frame(DATA, 0, STREAM, b"hello"), head(STREAM, END_STREAM, &trailers)].concat(),
        ),
        served("a fragment in :path", "8.3.1", head(STREAM, END_STREAM, &request("PUT", "/a#b", &[]))),
    ]
}

#[test]
fn the_deviations_of_h2_are_those_that_are_listed() {
    let listed = include_str!("../../../docs/reference/conformance.md");
    let all: Vec<_> = [sizes(), codes(), scopes(), accepted()].into_iter().flatten().collect();
    for Deviation { case, required } in &all {
        let row = format!("| {} | {} |", case.name, case.section);
        assert!(
            listed.contains(&row),
            "docs/reference/conformance.md has no row '{row}' (required: {required:?})"
        );
    }
    assert_reactions(all.into_iter().map(|deviation| deviation.case).collect());
}
