//! The streams, frames and QPACK instructions of HTTP/3 as `serve` reads them (RFC 9114, RFC 9204).
//!
//! The tests of the transport's crate cover what bounds memory and what concerns single messages
//! (`crates/transport/tests/http3/`). These cases are the errors of a connection that the program must show.

use crate::common::http3::{Client, DATA, HEADERS, SETTINGS, frame, integer, section};
use crate::common::server::Server;

/// The types of frames and streams that the cases use.
const CANCEL_PUSH: u64 = 0x3;
const GOAWAY: u64 = 0x7;
const MAX_PUSH_ID: u64 = 0xd;
const CONTROL: u8 = 0;
const ENCODER: u8 = 2;
const DECODER: u8 = 3;

/// The error codes of RFC 9114 section 8.1 and RFC 9204 section 6.
const FRAME_UNEXPECTED: u64 = 0x105;
const FRAME_ERROR: u64 = 0x106;
const ID_ERROR: u64 = 0x108;
const SETTINGS_ERROR: u64 = 0x109;
const DECOMPRESSION_FAILED: u64 = 0x200;
const ENCODER_STREAM_ERROR: u64 = 0x201;
const DECODER_STREAM_ERROR: u64 = 0x202;

/// The bytes of a client on a connection of its own, and the expected reaction.
struct Case {
    name: &'static str,
    /// The section of RFC 9114, unless another document is named.
    section: &'static str,
    sent: Sent,
    reaction: Reaction,
}

enum Sent {
    /// A control stream of SETTINGS and these bytes.
    Control(Vec<u8>),
    /// A control stream whose SETTINGS frame has this payload.
    Settings(Vec<u8>),
    /// A unidirectional stream beside a control stream.
    Stream(Vec<u8>),
    /// A request beside a control stream.
    Request(Vec<u8>),
}

/// The reaction of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    /// The end of the connection with this code.
    Closes(u64),
    /// A response with status 200 to the request, or to another one behind what was sent.
    GoesOn,
}

use Reaction::{Closes, GoesOn};
use Sent::{Control, Request, Settings, Stream};

fn case(name: &'static str, section: &'static str, sent: Sent, reaction: Reaction) -> Case {
    Case { name, section, sent, reaction }
}

fn get() -> Vec<u8> {
    frame(HEADERS, &section("GET", "/.longhaul/health", &[]))
}

fn settings() -> Vec<Case> {
    let pair = |name, value| [integer(name), integer(value)].concat();
    let mut cases = vec![
        case("no setting", "7.2.4", Settings(vec![]), GoesOn),
        case("an unknown setting", "7.2.4.1", Settings(pair(0x21, 7)), GoesOn),
        case("a setting twice", "7.2.4", Settings(pair(6, 9).repeat(2)), Closes(SETTINGS_ERROR)),
        case("a setting without its value", "7.2.4", Settings(integer(6)), Closes(FRAME_ERROR)),
    ];
    for name in [0x2, 0x3, 0x4, 0x5] {
        cases.push(case("a setting of HTTP/2", "7.2.4.1", Settings(pair(name, 1)), Closes(SETTINGS_ERROR)));
    }
    cases
}

fn control() -> Vec<Case> {
    let with = |frames: &[(u64, &[u8])]| {
        Control(frames.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect())
    };
    let mut cases = vec![
        case("an unknown frame", "7.2.8", with(&[(0x21, b"x")]), GoesOn),
        case("PUSH IDs that may be used", "7.2.7", with(&[(MAX_PUSH_ID, &[1]), (MAX_PUSH_ID, &[2])]), GoesOn),
        case("fewer PUSH IDs", "7.2.7", with(&[(MAX_PUSH_ID, &[2]), (MAX_PUSH_ID, &[1])]), Closes(ID_ERROR)),
        case(
            "a cancelled push that was never promised",
            "7.2.3",
            with(&[(CANCEL_PUSH, &[0])]),
            Closes(ID_ERROR),
        ),
        case("GOAWAY", "5.2", with(&[(GOAWAY, &[0])]), GoesOn),
        case("GOAWAY with a greater ID", "5.2", with(&[(GOAWAY, &[0]), (GOAWAY, &[4])]), Closes(ID_ERROR)),
        case("an empty GOAWAY", "7.1", with(&[(GOAWAY, b"")]), Closes(FRAME_ERROR)),
        case("GOAWAY with more than an ID", "7.1", with(&[(GOAWAY, &[0, 0])]), Closes(FRAME_ERROR)),
        case("MAX_PUSH_ID with more than an ID", "7.1", with(&[(MAX_PUSH_ID, &[0, 0])]), Closes(FRAME_ERROR)),
        case("a MAX_PUSH_ID that is cut off", "7.1", with(&[(MAX_PUSH_ID, &[0x40])]), Closes(FRAME_ERROR)),
    ];
    for kind in [DATA, HEADERS, SETTINGS, 0x5, 0x2, 0x6, 0x8, 0x9] {
        let frame = with(&[(kind, &[])]);
        cases.push(case("a frame that does not belong here", "7.2", frame, Closes(FRAME_UNEXPECTED)));
    }
    cases
}

fn requests() -> Vec<Case> {
    let mut cases = vec![
        case("a request", "4.1", Request(get()), GoesOn),
        case("an unknown frame before it", "4.1", Request([frame(0x21, b"x"), get()].concat()), GoesOn),
    ];
    for kind in [CANCEL_PUSH, SETTINGS, 0x5, GOAWAY, MAX_PUSH_ID, 0x2, 0x6, 0x8, 0x9] {
        for before in [vec![], frame(HEADERS, &section("PUT", "/a", &[]))] {
            let bytes = [before, frame(kind, &[0])].concat();
            let name = "a frame that does not belong into a request";
            cases.push(case(name, "7.2", Request(bytes), Closes(FRAME_UNEXPECTED)));
        }
    }
    cases
}

fn field_sections() -> Vec<Case> {
    let with = |more: &[u8]| Request(frame(HEADERS, &section("GET", "/.longhaul/health", more)));
    let of = |encoded: &[u8]| Request(frame(HEADERS, encoded));
    let fails = |name, section, sent| case(name, section, sent, Closes(DECOMPRESSION_FAILED));
    vec![
        // Accept: */* is entry 29 of the static table, the last one is 98.
        case("an entry of the static table", "RFC 9204 4.5.2", with(&[0xc0 | 29]), GoesOn),
        case("the last entry of the static table", "RFC 9204 4.5.2", with(&[0xff, 98 - 63]), GoesOn),
        case("a literal with a name of the static table", "RFC 9204 4.5.4", with(b"\x5f\x0e\x01x"), GoesOn),
        fails("an entry behind the static table", "RFC 9204 3.1", with(&[0xff, 99 - 63])),
        fails("a name behind the static table", "RFC 9204 3.1", with(b"\x5f\x54\x01x")),
        fails("an entry of the dynamic table", "RFC 9204 4.5.2", with(&[0x80])),
        fails("an entry behind the base", "RFC 9204 4.5.3", with(&[0x10])),
        fails("a name of the dynamic table", "RFC 9204 4.5.4", with(b"\x40\x01x")),
        fails("a name behind the base", "RFC 9204 4.5.5", with(b"\x00\x01x")),
        fails("a required entry", "RFC 9204 4.5.1.1", of(&[0x02, 0x00, 0xd1])),
        fails("a value that is cut off", "RFC 9204 4.5.6", with(b"\x21a\x05b")),
        fails("an integer that is cut off", "RFC 9204 4.1.1", with(&[0xff])),
        fails("an integer over 62 bits", "RFC 9204 4.1.1", with(&[0xff; 12])),
        fails("no prefix", "RFC 9204 4.5.1", of(&[])),
    ]
}

fn instructions() -> Vec<Case> {
    let encoder = |name, section, bytes: &[u8], reaction| {
        case(name, section, Stream([&[ENCODER], bytes].concat()), reaction)
    };
    let decoder = |name, section, bytes: &[u8], reaction| {
        case(name, section, Stream([&[DECODER], bytes].concat()), reaction)
    };
    vec![
        encoder("a table of no entries", "RFC 9204 4.3.1", &[0x20], GoesOn),
        encoder("a table above its bound", "RFC 9204 4.3.1", &[0x21], Closes(ENCODER_STREAM_ERROR)),
        encoder("an entry", "RFC 9204 4.3.2", &[0xc1, 1, b'x'], Closes(ENCODER_STREAM_ERROR)),
        encoder(
            "an entry with a literal name",
            "RFC 9204 4.3.3",
            b"\x41a\x01b",
            Closes(ENCODER_STREAM_ERROR),
        ),
        encoder("a copy of an entry", "RFC 9204 4.3.4", &[0], Closes(ENCODER_STREAM_ERROR)),
        decoder("a cancelled stream", "RFC 9204 4.4.2", &[0x40, 0x7f, 0x80, 0x01], GoesOn),
        decoder("an acknowledged section", "RFC 9204 4.4.1", &[0x80], Closes(DECODER_STREAM_ERROR)),
        decoder("an increment of 0", "RFC 9204 4.4.3", &[0x00], Closes(DECODER_STREAM_ERROR)),
        decoder("an increment of 1", "RFC 9204 4.4.3", &[0x01], Closes(DECODER_STREAM_ERROR)),
    ]
}

#[tokio::test]
async fn settings_are_known_ones_or_ignored() {
    assert_reactions(settings()).await;
}

#[tokio::test]
async fn frames_of_a_control_stream_are_complete_and_belong_there() {
    assert_reactions(control()).await;
}

#[tokio::test]
async fn frames_that_do_not_belong_to_a_request_close_the_connection() {
    assert_reactions(requests()).await;
}

#[tokio::test]
async fn a_field_section_that_cannot_be_decoded_closes_the_connection() {
    assert_reactions(field_sections()).await;
}

#[tokio::test]
async fn instructions_for_a_dynamic_table_close_the_connection() {
    assert_reactions(instructions()).await;
}

/// Asserts the reactions to all cases, each on a connection of its own to one server.
async fn assert_reactions(cases: Vec<Case>) {
    let server = Server::start(&[]);
    let mut failed = Vec::new();
    for Case { name, section, sent, reaction } in cases {
        let seen = react(&server, &sent, reaction).await;
        if seen != Seen::Reaction(reaction) {
            failed.push(format!("{name} (section {section}): {reaction:x?}, but got {seen:x?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The observed reaction of a server.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Reaction(Reaction),
    /// Another status than 200.
    Status(u16),
    /// The reset of the request, with its error code.
    Reset(u64),
}

/// Sends what a case sends, and returns the reaction.
async fn react(server: &Server, sent: &Sent, expected: Reaction) -> Seen {
    let mut client = Client::connect(server.tls().parse().unwrap(), &server.certificate()).await;
    let settings = |payload: &[u8]| [&[CONTROL][..], &frame(SETTINGS, payload)].concat();
    let mut request = get();
    match sent {
        Control(bytes) => client.open_uni(&[&settings(b"")[..], bytes].concat()).await,
        Settings(payload) => client.open_uni(&settings(payload)).await,
        Stream(bytes) => {
            client.open_uni(&settings(b"")).await;
            client.open_uni(bytes).await;
        }
        Request(bytes) => {
            client.open_uni(&settings(b"")).await;
            request.clone_from(bytes);
        }
    }
    match client.request(&request).await {
        Some(Ok(200)) if expected == GoesOn => Seen::Reaction(GoesOn),
        Some(Ok(status)) if expected == GoesOn => Seen::Status(status),
        Some(Err(code)) if expected == GoesOn => Seen::Reset(code),
        // An answer, or the reset of the request, may come before the end of the connection.
        _ => Seen::Reaction(client.close_code().await.map_or(GoesOn, Closes)),
    }
}
