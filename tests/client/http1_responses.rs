//! The framing of responses over HTTP/1.1 (RFC 9112) as `fetch` reads them: a body is whole, or the download fails.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::Duration,
};

use crate::common::{longhaul, text};

/// A response, given by its bytes. The connection ends behind it.
struct Case {
    name: &'static str,
    /// The section of RFC 9112, unless another document is named.
    section: &'static str,
    response: &'static str,
    reaction: Reaction,
}

/// The reaction of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    /// The download succeeds with the body `hello`.
    Taken,
    /// The download fails, and leaves no file.
    Failed,
}

use Reaction::{Failed, Taken};

const fn case(name: &'static str, section: &'static str, response: &'static str, reaction: Reaction) -> Case {
    Case { name, section, response, reaction }
}

/// A response with status 200 and these fields, and what follows its head.
macro_rules! ok {
    ($fields:literal, $body:literal) => {
        concat!("HTTP/1.1 200 OK\r\n", $fields, "\r\n", $body)
    };
}

/// A response with status 200 in the chunked coding.
macro_rules! coded {
    ($body:literal) => {
        ok!("transfer-encoding: chunked\r\n", $body)
    };
}

/// A response with a start of its own, and the body `hello`.
macro_rules! started {
    ($start:literal) => {
        concat!($start, "\r\ncontent-length: 5\r\n\r\nhello")
    };
}

const LENGTHS_AND_CODINGS: &[Case] = &[
    case("a length", "6.2", ok!("content-length: 5\r\n", "hello"), Taken),
    case("chunks", "7.1", coded!("5\r\nhello\r\n0\r\n\r\n"), Taken),
    case("the end of the connection", "6.3", ok!("", "hello"), Taken),
    case("the end of the connection, HTTP/1.0", "6.3", "HTTP/1.0 200 OK\r\n\r\nhello", Taken),
    case("the same length twice", "6.3", ok!("content-length: 5\r\ncontent-length: 5\r\n", "hello"), Taken),
    case("two lengths", "6.3", ok!("content-length: 5\r\ncontent-length: 4\r\n", "hello"), Failed),
    case("two lengths in one field", "6.3", ok!("content-length: 5, 4\r\n", "hello"), Failed),
    case("a length with a sign", "6.3", ok!("content-length: +5\r\n", "hello"), Failed),
    case("a hexadecimal length", "6.3", ok!("content-length: 0x5\r\n", "hello"), Failed),
    case("a length over 64 bits", "6.3", ok!("content-length: 18446744073709551621\r\n", "hello"), Failed),
    case("a body that is shorter than its length", "8", ok!("content-length: 9\r\n", "hello"), Failed),
    case("bytes behind the body", "6.3", ok!("content-length: 5\r\n", "hello, world"), Taken),
    case(
        "a length beside a coding",
        "6.3",
        ok!("content-length: 9\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        Failed,
    ),
    case(
        "the length of the decoded body beside a coding",
        "6.3",
        ok!("content-length: 5\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        Failed,
    ),
    case("chunked in capitals", "7", ok!("transfer-encoding: Chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), Taken),
    case(
        "a coding before chunked",
        "6.1",
        ok!("transfer-encoding: gzip, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        Failed,
    ),
    case(
        "an unknown coding",
        "6.1",
        ok!("transfer-encoding: xchunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        Failed,
    ),
    case("a coding behind chunked", "6.3", ok!("transfer-encoding: chunked, gzip\r\n", "hello"), Failed),
];

const CHUNKS: &[Case] = &[
    case("two chunks", "7.1", coded!("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), Taken),
    case("zeros before a size", "7.1", coded!("0005\r\nhello\r\n000\r\n\r\n"), Taken),
    case("an extension", "7.1.1", coded!("5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n"), Taken),
    case("trailers", "7.1.2", coded!("5\r\nhello\r\n0\r\na: b\r\n\r\n"), Taken),
    case("no last chunk", "8", coded!("5\r\nhello\r\n"), Failed),
    case("no end of the trailers", "8", coded!("5\r\nhello\r\n0\r\na: b\r\n"), Failed),
    case("a chunk that is cut off", "8", coded!("9\r\nhello"), Failed),
    case("a chunk that is longer than its size", "7.1", coded!("4\r\nhello\r\n0\r\n\r\n"), Failed),
    case("a size that is no number", "7.1", coded!("x\r\nhello\r\n0\r\n\r\n"), Failed),
    case("an empty size", "7.1", coded!("\r\nhello\r\n0\r\n\r\n"), Failed),
    case("a size with a prefix", "7.1", coded!("0x5\r\nhello\r\n0\r\n\r\n"), Failed),
    case("a negative size", "7.1", coded!("-5\r\nhello\r\n0\r\n\r\n"), Failed),
    case("a size with a blank in it", "7.1", coded!("0 5\r\nhello\r\n0\r\n\r\n"), Failed),
    case("a size over 64 bits", "7.1", coded!("10000000000000005\r\nhello\r\n0\r\n\r\n"), Failed),
];

const STARTS_AND_FIELDS: &[Case] = &[
    case("a start without a reason", "4", started!("HTTP/1.1 200"), Taken),
    case(
        "interim responses",
        "RFC 9110 15.2",
        started!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK"),
        Taken,
    ),
    case("a name with a blank behind it", "5.1", started!("HTTP/1.1 200 OK\r\na : b"), Failed),
    case("a name with a blank in it", "5.1", started!("HTTP/1.1 200 OK\r\na b: c"), Failed),
    case("NUL in a value", "RFC 9110 5.5", started!("HTTP/1.1 200 OK\r\na: \0"), Failed),
    case("a line without a colon", "5", started!("HTTP/1.1 200 OK\r\na"), Failed),
    case("a status of four digits", "4", started!("HTTP/1.1 2000 OK"), Failed),
    case("a status below 100", "4", started!("HTTP/1.1 099 OK"), Failed),
    case("a version that does not exist", "2.3", started!("HTTP/1.2000 200 OK"), Failed),
    case("the name of another protocol", "2.3", started!("ICY 200 OK"), Failed),
    case(
        "a switch of protocols that nobody asked for",
        "RFC 9110 15.2.2",
        started!("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade"),
        Failed,
    ),
    case("a head that is cut off", "8", "HTTP/1.1 200 OK\r\ncontent-le", Failed),
    case("nothing", "8", "", Failed),
];

/// Answers one request with these bytes, and ends the connection. Returns the URL.
fn answer(bytes: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
            head.push(byte[0]);
        }
        // A client that has refused the response may be gone.
        let _ = stream.write_all(bytes.as_bytes());
    });
    url
}

fn assert_reactions(cases: &[Case]) {
    let wrong: Vec<String> = cases.iter().filter_map(fault).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Downloads the response of a case. Returns what is wrong with the reaction; `None` if nothing is.
fn fault(Case { name, section, response, reaction }: &Case) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let url = answer(response);
    let output = longhaul(&["fetch", "--quiet", "--timeout", "20s", &url, "-o"]).arg(&file).output().unwrap();
    let body = std::fs::read_to_string(&file).ok();
    let (code, said) = (output.status.code(), text(&output.stderr));
    let is_right = match reaction {
        Taken => code == Some(0) && body.as_deref() == Some("hello"),
        Failed => {
            let is_empty = folder.path().read_dir().unwrap().next().is_none();
            code == Some(1) && said.contains("error: ") && is_empty
        }
    };
    let found = format!("exit code {code:?}, {body:?}: {said}");
    (!is_right).then(|| format!("{name} (section {section}): expected {reaction:?}, found {found}"))
}

#[test]
fn the_end_of_a_body_is_stated_once() {
    assert_reactions(LENGTHS_AND_CODINGS);
}

#[test]
fn a_chunk_has_the_bytes_of_its_size() {
    assert_reactions(CHUNKS);
}

#[test]
fn a_head_that_is_none_has_no_body() {
    assert_reactions(STARTS_AND_FIELDS);
}
