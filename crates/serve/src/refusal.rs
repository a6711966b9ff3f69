//! The refusal of a request.

use std::fmt;

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use receiver::save::SaveError;
use record::ByteSize;
use transport::{Body, body};

use crate::{response, text::printable};

/// The refusal of a request: a status, and a sentence for the client.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    reason: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// Returns a refusal with its reason.
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), headers: Vec::new() }
    }

    /// Adds a header to the response of the refusal.
    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Returns the status of the response.
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the response, with the reason as a line of text. A 405 lists the allowed methods (RFC 9110 section
    /// 15.5.6), and a 503 states when to try again (section 15.6.4).
    pub(crate) fn response(&self) -> Response<Body> {
        let reason = printable(&self.reason, MOST);
        let mut response = response::with_status(self.status, body::full(format!("{reason}\n")));
        response.extensions_mut().insert(Reason(reason));
        response::set(&mut response, header::CONTENT_TYPE, "text/plain; charset=utf-8");
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response::set(&mut response, header::ALLOW, "GET, HEAD, PUT, POST");
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response::set(&mut response, header::RETRY_AFTER, "1");
        }
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

impl Refusal {
    /// Returns the response to a request of that method: without a body for HEAD.
    pub(crate) fn response_to(&self, method: &Method) -> Response<Body> {
        let mut response = self.response();
        if method == Method::HEAD {
            *response.body_mut() = body::empty();
        }
        response
    }
}

impl From<SaveError> for Refusal {
    fn from(error: SaveError) -> Self {
        let status = match error {
            SaveError::Name(_) | SaveError::Symlink | SaveError::NotAFile => StatusCode::BAD_REQUEST,
            SaveError::Full | SaveError::QuotaReached => StatusCode::INSUFFICIENT_STORAGE,
            SaveError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            SaveError::Exists | SaveError::Changed => StatusCode::PRECONDITION_FAILED,
            SaveError::Missing => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

/// The reason of a refusal, which the access log states. It is found in the extensions of the response.
#[derive(Clone, Debug)]
pub(crate) struct Reason(pub(crate) String);

/// The longest reason that is sent, in characters.
const MOST: usize = 1000;

/// A size for a sentence: with its unit, and in bytes.
pub(crate) struct ExactSize(pub(crate) ByteSize);

impl fmt::Display for ExactSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.0, self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use receiver::save::NameError;

    use super::*;

    #[test]
    fn a_full_disk_a_bad_name_and_a_missing_file_have_their_own_status() {
        for (error, status) in [
            (SaveError::Name(NameError::Empty), 400),
            (SaveError::Symlink, 400),
            (SaveError::NotAFile, 400),
            (SaveError::Missing, 404),
            (SaveError::Io(io::ErrorKind::PermissionDenied.into()), 500),
            (SaveError::Exists, 412),
            (SaveError::Changed, 412),
            (SaveError::TooLarge, 413),
            (SaveError::Full, 507),
            (SaveError::QuotaReached, 507),
        ] {
            assert_eq!(Refusal::from(error).status().as_u16(), status);
        }
    }

    #[test]
    fn a_refused_method_lists_the_allowed_ones() {
        let response = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "no").response();
        assert_eq!(response.headers()[header::ALLOW], "GET, HEAD, PUT, POST");
        assert!(
            !Refusal::new(StatusCode::BAD_REQUEST, "no").response().headers().contains_key(header::ALLOW)
        );
    }

    #[test]
    fn a_size_is_stated_with_its_unit_and_in_bytes() {
        assert_eq!(ExactSize(ByteSize(1 << 20)).to_string(), "1MiB (1048576 bytes)");
    }
}
