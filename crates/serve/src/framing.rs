//! The fields of a request that determine its framing: lengths, transfer codings and connection-specific fields.

use http::{HeaderMap, HeaderValue, StatusCode, Version, header, request::Parts};
use transport::LengthBesideCoding;

use crate::{refusal::Refusal, whole_body::is_declared_complete};

/// Refuses a request whose framing is invalid or not implemented.
///
/// # Errors
/// Fails if the request is malformed (400), has an unknown expectation (417) or an unknown transfer coding (501).
pub(crate) fn check(request: &Parts) -> Result<(), Refusal> {
    match request.version >= Version::HTTP_2 {
        true => {
            connection_fields(&request.headers)?;
            blanks(&request.headers)?;
        }
        false => transfer_coding(request)?,
    }
    expectation(&request.headers)?;
    announced_length(&request.headers).map(|_| ())
}

/// Returns the length that a request announces for its body, if any.
///
/// # Errors
/// Fails if the announced length is not a number, or if there are several lengths (400; RFC 9110 section 8.6).
pub(crate) fn announced_length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    one_length(headers.get_all(header::CONTENT_LENGTH).iter())
}

/// Returns the length that a request announces for a whole upload, by Content-Length or by Upload-Length, if any.
///
/// # Errors
/// Fails as [`announced_length`] does.
pub(crate) fn announced_upload(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let of_upload = is_declared_complete(headers).then(|| headers.get_all("upload-length"));
    one_length(headers.get_all(header::CONTENT_LENGTH).iter().chain(of_upload.into_iter().flatten()))
}

fn one_length<'h>(values: impl Iterator<Item = &'h HeaderValue>) -> Result<Option<u64>, Refusal> {
    let mut announced = None;
    for value in values {
        let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(length) = text.and_then(|text| text.parse().ok()) else {
            return Err(bad(format!("the length {value:?} is not a number of bytes")));
        };
        if announced.replace(length).is_some_and(|other| other != length) {
            return Err(bad("the request announces two lengths"));
        }
    }
    Ok(announced)
}

/// Checks the transfer coding. The connection decodes `chunked`, and no other coding: hyper accepts `gzip, chunked` and
/// passes the compressed body on. RFC 9112 section 6.1 requires status 501 for an unknown coding. Section 6.3 calls a
/// length beside a coding a sign of request smuggling.
fn transfer_coding(request: &Parts) -> Result<(), Refusal> {
    let mut codings = request.headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if request.extensions.get::<LengthBesideCoding>().is_some() {
        return Err(bad("Content-Length and Transfer-Encoding exclude each other"));
    }
    if codings.next().is_some() || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        let reason = format!("Transfer-Encoding {coding:?}: only chunked is implemented");
        // hyper and a proxy may disagree on the end of such a body, so the connection is closed.
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, reason).with(header::CONNECTION, "close"));
    }
    Ok(())
}

/// The fields that make a message of HTTP/2 or HTTP/3 malformed (RFC 9113 section 8.2.2, RFC 9114 section 4.2).
const CONNECTION_FIELDS: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

fn connection_fields(headers: &HeaderMap) -> Result<(), Refusal> {
    if let Some(name) = CONNECTION_FIELDS.iter().find(|name| headers.contains_key(**name)) {
        return Err(bad(format!("{name} belongs to HTTP/1.1")));
    }
    match headers.get_all(header::TE).iter().any(|te| !te.as_bytes().eq_ignore_ascii_case(b"trailers")) {
        true => Err(bad("TE may only be trailers")),
        false => Ok(()),
    }
}

/// Refuses blanks around values. HTTP/1.1 cuts them off, and so a message with them would change on its way (RFC 9113
/// section 8.2.1, RFC 9110 section 5.5).
fn blanks(headers: &HeaderMap) -> Result<(), Refusal> {
    let has_blank = |value: &[u8]| value.trim_ascii() != value;
    match headers.iter().find(|(_, value)| has_blank(value.as_bytes())) {
        Some((name, _)) => Err(bad(format!("{name} has a blank before or behind its value"))),
        None => Ok(()),
    }
}

/// Refuses any expectation other than 100-continue (417, RFC 9110 section 10.1.1).
fn expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get_all(header::EXPECT).iter().find(|expected| !is_continue(expected)) {
        Some(expected) => {
            Err(Refusal::new(StatusCode::EXPECTATION_FAILED, format!("Expect: {expected:?} is unknown")))
        }
        None => Ok(()),
    }
}

fn is_continue(expectation: &http::HeaderValue) -> bool {
    let expectation = expectation.as_bytes().trim_ascii();
    expectation.is_empty() || expectation.eq_ignore_ascii_case(b"100-continue")
}

fn bad(reason: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, reason)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(version: Version, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::put("/a").version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn refused(version: Version, headers: &[(&str, &str)]) -> Option<u16> {
        check(&parts(version, headers)).err().map(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn the_only_transfer_coding_is_chunked() {
        let coded = |coding| refused(Version::HTTP_11, &[("transfer-encoding", coding)]);
        assert_eq!((coded("chunked"), coded(" Chunked ")), (None, None));
        for coding in ["gzip, chunked", "chunked, chunked", "identity", "identity, chunked", "", "gzip"] {
            assert_eq!(coded(coding), Some(501), "{coding}");
        }
        let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(refused(Version::HTTP_11, &twice), Some(501));
        let mut both = parts(Version::HTTP_11, &[("transfer-encoding", "chunked")]);
        both.extensions.insert(LengthBesideCoding);
        assert_eq!(check(&both).unwrap_err().status(), 400);
    }

    #[test]
    fn one_length_is_announced_in_digits() {
        let length = |values: &[&str]| {
            let headers: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            announced_length(&parts(Version::HTTP_3, &headers).headers).map_err(|r| r.status().as_u16())
        };
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&["5"]), Ok(Some(5)));
        assert_eq!(length(&["5", "5"]), Ok(Some(5)));
        for values in [&["5", "6"][..], &["x"], &["+5"], &["-1"], &[""], &["5, 5"], &["0x5"], &["5 "]] {
            assert_eq!(length(values), Err(400), "{values:?}");
        }
        assert_eq!(length(&["18446744073709551616"]), Err(400));
        let declared = [("upload-complete", "?1"), ("upload-length", "5"), ("content-length", "6")];
        let declared = parts(Version::HTTP_2, &declared).headers;
        assert_eq!(announced_upload(&declared).unwrap_err().status(), 400);
        assert_eq!(announced_length(&declared).unwrap(), Some(6));
    }

    #[test]
    fn fields_of_a_connection_are_malformed_where_streams_share_it() {
        for (name, value) in [
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
        ] {
            assert_eq!(refused(Version::HTTP_3, &[(name, value)]), Some(400), "{name}");
        }
        assert_eq!(refused(Version::HTTP_3, &[("te", "trailers")]), None);
        assert_eq!(refused(Version::HTTP_11, &[("connection", "close"), ("te", "gzip")]), None);
    }

    #[test]
    fn blanks_around_values_are_malformed_where_nobody_cuts_them_off() {
        for value in [" b", "b ", "\tb", "b\t", " "] {
            assert_eq!(refused(Version::HTTP_2, &[("a", value)]), Some(400), "{value:?}");
            assert_eq!(refused(Version::HTTP_11, &[("a", value)]), None, "{value:?}");
        }
        assert_eq!(refused(Version::HTTP_3, &[("a", "b c"), ("d", "")]), None);
    }

    #[test]
    fn an_unknown_expectation_is_refused() {
        assert_eq!(refused(Version::HTTP_11, &[("expect", "202-accepted")]), Some(417));
        assert_eq!(refused(Version::HTTP_11, &[("expect", "")]), None);
        assert_eq!(refused(Version::HTTP_11, &[("expect", "100-Continue")]), None);
    }
}
