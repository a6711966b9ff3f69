//! The refusal of a request.

use std::fmt;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use receiver::save::SaveError;
use record::ByteSize;
use serde_json::Value;
use transport::{Body, body};

use crate::{response, text::printable};

/// The refusal of a request: a status, and a sentence for the client.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    reason: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The details of the problem (RFC 9457), which replace the line of text.
    problem: Option<Value>,
}

impl Refusal {
    /// Returns a refusal with its reason.
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), headers: Vec::new(), problem: None }
    }

    /// Adds a header to the response of the refusal.
    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Adds a header whose value is known at run time. A value that is invalid in a header is not added.
    pub(crate) fn with_text(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// Adds a header, unless the response has one of that name.
    pub(crate) fn unless_set(self, name: HeaderName, value: &'static str) -> Self {
        if self.headers.iter().any(|(set, _)| *set == name) { self } else { self.with(name, value) }
    }

    /// Sets the methods that a 405 states, unless they are set. Other refusals state none.
    pub(crate) fn allowing(self, methods: &'static str) -> Self {
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            self.unless_set(header::ALLOW, methods)
        } else {
            self
        }
    }

    /// Sets the details of the problem (RFC 9457).
    pub(crate) fn with_problem(self, problem: Value) -> Self {
        Self { problem: Some(problem), ..self }
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
        let (text, media_type) = match &self.problem {
            Some(problem) => (format!("{problem}\n"), "application/problem+json"),
            None => (format!("{reason}\n"), "text/plain; charset=utf-8"),
        };
        let mut response = response::with_status(self.status, body::full(text));
        response.extensions_mut().insert(Reason(reason));
        response::set(&mut response, header::CONTENT_TYPE, media_type);
        let names_methods = self.headers.iter().any(|(name, _)| name == header::ALLOW);
        if self.status == StatusCode::METHOD_NOT_ALLOWED && !names_methods {
            response::set(&mut response, header::ALLOW, "GET, HEAD, PUT, POST");
        }
        let says_when = self.headers.iter().any(|(name, _)| name == header::RETRY_AFTER);
        if self.status == StatusCode::SERVICE_UNAVAILABLE && !says_when {
            response::set(&mut response, header::RETRY_AFTER, "1");
        }
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

impl From<SaveError> for Refusal {
    fn from(error: SaveError) -> Self {
        Self::of_save(&error)
    }
}

impl Refusal {
    /// Returns the refusal of a body that cannot be saved, or of a file that cannot be read.
    pub(crate) fn of_save(error: &SaveError) -> Self {
        let status = match error {
            SaveError::Name(_) | SaveError::Symlink | SaveError::NotAFile => StatusCode::BAD_REQUEST,
            SaveError::Full | SaveError::QuotaReached => StatusCode::INSUFFICIENT_STORAGE,
            SaveError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            SaveError::Exists | SaveError::Changed => StatusCode::PRECONDITION_FAILED,
            SaveError::Missing | SaveError::Lost => StatusCode::NOT_FOUND,
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
