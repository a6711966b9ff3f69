//! Requests that are malformed (sections 8.1 to 8.3), and requests that only look so.

use super::{
    Case,
    Reaction::{Answers, Malformed},
    STREAM, assert_reactions, case, head, put,
};
use crate::common::http2::{DATA, END_STREAM, fields, frame};

const METHOD: (&str, &str) = (":method", "PUT");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "localhost");
const PATH: (&str, &str) = (":path", "/a");

/// Returns a request with these field lines and no body.
fn only(lines: &[(&str, &str)]) -> Vec<u8> {
    head(STREAM, END_STREAM, &fields(lines))
}

/// Returns an upload with further field lines and the body `hello`.
fn upload(more: &[(&str, &str)]) -> Vec<u8> {
    [put(more), frame(DATA, END_STREAM, STREAM, b"hello")].concat()
}

/// Returns an upload with trailers.
fn trailers(flags: u8, lines: &[(&str, &str)]) -> Vec<u8> {
    [put(&[]), frame(DATA, 0, STREAM, b"hello"), head(STREAM, flags, &fields(lines))].concat()
}

fn pseudo_header_fields() -> Vec<Case> {
    let case = |name, section, lines: &[_], reaction| case(name, section, only(lines), reaction);
    vec![
        case("all pseudo-header fields", "8.3.1", &[METHOD, SCHEME, AUTHORITY, PATH], Answers),
        case("Host instead of :authority", "8.3.1", &[METHOD, SCHEME, PATH, ("host", "localhost")], Answers),
        case("no :method", "8.3.1", &[SCHEME, AUTHORITY, PATH], Malformed),
        case("no :scheme", "8.3.1", &[METHOD, AUTHORITY, PATH], Malformed),
        case("no :path", "8.3.1", &[METHOD, SCHEME, AUTHORITY], Malformed),
        case("an empty :path", "8.3.1", &[METHOD, SCHEME, AUTHORITY, (":path", "")], Malformed),
        case("two :method", "8.3", &[METHOD, METHOD, SCHEME, AUTHORITY, PATH], Malformed),
        case("two :scheme", "8.3", &[METHOD, SCHEME, SCHEME, AUTHORITY, PATH], Malformed),
        case("two :authority", "8.3", &[METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH], Malformed),
        case("two :path", "8.3", &[METHOD, SCHEME, AUTHORITY, PATH, PATH], Malformed),
        case(":path behind a field", "8.3", &[METHOD, SCHEME, AUTHORITY, ("a", "b"), PATH], Malformed),
        case(":status", "8.3", &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")], Malformed),
        case(":protocol", "8.3", &[METHOD, SCHEME, AUTHORITY, PATH, (":protocol", "x")], Malformed),
        case(
            "user information in :authority",
            "8.3.1",
            &[METHOD, SCHEME, (":authority", "u:p@localhost"), PATH],
            Malformed,
        ),
        case(
            "Host of another name",
            "8.3.1",
            &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "elsewhere")],
            Malformed,
        ),
    ]
}

fn field_lines() -> Vec<Case> {
    let case = |name, section, field, reaction| case(name, section, upload(&[field]), reaction);
    vec![
        case("TE: trailers", "8.2.2", ("te", "trailers"), Answers),
        case("an empty value", "8.2.1", ("a", ""), Answers),
        case("another TE", "8.2.2", ("te", "trailers, gzip"), Malformed),
        case("Connection", "8.2.2", ("connection", "close"), Malformed),
        case("Keep-Alive", "8.2.2", ("keep-alive", "timeout=5"), Malformed),
        case("Proxy-Connection", "8.2.2", ("proxy-connection", "close"), Malformed),
        case("Transfer-Encoding", "8.2.2", ("transfer-encoding", "chunked"), Malformed),
        case("Upgrade", "8.2.2", ("upgrade", "h2c"), Malformed),
        case("a blank before a value", "8.2.1", ("a", " b"), Malformed),
        case("a blank behind a value", "8.2.1", ("a", "b "), Malformed),
        case("a tab before a value", "8.2.1", ("a", "\tb"), Malformed),
    ]
}

fn bodies() -> Vec<Case> {
    vec![
        case("a length that is right", "8.1.1", upload(&[("content-length", "5")]), Answers),
        case("a length that is too small", "8.1.1", upload(&[("content-length", "4")]), Malformed),
        case("a length that is too large", "8.1.1", upload(&[("content-length", "6")]), Malformed),
        case("two lengths", "8.1.1", upload(&[("content-length", "5"), ("content-length", "6")]), Malformed),
        case("a length that is no number", "8.1.1", upload(&[("content-length", "x")]), Malformed),
        case("a length with a sign", "8.1.1", upload(&[("content-length", "+5")]), Malformed),
        case(
            "a length of a request without a body",
            "8.1.1",
            only(&[METHOD, SCHEME, AUTHORITY, PATH, ("content-length", "5")]),
            Malformed,
        ),
        case("trailers", "8.1", trailers(END_STREAM, &[("a", "b")]), Answers),
        case("trailers that do not end the stream", "8.1", trailers(0, &[("a", "b")]), Malformed),
        case("Connection in trailers", "8.2.2", trailers(END_STREAM, &[("connection", "close")]), Malformed),
        case(
            "pseudo-header fields behind others in trailers",
            "8.1",
            trailers(END_STREAM, &[("a", "b"), PATH]),
            Malformed,
        ),
    ]
}

#[test]
fn pseudo_header_fields_are_complete_unique_and_first() {
    assert_reactions(pseudo_header_fields());
}

#[test]
fn fields_of_a_connection_and_blanks_around_values_are_malformed() {
    assert_reactions(field_lines());
}

#[test]
fn a_body_has_the_announced_length_and_ends_with_its_trailers() {
    assert_reactions(bodies());
}
