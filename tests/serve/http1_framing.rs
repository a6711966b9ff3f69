//! The framing of HTTP/1.1 (RFC 9112): every request is read as exactly one, or refused together with the connection.
//!
//! Each case is followed by another request on the same connection. A recipient that disagrees with an intermediary on
//! the end of a message takes a part of one request for another: request smuggling.

use crate::common::{names, server::Server};

/// A request, given by its bytes.
struct Case {
    name: &'static str,
    /// The section of RFC 9112, unless another document is named.
    section: &'static str,
    request: &'static str,
    reaction: Reaction,
}

/// The reaction of a server to a request, and to [`NEXT`] behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    /// A response with this status, and then the response to [`NEXT`].
    Served(u16),
    /// A response with this status, although the end of the request is clear, and then the response to [`NEXT`].
    Rejected(u16),
    /// A response with this status, and the end of the connection: [`NEXT`] is never read.
    Refused(u16),
}

use Reaction::{Refused, Rejected, Served};

/// The request behind each case. Only a server that has found the end of the case saves the file.
const NEXT: &str =
    "PUT /next HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 4\r\n\r\nnext";

/// The file that each case uploads.
const BODY: &str = "hello";

const fn case(name: &'static str, section: &'static str, request: &'static str, reaction: Reaction) -> Case {
    Case { name, section, request, reaction }
}

/// The cases of one concern.
type Table = &'static [Case];

/// An upload with further fields, and what follows its head.
macro_rules! put {
    ($fields:literal, $body:literal) => {
        concat!("PUT /a HTTP/1.1\r\nhost: localhost\r\n", $fields, "\r\n", $body)
    };
}

/// The body `hello` in the chunked coding.
macro_rules! chunked {
    ($fields:literal) => {
        put!($fields, "5\r\nhello\r\n0\r\n\r\n")
    };
}

/// An upload in the chunked coding.
macro_rules! coded {
    ($body:literal) => {
        put!("transfer-encoding: chunked\r\n", $body)
    };
}

/// The upload of `hello` behind the start of a head.
macro_rules! started {
    ($start:literal) => {
        concat!($start, "\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello")
    };
}

/// Bodies whose end is stated in more than one way, or in none that this server reads.
const LENGTHS_AND_CODINGS: Table = &[
    case("a length", "6.2", put!("content-length: 5\r\n", "hello"), Served(201)),
    case("chunks", "7.1", chunked!("transfer-encoding: chunked\r\n"), Served(201)),
    case("neither", "6.3", put!("", ""), Served(201)),
    case(
        "a length before a coding",
        "6.3",
        chunked!("content-length: 5\r\ntransfer-encoding: chunked\r\n"),
        Refused(400),
    ),
    case(
        "a length behind a coding",
        "6.3",
        chunked!("transfer-encoding: chunked\r\ncontent-length: 5\r\n"),
        Refused(400),
    ),
    case(
        "a length and a coding, with 1 at the place of a status",
        "6.3",
        "PUT /same1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused(400),
    ),
    case("two lengths", "6.3", put!("content-length: 5\r\ncontent-length: 4\r\n", "hello"), Refused(400)),
    case("two lengths in one field", "6.3", put!("content-length: 5, 4\r\n", "hello"), Refused(400)),
    case("a length with a sign", "6.3", put!("content-length: +5\r\n", "hello"), Refused(400)),
    case("a negative length", "6.3", put!("content-length: -5\r\n", "hello"), Refused(400)),
    case("a hexadecimal length", "6.3", put!("content-length: 0x5\r\n", "hello"), Refused(400)),
    case("an empty length", "6.3", put!("content-length:\r\n", "hello"), Refused(400)),
    case("a length with a blank", "6.3", put!("content-length: 5 5\r\n", "hello"), Refused(400)),
    case(
        "a length over 64 bits",
        "6.3",
        put!("content-length: 18446744073709551621\r\n", "hello"),
        Refused(400),
    ),
    case("an unknown coding", "6.1", chunked!("transfer-encoding: xchunked\r\n"), Refused(400)),
    case("a coding before chunked", "6.1", chunked!("transfer-encoding: gzip, chunked\r\n"), Refused(501)),
    case(
        "a coding behind chunked",
        "6.3",
        chunked!("transfer-encoding: chunked, identity\r\n"),
        Refused(400),
    ),
    case("chunked twice", "7.1", chunked!("transfer-encoding: chunked, chunked\r\n"), Refused(501)),
    case(
        "chunked in two fields",
        "7.1",
        chunked!("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        Refused(501),
    ),
    case(
        "a vertical tab before the coding",
        "6.1",
        chunked!("transfer-encoding: \x0bchunked\r\n"),
        Refused(400),
    ),
    case("a coding in quotes", "6.1", chunked!("transfer-encoding: \"chunked\"\r\n"), Refused(400)),
    case(
        "a coding from a client of HTTP/1.0",
        "6.1",
        "PUT /a HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused(400),
    ),
];

/// Faults of the chunked coding.
const CHUNKS: Table = &[
    case("an extension", "7.1.1", coded!("5;a=b\r\nhello\r\n0\r\n\r\n"), Served(201)),
    case("trailers", "7.1.2", coded!("5\r\nhello\r\n0\r\na: b\r\n\r\n"), Served(201)),
    case("leading zeros", "7.1", coded!("0005\r\nhello\r\n000\r\n\r\n"), Served(201)),
    case("no size", "7.1", coded!("\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("a size that is no number", "7.1", coded!("g\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("a size with a prefix", "7.1", coded!("0x5\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("a size with a sign", "7.1", coded!("+5\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("a negative size", "7.1", coded!("-5\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("a blank before the size", "7.1", coded!(" 5\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("two numbers for a size", "7.1", coded!("5 5\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("a size over 64 bits", "7.1", coded!("10000000000000005\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("LF behind the size", "7.1", coded!("5\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("CR alone behind the size", "7.1", coded!("5\rhello\r\n0\r\n\r\n"), Refused(400)),
    case("LF in an extension", "7.1.1", coded!("5;a\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("CR in an extension", "7.1.1", coded!("5;a\rb\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("LF behind the data", "7.1", coded!("5\r\nhello\n0\r\n\r\n"), Refused(400)),
    case("no line end behind the data", "7.1", coded!("5\r\nhello0\r\n\r\n"), Refused(400)),
    case("more data than announced", "7.1", coded!("4\r\nhello\r\n0\r\n\r\n"), Refused(400)),
    case("LF behind the last chunk", "7.1", coded!("5\r\nhello\r\n0\n\r\n"), Refused(400)),
    case(
        "a trailer without a colon",
        "7.1.2",
        coded!("5\r\nhello\r\n0\r\nPUT /b HTTP/1.1\r\n\r\n"),
        Refused(400),
    ),
];

/// Faults of field lines.
const FIELDS: Table = &[
    case("a blank before the colon", "5.1", put!("content-length : 5\r\n", "hello"), Refused(400)),
    case(
        "a blank before the colon of a coding",
        "5.1",
        chunked!("transfer-encoding : chunked\r\n"),
        Refused(400),
    ),
    case(
        "a field that goes on in the next line",
        "5.2",
        put!("a: b\r\n c\r\ncontent-length: 5\r\n", "hello"),
        Refused(400),
    ),
    case("a coding in the next line", "5.2", chunked!("transfer-encoding:\r\n chunked\r\n"), Refused(400)),
    case("a blank before the first field", "2.2", started!("PUT /a HTTP/1.1\r\n a: b"), Refused(400)),
    case(
        "CR in a value",
        "2.2",
        put!("a: b\rcontent-length: 0\r\ncontent-length: 5\r\n", "hello"),
        Refused(400),
    ),
    case("NUL in a value", "RFC 9110 5.5", put!("a: b\0c\r\ncontent-length: 5\r\n", "hello"), Refused(400)),
    case("NUL in a name", "RFC 9110 5.1", put!("a\0: b\r\ncontent-length: 5\r\n", "hello"), Refused(400)),
    case(
        "a name in brackets",
        "RFC 9110 5.1",
        put!("(a): b\r\ncontent-length: 5\r\n", "hello"),
        Refused(400),
    ),
    case("no name", "RFC 9110 5.1", put!(": b\r\ncontent-length: 5\r\n", "hello"), Refused(400)),
    case("no colon", "5", put!("ab\r\ncontent-length: 5\r\n", "hello"), Refused(400)),
    case("no host", "3.2", "PUT /a HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello", Rejected(400)),
    case(
        "no host beside an absolute target",
        "3.2",
        "PUT http://localhost/a HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
        Rejected(400),
    ),
    case("two hosts", "3.2", put!("host: localhost\r\ncontent-length: 5\r\n", "hello"), Rejected(400)),
    case(
        "an invalid host",
        "3.2",
        "PUT /a HTTP/1.1\r\nhost: a b\r\ncontent-length: 5\r\n\r\nhello",
        Rejected(400),
    ),
];

/// Start lines.
const START_LINES: Table = &[
    case("empty lines before the request", "2.2", started!("\r\n\r\nPUT /a HTTP/1.1"), Served(201)),
    case("an absolute target", "3.2.2", started!("PUT http://localhost/a HTTP/1.1"), Served(201)),
    case("two blanks before the target", "3", started!("PUT  /a HTTP/1.1"), Refused(400)),
    case("a tab before the target", "3", started!("PUT\t/a HTTP/1.1"), Refused(400)),
    case("a blank in the target", "3.2", started!("PUT /a b HTTP/1.1"), Refused(400)),
    case("a blank behind the version", "3", started!("PUT /a HTTP/1.1 "), Refused(400)),
    case("no version", "3", started!("PUT /a"), Refused(400)),
    case("a version in lower case", "2.3", started!("PUT /a http/1.1"), Refused(400)),
    case("a blank before the method", "3", started!(" PUT /a HTTP/1.1"), Refused(400)),
];

/// Bodies that nobody wants: they are no requests.
const UNWANTED_BODIES: Table = &[
    case(
        "the body of a GET",
        "6",
        "GET /.longhaul/health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 37\r\n\r\nPUT /b HTTP/1.1\r\nhost: localhost\r\n\r\n\r\n",
        Served(200),
    ),
    case(
        "the chunks of a GET",
        "6",
        "GET /.longhaul/health HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Served(200),
    ),
];

#[test]
fn every_request_is_read_as_one_or_refused_with_its_connection() {
    let mut failed = Vec::new();
    for table in [LENGTHS_AND_CODINGS, CHUNKS, FIELDS, START_LINES, UNWANTED_BODIES] {
        for case in table {
            let (seen, saved) = exchange(case.request);
            let is_right = match case.reaction {
                Served(status) => seen == [status, 201] && saved.contains(&"next".to_owned()),
                Rejected(status) => seen == [status, 201] && saved == ["next"],
                Refused(status) => seen == [status] && saved.is_empty(),
            };
            if !is_right {
                let Case { name, section, reaction, .. } = case;
                failed.push(format!("{name} ({section}): {reaction:?}, but got {seen:?} and {saved:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Sends a request and [`NEXT`] to a new server. Returns the statuses of all responses, and the names of the files that
/// were saved.
fn exchange(request: &str) -> (Vec<u16>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&["--sink", &format!("save:{}", folder.path().display())]);
    let answers = server.raw(format!("{request}{NEXT}").as_bytes());
    let mut saved = names(folder.path());
    saved.sort();
    let bodies: Vec<_> =
        saved.iter().map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap()).collect();
    assert!(bodies.iter().all(|body| [BODY, "next", ""].contains(&body.as_str())), "{bodies:?}");
    (statuses(&answers), saved)
}

/// Returns the statuses of responses.
fn statuses(answers: &str) -> Vec<u16> {
    answers.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}
