//! The frames of HTTP/2 as `fetch` reads them (RFC 9113): a body is whole, or the download fails, and the server learns why.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::common::http2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PADDED, PING, PUSH_PROMISE,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame, frame_head, settings,
};
use crate::common::{longhaul, text};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;

/// The stream of the request.
const STREAM: u32 = 1;

/// The longest that a frame of the client may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes that a server sends once the request has come. The connection ends behind them.
struct Case {
    name: &'static str,
    /// The section of RFC 9113.
    section: &'static str,
    bytes: Vec<u8>,
    reaction: Reaction,
}

/// The reaction of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    /// The download succeeds with the body `hello`.
    Taken,
    /// The download fails, and leaves no file.
    Failed,
    /// The download fails, after GOAWAY with this code.
    Ends(u32),
    /// The download fails, after RST_STREAM with this code.
    Resets(u32),
}

use Reaction::{Ends, Failed, Resets, Taken};

fn case(name: &'static str, section: &'static str, bytes: Vec<u8>, reaction: Reaction) -> Case {
    Case { name, section, bytes, reaction }
}

/// Returns a whole HEADERS frame with these field lines.
fn head(flags: u8, lines: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, STREAM, &fields(lines))
}

/// Returns the head of a response with status 200.
fn ok(more: &[(&str, &str)]) -> Vec<u8> {
    head(0, &[&[(":status", "200")], more].concat())
}

/// Returns a DATA frame.
fn data(flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, flags, STREAM, bytes)
}

/// Returns the body `hello` in a frame that ends the stream.
fn hello() -> Vec<u8> {
    data(END_STREAM, b"hello")
}

fn reset(code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, STREAM, &code.to_be_bytes())
}

fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

fn whole_bodies() -> Vec<Case> {
    let (block, between) = (fields(&[(":status", "200")]), frame(0xfa, 0, STREAM, b"x"));
    let split =
        [frame(HEADERS, 0, STREAM, &block[..4]), frame(CONTINUATION, END_HEADERS, STREAM, &block[4..])];
    let length = ok(&[("content-length", "5")]);
    vec![
        case("a body", "8.1", [ok(&[]), hello()].concat(), Taken),
        case("a body of its length", "8.1.1", [length, hello()].concat(), Taken),
        case(
            "a body in pieces",
            "6.1",
            [ok(&[]), data(0, b"he"), data(0, b""), data(END_STREAM, b"llo")].concat(),
            Taken,
        ),
        case("padding", "6.1", [ok(&[]), data(PADDED | END_STREAM, b"\x03hello\0\0\0")].concat(), Taken),
        case(
            "an end without bytes",
            "6.1",
            [ok(&[]), data(0, b"hello"), data(END_STREAM, b"")].concat(),
            Taken,
        ),
        case(
            "trailers",
            "8.1",
            [ok(&[]), data(0, b"hello"), head(END_STREAM, &[("a", "b")])].concat(),
            Taken,
        ),
        case("a head in two frames", "6.10", [&split.concat()[..], &hello()].concat(), Taken),
        case(
            "an interim response",
            "8.1",
            [head(0, &[(":status", "103")]), ok(&[]), hello()].concat(),
            Taken,
        ),
        case("frames of unknown types", "4.1", [between.clone(), ok(&[]), between, hello()].concat(), Taken),
        case("GOAWAY behind the request", "6.8", [goaway(STREAM), ok(&[]), hello()].concat(), Taken),
    ]
}

fn broken_bodies() -> Vec<Case> {
    let length = |bytes| ok(&[("content-length", bytes)]);
    vec![
        case("the end of the connection", "5.1", [ok(&[]), data(0, b"hello")].concat(), Failed),
        case("a reset", "5.4.2", [ok(&[]), data(0, b"hello"), reset(2)].concat(), Failed),
        case("a reset without an error", "8.1", [ok(&[]), data(0, b"hello"), reset(0)].concat(), Failed),
        case("GOAWAY before the request", "6.8", [goaway(0), ok(&[]), hello()].concat(), Failed),
        case("a body over its length", "8.1.1", [length("4"), hello()].concat(), Resets(PROTOCOL_ERROR)),
        case("a body under its length", "8.1.1", [length("6"), hello()].concat(), Resets(PROTOCOL_ERROR)),
        case(
            "two lengths",
            "8.1.1",
            [ok(&[("content-length", "5"), ("content-length", "4")]), hello()].concat(),
            Failed,
        ),
        case("a body before its head", "8.1", hello(), Failed),
        case(
            "DATA of the connection",
            "6.1",
            [ok(&[]), frame(DATA, END_STREAM, 0, b"hello")].concat(),
            Ends(PROTOCOL_ERROR),
        ),
        case(
            "DATA of a stream that is idle",
            "5.1",
            [ok(&[]), frame(DATA, END_STREAM, 3, b"hello")].concat(),
            Ends(PROTOCOL_ERROR),
        ),
        case(
            "padding over the payload",
            "6.1",
            [ok(&[]), data(PADDED | END_STREAM, b"\x09hello")].concat(),
            Ends(PROTOCOL_ERROR),
        ),
        case(
            "trailers that do not end the stream",
            "8.1",
            [ok(&[]), data(0, b"hello"), head(0, &[("a", "b")])].concat(),
            Failed,
        ),
    ]
}

fn heads() -> Vec<Case> {
    let with = |lines: &[(&str, &str)]| [head(0, lines), hello()].concat();
    let status = (":status", "200");
    vec![
        case("no status", "8.3.2", with(&[("a", "b")]), Failed),
        case("two statuses", "8.3.2", with(&[status, status]), Failed),
        case("a status that is no number", "8.3.2", with(&[(":status", "abc")]), Failed),
        case("a pseudo-header field behind others", "8.3", with(&[("a", "b"), status]), Failed),
        case("a name in upper case", "8.2.1", with(&[status, ("A", "b")]), Failed),
        case("a field of the connection", "8.2.2", with(&[status, ("connection", "close")]), Failed),
        case("a transfer coding", "8.2.2", with(&[status, ("transfer-encoding", "chunked")]), Failed),
        case("a switch of protocols", "8.6", with(&[(":status", "101")]), Failed),
    ]
}

fn connections() -> Vec<Case> {
    let setting =
        |name, value| [frame(SETTINGS, 0, 0, &settings(&[(name, value)])), ok(&[]), hello()].concat();
    let credit = |stream, bytes: u32| frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    let promise = frame(PUSH_PROMISE, END_HEADERS, STREAM, &[0, 0, 0, 2, 0x82]);
    let largest = (1 << 31) - 1;
    vec![
        case(
            "a push that was not enabled",
            "8.4",
            [promise, ok(&[]), hello()].concat(),
            Ends(PROTOCOL_ERROR),
        ),
        case(
            "HEADERS of a stream that is idle",
            "5.1",
            frame(HEADERS, END_HEADERS, 2, &fields(&[(":status", "200")])),
            Ends(PROTOCOL_ERROR),
        ),
        case("SETTINGS of a stream", "6.5", frame(SETTINGS, 0, STREAM, b""), Ends(PROTOCOL_ERROR)),
        case("MAX_FRAME_SIZE under 16,384", "6.5.2", setting(5, 16_383), Ends(PROTOCOL_ERROR)),
        case("an unknown setting", "6.5.2", setting(0xfa, 1), Taken),
        case("PING of a stream", "6.7", frame(PING, 0, STREAM, b"together"), Ends(PROTOCOL_ERROR)),
        case("GOAWAY of a stream", "6.8", frame(GOAWAY, 0, STREAM, &[0; 8]), Ends(PROTOCOL_ERROR)),
        case("a window above 2^31-1", "6.9.1", credit(0, largest), Ends(FLOW_CONTROL_ERROR)),
        case("a credit of 0", "6.9", credit(0, 0), Ends(PROTOCOL_ERROR)),
        case(
            "CONTINUATION without HEADERS",
            "6.10",
            frame(CONTINUATION, END_HEADERS, STREAM, b""),
            Ends(PROTOCOL_ERROR),
        ),
        case(
            "DATA within a block of fields",
            "6.2",
            [frame(HEADERS, 0, STREAM, &fields(&[(":status", "200")])), hello()].concat(),
            Ends(PROTOCOL_ERROR),
        ),
    ]
}

/// A server that answers one request with bytes, and reads on until the client has ended the connection.
struct Server {
    url: String,
    /// The frames that came behind the request.
    reading: JoinHandle<Vec<Frame>>,
}

impl Server {
    /// Starts a server that keeps the connection open for `open` behind the bytes, unless the client ends it.
    fn start(bytes: impl FnOnce(&[Frame]) -> Vec<u8> + Send + 'static, open: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let reading = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()]).unwrap();
            stream.write_all(&[frame(SETTINGS, 0, 0, b""), frame(SETTINGS, ACK, 0, b"")].concat()).unwrap();
            let mut before = Vec::new();
            while before.last().is_none_or(|frame: &Frame| frame.kind != HEADERS) {
                let next = read(&mut stream).expect("a request");
                // A client in cleartext asks whether the server speaks HTTP/2.
                if (next.kind, next.flags) == (PING, 0) {
                    stream.write_all(&frame(PING, ACK, 0, &next.payload)).unwrap();
                }
                before.push(next);
            }
            // A client that has refused the response may be gone.
            let _ = stream.write_all(&bytes(&before));
            if !open {
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
            std::iter::from_fn(|| read(&mut stream)).collect()
        });
        Self { url, reading }
    }

    /// Downloads from the server into a file. Returns the output of the client, and the frames that it sent.
    fn download(self, file: &Path, flags: &[&str]) -> (Output, Vec<Frame>) {
        let all = ["fetch", "--protocol", "h2c", "--quiet", "--timeout", "20s", &self.url, "-o"];
        let output = longhaul(&all).arg(file).args(flags).output().unwrap();
        (output, self.reading.join().unwrap())
    }
}

/// Reads a frame; `None` at the end of the connection.
fn read(stream: &mut TcpStream) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some(Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload })
}

/// Returns the code in the last frame of a kind.
fn code(frames: &[Frame], kind: u8) -> Option<u32> {
    frames.iter().rfind(|frame| frame.kind == kind).map(Frame::number)
}

fn assert_reactions(cases: Vec<Case>) {
    let wrong: Vec<String> = cases.into_iter().filter_map(fault).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Downloads the response of a case. Returns what is wrong with the reaction; `None` if nothing is.
fn fault(Case { name, section, bytes, reaction }: Case) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let is_open = matches!(reaction, Ends(_) | Resets(_));
    let (output, frames) = Server::start(move |_| bytes, is_open).download(&file, &[]);
    let (exit, said) = (output.status.code(), text(&output.stderr));
    let body = std::fs::read_to_string(&file).ok();
    let is_empty = folder.path().read_dir().unwrap().next().is_none();
    let has_failed = exit == Some(1) && said.contains("error: ") && is_empty;
    let is_right = match reaction {
        Taken => exit == Some(0) && body.as_deref() == Some("hello"),
        Failed => has_failed,
        Ends(expected) => has_failed && code(&frames, GOAWAY) == Some(expected),
        Resets(expected) => has_failed && code(&frames, RST_STREAM) == Some(expected),
    };
    let sent = (code(&frames, GOAWAY), code(&frames, RST_STREAM));
    let found = format!("exit code {exit:?}, {body:?}, GOAWAY and RST_STREAM {sent:?}: {said}");
    (!is_right).then(|| format!("{name} (section {section}): expected {reaction:?}, found {found}"))
}

#[test]
fn a_whole_body_is_taken() {
    assert_reactions(whole_bodies());
}

#[test]
fn a_body_that_is_not_whole_is_refused() {
    assert_reactions(broken_bodies());
}

#[test]
fn a_malformed_head_is_refused() {
    assert_reactions(heads());
}

/// h2 drops the field, and hands over the response without it.
#[test]
fn a_pseudo_header_field_of_a_request_is_still_taken() {
    let bytes = [head(0, &[(":status", "200"), (":path", "/")]), hello()].concat();
    assert_reactions(vec![case("a pseudo-header field of a request", "8.3", bytes, Taken)]);
}

#[test]
fn frames_that_are_invalid_end_the_connection() {
    assert_reactions(connections());
}

#[test]
fn a_server_that_ignores_the_window_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let flood = |_: &[Frame]| [ok(&[]), data(0, &[7; 16_384]).repeat(1024)].concat();
    let (output, frames) = Server::start(flood, true).download(&file, &["--reader-rate", "64KiB"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!([code(&frames, GOAWAY), code(&frames, RST_STREAM)].contains(&Some(FLOW_CONTROL_ERROR)));
}

#[test]
fn a_frame_above_the_announced_size_ends_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let oversized = |before: &[Frame]| {
        let own = before.iter().find(|frame| (frame.kind, frame.flags) == (SETTINGS, 0)).unwrap();
        let found = own.payload.chunks(6).find(|pair| pair[..2] == [0, 5]);
        let size = found.map_or(16_384, |pair| u32::from_be_bytes(pair[2..].try_into().unwrap())) as usize;
        [ok(&[]), frame_head(size + 1, DATA, 0, STREAM), vec![0; size + 1]].concat()
    };
    let (output, frames) = Server::start(oversized, true).download(&folder.path().join("file"), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(code(&frames, GOAWAY), Some(FRAME_SIZE_ERROR));
}
