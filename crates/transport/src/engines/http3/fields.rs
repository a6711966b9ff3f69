//! The header fields that make a message malformed (RFC 9114 sections 4.1.2, 4.2 and 4.3).

use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{self, HeaderName},
};

use super::streams::Violation;

/// The connection-specific fields of HTTP/1.1 (RFC 9114 section 4.2), except TE.
const OF_CONNECTIONS: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Checks the head of a request. Returns the announced length of the body.
///
/// # Errors
/// Fails if the request is malformed.
pub(super) fn check_request(request: &Request<()>) -> Result<Option<u64>, Violation> {
    check_fields(request.headers())?;
    let uri = request.uri();
    if request.method() != Method::CONNECT && (uri.scheme().is_none() || uri.path_and_query().is_none()) {
        return Err(Violation::malformed("a request without :scheme or :path"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Violation::malformed("an authority with user information"));
    }
    content_length(request.headers())
}

/// Checks the head of a response to a request with `method`. Returns the announced length of the body.
///
/// # Errors
/// Fails if the response is malformed.
pub(super) fn check_response(response: &Response<()>, method: &Method) -> Result<Option<u64>, Violation> {
    check_fields(response.headers())?;
    let announced = content_length(response.headers())?;
    let is_empty = method == Method::HEAD
        || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok(if is_empty { Some(0) } else { announced })
}

/// Checks fields of any section.
///
/// # Errors
/// Fails if a field is specific to connections of HTTP/1.1.
pub(super) fn check_fields(fields: &HeaderMap) -> Result<(), Violation> {
    if OF_CONNECTIONS.iter().any(|name| fields.contains_key(name)) {
        return Err(Violation::malformed("a field that is specific to a connection"));
    }
    if fields.get_all(header::TE).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"trailers")) {
        return Err(Violation::malformed("a TE field other than trailers"));
    }
    Ok(())
}

/// Returns the announced length of a body.
fn content_length(fields: &HeaderMap) -> Result<Option<u64>, Violation> {
    let mut values = fields.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = || Violation::malformed("a Content-Length that is not one number");
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits.and_then(|digits| digits.parse().ok()).filter(|_| values.next().is_none());
    length.map(Some).ok_or_else(wrong)
}

/// The bytes of a body that are still to come, if its length was announced.
#[derive(Debug)]
pub(super) struct Unread(Option<u64>);

impl Unread {
    /// Returns a body with the announced length.
    pub(super) fn of(announced: Option<u64>) -> Self {
        Self(announced)
    }

    /// Counts bytes that have arrived.
    ///
    /// # Errors
    /// Fails if the body is longer than its Content-Length.
    pub(super) fn take(&mut self, length: usize) -> Result<(), Violation> {
        if let Some(unread) = &mut self.0 {
            let excess = Violation::malformed("the body is longer than its Content-Length");
            *unread = unread.checked_sub(length as u64).ok_or(excess)?;
        }
        Ok(())
    }

    /// Checks that the body may end here.
    ///
    /// # Errors
    /// Fails if the body is shorter than its Content-Length.
    pub(super) fn finish(&self) -> Result<(), Violation> {
        match self.0 {
            None | Some(0) => Ok(()),
            Some(_) => Err(Violation::malformed("the body is shorter than its Content-Length")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::put("https://localhost/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn fields_about_a_connection_are_malformed() {
        let names = ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection"];
        for name in names {
            assert!(check_request(&request(&[(name, "x")])).is_err(), "{name}");
        }
        assert!(check_request(&request(&[("te", "trailers")])).is_ok());
        for te in ["gzip", "trailers, gzip", ""] {
            assert!(check_request(&request(&[("te", te)])).is_err(), "{te}");
            assert!(check_request(&request(&[("te", "trailers"), ("te", te)])).is_err(), "{te}");
        }
    }

    #[test]
    fn a_content_length_is_one_number() {
        let lengths = |values: &[&str]| {
            let fields: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            check_request(&request(&fields)).map_err(|_| ())
        };
        assert_eq!(lengths(&[]), Ok(None));
        assert_eq!(lengths(&["10"]), Ok(Some(10)));
        for wrong in [&["x"][..], &["-1"], &["+1"], &[""], &["5, 5"], &["18446744073709551616"], &["10", "9"]]
        {
            assert_eq!(lengths(wrong), Err(()), "{wrong:?}");
        }
    }

    #[test]
    fn a_request_has_a_scheme_a_path_and_no_user_information() {
        let uri = |method: Method, uri: &str| {
            check_request(&Request::builder().method(method).uri(uri).body(()).unwrap()).is_ok()
        };
        assert!(uri(Method::GET, "https://localhost/a"));
        assert!(!uri(Method::GET, "localhost"));
        assert!(uri(Method::CONNECT, "localhost:1"));
        assert!(!uri(Method::GET, "https://user:secret@localhost/"));
    }

    #[test]
    fn a_response_without_a_body_may_announce_one() {
        let length = |method: Method, status: u16| {
            let response = Response::builder().status(status).header("content-length", 7).body(()).unwrap();
            check_response(&response, &method).unwrap()
        };
        assert_eq!(length(Method::GET, 200), Some(7));
        assert_eq!(length(Method::HEAD, 200), Some(0));
        assert_eq!(length(Method::GET, 304), Some(0));
    }

    #[test]
    fn a_body_has_the_length_that_was_announced() {
        let mut unread = Unread::of(Some(10));
        unread.take(4).unwrap();
        unread.finish().unwrap_err();
        unread.take(6).unwrap();
        unread.finish().unwrap();
        unread.take(1).unwrap_err();
        let mut any = Unread::of(None);
        any.take(1).unwrap();
        any.finish().unwrap();
    }
}
