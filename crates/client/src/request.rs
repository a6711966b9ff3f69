//! Changes to the requests of a client: method, header fields, credentials and expected statuses.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, header,
    uri::{Authority, Uri},
};
use record::{Direction, Fault, FaultKind, redacted_header, redacted_url};

use crate::{Credentials, Statuses, Target};

/// The fields that belong to a connection, not to a request. HTTP/2 and HTTP/3 do not allow them (RFC 9113 section
/// 8.2.2).
const OF_CONNECTION: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Changes to all requests of a client. The default changes nothing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RequestOptions {
    /// The method of requests; `None` for PUT or GET.
    pub method: Option<Method>,
    /// The changes of header fields, in the order in which they apply.
    pub fields: Vec<HeaderEdit>,
    /// The credentials of requests; `None` for the credentials in the URL.
    pub credentials: Option<Credentials>,
    /// The statuses that count as a success.
    pub expected: Statuses,
    /// The most redirects that are followed. A redirect whose status is expected is not followed.
    pub max_redirects: u32,
    /// The longest wait for the status 100 before a body over HTTP/1.1; the request then carries `Expect:
    /// 100-continue`. `None` leaves the field out. If the user adds the field, the wait is
    /// [`CONTINUE_TIMEOUT`](Self::CONTINUE_TIMEOUT).
    pub continue_timeout: Option<Duration>,
}

impl RequestOptions {
    /// The default wait for the status 100 before a body: 1 s, as in curl.
    pub const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

    /// Sends `Expect: 100-continue` over HTTP/1.1. The body follows the status 100, or is sent without it after this
    /// time. `None` leaves the field out.
    #[must_use]
    pub fn with_continue_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { continue_timeout: timeout.into(), ..self }
    }

    /// Sets the method of all requests; `None` means PUT or GET.
    #[must_use]
    pub fn with_method(self, method: impl Into<Option<Method>>) -> Self {
        Self { method: method.into(), ..self }
    }

    /// Adds a change of a header field.
    #[must_use]
    pub fn with_field(mut self, field: HeaderEdit) -> Self {
        self.fields.push(field);
        self
    }

    /// Sets the credentials of all requests; `None` means the credentials in the URL.
    #[must_use]
    pub fn with_credentials(self, credentials: impl Into<Option<Credentials>>) -> Self {
        Self { credentials: credentials.into(), ..self }
    }

    /// Sets the statuses that count as success.
    #[must_use]
    pub fn expecting(self, expected: Statuses) -> Self {
        Self { expected, ..self }
    }

    /// Sets the most redirects that are followed.
    #[must_use]
    pub fn following(self, max_redirects: u32) -> Self {
        Self { max_redirects, ..self }
    }

    /// Returns whether the request of a transfer in this direction does no harm if it is repeated (RFC 9110 section 9.2.1): a
    /// download by GET or HEAD.
    pub fn is_safe(&self, direction: Direction) -> bool {
        let is_safe = |method| [Method::GET, Method::HEAD].contains(method);
        direction == Direction::Down && self.method.as_ref().is_none_or(is_safe)
    }

    /// Returns the authority that requests name; `None` for the authority of the URL.
    pub(crate) fn host(&self) -> Option<&Authority> {
        self.fields.iter().rev().find_map(|field| match field {
            HeaderEdit::Host(authority) => Some(authority),
            HeaderEdit::Set(..) | HeaderEdit::Remove(_) => None,
        })
    }

    /// Returns whether the user requests a part of the body by a Range field.
    pub(crate) fn asks_for_range(&self) -> bool {
        self.fields.iter().any(|field| matches!(field, HeaderEdit::Set(name, _) if name == header::RANGE))
    }

    /// Returns the secret texts, which no message may contain.
    pub(crate) fn secrets<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = String> + 'a {
        let credentials = self.credentials.iter().chain(target.credentials());
        let of_fields = self.fields.iter().filter_map(|field| match field {
            HeaderEdit::Set(_, value) if value.is_sensitive() => value.to_str().ok().map(ToOwned::to_owned),
            _ => None,
        });
        let of_query = target.uri().query().unwrap_or_default().split('&').filter_map(|part| {
            let (_, value) = part.split_once('=')?;
            (!redacted_url(&format!("x://x?{part}")).ends_with(value)).then(|| value.to_owned())
        });
        credentials.flat_map(|credentials| credentials.secrets().to_vec()).chain(of_fields).chain(of_query)
    }

    /// Creates a request for the target with `fields`, and applies the user's changes.
    pub(crate) fn request<B>(
        &self,
        default_method: Method,
        target: &Target,
        fields: HeaderMap,
        body: B,
    ) -> Result<Request<B>, Fault> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone().unwrap_or(default_method);
        *request.uri_mut() = self.uri(target)?;
        *request.headers_mut() = self.headers(target, fields);
        Ok(request)
    }

    fn uri(&self, target: &Target) -> Result<Uri, Fault> {
        let mut parts = target.uri().clone().into_parts();
        if let Some(host) = self.host() {
            parts.authority = Some(host.clone());
        }
        Uri::from_parts(parts).map_err(|error| Fault::new(FaultKind::Protocol, error))
    }

    fn headers(&self, target: &Target, mut headers: HeaderMap) -> HeaderMap {
        if let Some(credentials) = self.credentials.as_ref().or(target.credentials()) {
            headers.insert(header::AUTHORIZATION, credentials.value().clone());
        }
        for field in &self.fields {
            if let HeaderEdit::Set(name, _) | HeaderEdit::Remove(name) = field {
                headers.remove(name);
            }
        }
        for field in &self.fields {
            match field {
                HeaderEdit::Set(name, value) => {
                    headers.append(name, value.clone());
                }
                // A line that removes a field also cancels earlier lines that set the field.
                HeaderEdit::Remove(name) => {
                    headers.remove(name);
                }
                HeaderEdit::Host(_) => {}
            }
        }
        if target.protocol().http() != Some("1.1") {
            for name in OF_CONNECTION {
                headers.remove(name);
            }
        }
        headers
    }
}

/// A change of a header field, in the syntax of curl's `-H`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderEdit {
    /// A field that replaces the client's own field of this name. Several fields with one name are all sent.
    Set(HeaderName, HeaderValue),
    /// The removal of a field that the client would send.
    Remove(HeaderName),
    /// The authority that replaces the URL's: Host, or `:authority` over HTTP/2 and HTTP/3.
    Host(Authority),
}

impl HeaderEdit {
    /// Parses a line. `Name: value` sets a field, `Name:` removes the field, and `Name;` sets an empty field.
    ///
    /// # Errors
    /// Fails if the line has none of these forms, or the field describes the framing of the body.
    pub fn parse(line: &str) -> Result<Self, HeaderEditError> {
        let malformed = || HeaderEditError::Malformed { line: redacted_header(line) };
        let (name, value) = match line.split_once(':') {
            Some((name, value)) => (name, Some(value.trim()).filter(|value| !value.is_empty())),
            None => (line.strip_suffix(';').ok_or_else(malformed)?, Some("")),
        };
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| malformed())?;
        match (name.as_str(), value) {
            ("host", value) => {
                let host = value.and_then(|value| value.parse().ok()).filter(is_host);
                host.map(Self::Host).ok_or(HeaderEditError::Host)
            }
            ("content-length", Some(_)) => Err(HeaderEditError::ContentLength),
            // The body is chunked unless its length is announced.
            ("transfer-encoding", Some(value)) if !value.eq_ignore_ascii_case("chunked") => {
                Err(HeaderEditError::TransferEncoding)
            }
            ("content-length" | "transfer-encoding", _) => Ok(Self::Remove(name)),
            (_, None) => Ok(Self::Remove(name)),
            (_, Some(text)) => {
                let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| malformed())?;
                value.set_sensitive(redacted_header(line) != line);
                Ok(Self::Set(name, value))
            }
        }
    }
}

fn is_host(authority: &Authority) -> bool {
    !authority.as_str().contains('@') && !authority.host().is_empty()
}

/// The reason why a line is not a change of a header field. The message does not show a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderEditError {
    /// The line has none of the forms `Name: value`, `Name:` and `Name;`.
    #[error(
        "'{line}' is not a header field; use 'Name: value', 'Name:' to remove it, or 'Name;' for an empty one"
    )]
    Malformed {
        /// The line, without its value if the value may be a secret.
        line: String,
    },
    /// The value of Host is not a host name.
    #[error("Host must be a host name, with or without a port, and cannot be removed")]
    Host,
    /// The line sets Content-Length, which the client determines.
    #[error("the length of the body is known; use --content-length to announce it")]
    ContentLength,
    /// The line sets Transfer-Encoding, which the client determines.
    #[error("the only transfer coding of a body is chunked")]
    TransferEncoding,
}

#[cfg(test)]
mod tests {
    use record::Protocol;

    use super::*;

    fn options(lines: &[&str]) -> RequestOptions {
        let edits = lines.iter().map(|line| HeaderEdit::parse(line).unwrap());
        edits.fold(RequestOptions::default(), RequestOptions::with_field)
    }

    fn request(options: &RequestOptions, url: &str, protocol: &str) -> Request<()> {
        let target = Target::parse(url).unwrap().with_protocol(Protocol::by_name(protocol)).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        options.request(Method::PUT, &target, fields, ()).unwrap()
    }

    fn values<'a>(request: &'a Request<()>, name: &str) -> Vec<&'a str> {
        request.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn a_field_replaces_a_default_and_is_repeated_removed_or_empty() {
        let options = options(&["content-type: a/b", "X-A: 1", "x-a:2", "X-B;", "X-C: 3", "X-C:"]);
        let request = request(&options, "http://x/", "h1c");
        assert_eq!(values(&request, "content-type"), ["a/b"]);
        assert_eq!((values(&request, "x-a"), values(&request, "x-b")), (vec!["1", "2"], vec![""]));
        assert_eq!(values(&request, "x-c"), [""; 0]);
    }

    #[test]
    fn the_host_is_that_of_the_line_over_every_protocol() {
        let options = options(&["Host: a.example:1"]).with_method(Method::POST);
        for (url, protocol) in [("http://x/y", "h1c"), ("https://x/y", "h2"), ("https://x/y", "h3")] {
            let request = request(&options, url, protocol);
            assert_eq!(request.uri().authority().unwrap(), "a.example:1");
            assert_eq!((request.uri().path(), request.method()), ("/y", &Method::POST));
            assert_eq!(values(&request, "host"), [""; 0]);
        }
    }

    #[test]
    fn fields_of_a_connection_are_sent_over_http_1_alone() {
        let options = options(&["Connection: close", "Transfer-Encoding: chunked"]);
        assert_eq!(values(&request(&options, "http://x/", "h1c"), "connection"), ["close"]);
        for (url, protocol) in [("http://x/", "h2c"), ("https://x/", "h3")] {
            assert_eq!(values(&request(&options, url, protocol), "connection"), [""; 0]);
        }
    }

    #[test]
    fn credentials_of_the_user_win_over_those_of_the_url_and_a_line_over_both() {
        let url = "http://me:hunter2@x/";
        let basic = values(&request(&options(&[]), url, "h1c"), "authorization").concat();
        assert_eq!(basic, "Basic bWU6aHVudGVyMg==");
        let bearer = RequestOptions::default().with_credentials(Credentials::bearer("abcdef").unwrap());
        assert_eq!(values(&request(&bearer, url, "h1c"), "authorization"), ["Bearer abcdef"]);
        let line = bearer.with_field(HeaderEdit::parse("Authorization: mine").unwrap());
        let sent = request(&line, url, "h1c");
        assert_eq!(values(&sent, "authorization"), ["mine"]);
        assert!(sent.headers()[header::AUTHORIZATION].is_sensitive());
        let target = Target::parse(url).unwrap();
        let secrets: Vec<_> = line.secrets(&target).collect();
        assert!(["abcdef", "hunter2", "mine"].iter().all(|one| secrets.contains(&(*one).to_owned())));
    }

    #[test]
    fn a_line_that_is_no_field_is_refused_without_its_secret() {
        for (line, part) in [
            ("nonsense", "***"),
            ("a b: c", "'a b: ***'"),
            ("X-Key: hunter2\r\nY: z", "X-Key: ***"),
            ("Host:", "Host must be a host name"),
            ("Host: me:pw@x", "Host must be a host name"),
            ("Content-Length: 5", "--content-length"),
            ("Transfer-Encoding: gzip", "chunked"),
        ] {
            let text = HeaderEdit::parse(line).unwrap_err().to_string();
            assert!(text.contains(part) && !text.contains("hunter2"), "{line}: {text}");
        }
    }
}
