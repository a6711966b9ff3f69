//! The frames of HTTP/2 as `serve` reads them (RFC 9113): what each of them must lead to.

mod connection;
mod deviations;
mod messages;
mod streams;
mod windows;

use crate::common::{
    http2::{Client, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, RST_STREAM, frame, request},
    server::Server,
};

/// The error codes of RFC 9113 section 7.
mod code {
    pub(crate) const NO_ERROR: u32 = 0;
    pub(crate) const PROTOCOL_ERROR: u32 = 1;
    pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
    pub(crate) const STREAM_CLOSED: u32 = 5;
    pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
    pub(crate) const REFUSED_STREAM: u32 = 7;
    pub(crate) const COMPRESSION_ERROR: u32 = 9;
}

/// Bytes that a client sends after the exchange of SETTINGS.
struct Case {
    name: &'static str,
    /// The section of RFC 9113.
    section: &'static str,
    bytes: Vec<u8>,
    reaction: Reaction,
}

/// The reaction of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    /// A connection error: GOAWAY with this code, and the end of the connection.
    Ends(u32),
    /// A stream error of [`STREAM`] with this code.
    Resets(u32),
    /// A malformed request: a stream error of type PROTOCOL_ERROR, which status 400 may precede (section 8.1.1).
    Malformed,
    /// A response with status 200.
    Answers,
    /// No reaction.
    Nothing,
}

/// The stream of a case, unless the case is about several.
const STREAM: u32 = 1;

/// The stream of the request that shows whether the connection goes on.
const PROBE: u32 = 0x1001;

fn case(name: &'static str, section: &'static str, bytes: Vec<u8>, reaction: Reaction) -> Case {
    Case { name, section, bytes, reaction }
}

/// Returns the frame of a request without a body.
fn get(stream: u32) -> Vec<u8> {
    head(stream, END_STREAM, &request("GET", "/.longhaul/health", &[]))
}

/// Returns the frame of the head of an upload.
fn put(more: &[(&str, &str)]) -> Vec<u8> {
    head(STREAM, 0, &request("PUT", "/a", more))
}

/// Returns the frame of a request whose response is longer than the windows.
fn download() -> Vec<u8> {
    head(STREAM, END_STREAM, &request("GET", "/?size=1GiB", &[]))
}

/// Returns a whole HEADERS frame.
fn head(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, block)
}

/// Asserts the reactions to all cases, each on a connection of its own to one server.
fn assert_reactions(cases: Vec<Case>) {
    let server = Server::start(&[]);
    let mut failed = Vec::new();
    for Case { name, section, bytes, reaction } in cases {
        let mut client = Client::connect(server.cleartext());
        client.send(&bytes);
        let seen = react(&mut client, reaction);
        let is_right = match reaction {
            Reaction::Nothing => seen.is_empty(),
            Reaction::Malformed => {
                [&[Reaction::Malformed][..], &[Reaction::Resets(code::PROTOCOL_ERROR)]].contains(&&seen[..])
            }
            _ => seen == [reaction],
        };
        if !is_right {
            failed.push(format!("{name} (section {section}): {reaction:?}, but got {seen:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Sends the probe, and reads until it is answered and the expected reaction has come. Returns all reactions.
fn react(client: &mut Client, expected: Reaction) -> Vec<Reaction> {
    client.send(&get(PROBE));
    let (mut seen, mut is_probed) = (Vec::new(), false);
    while !is_probed || (seen.is_empty() && expected != Reaction::Nothing) {
        let Some(frame) = client.next() else { return seen };
        is_probed |= frame.stream == PROBE && frame.ends_stream();
        seen.extend(reaction(&frame));
        if let Some(Reaction::Ends(_)) = seen.last() {
            // After GOAWAY the server closes.
            while client.next().is_some() {}
            return seen;
        }
    }
    seen
}

/// Returns the reaction that a frame shows.
fn reaction(frame: &Frame) -> Option<Reaction> {
    match (frame.kind, frame.stream) {
        (GOAWAY, _) => Some(Reaction::Ends(frame.number())),
        (_, PROBE) => None,
        (RST_STREAM, _) => Some(Reaction::Resets(frame.number()))
            .filter(|reaction| *reaction != Reaction::Resets(code::NO_ERROR)),
        (HEADERS, _) => match frame.payload[0] {
            // Entries of the static table: `:status` 200 and 400.
            0x88 => Some(Reaction::Answers),
            0x8c => Some(Reaction::Malformed),
            _ => None,
        },
        _ => None,
    }
}
