//! Responses, and the reasons for refusing.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Full};
use receiver::{Receipt, save::SaveError};
use transport::Body;

/// Why a request is refused: a status, and a sentence for whoever sent it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    reason: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    pub(super) fn response(&self) -> Response<Body> {
        let mut response = text(self.status, "text/plain; charset=utf-8", format!("{}\n", self.reason));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            set(&mut response, header::ALLOW, "GET, HEAD, PUT, POST");
        }
        response
    }
}

impl From<SaveError> for Refusal {
    fn from(error: SaveError) -> Self {
        let status = match error {
            SaveError::Name(_) | SaveError::Symlink | SaveError::NotAFile => StatusCode::BAD_REQUEST,
            SaveError::Full => StatusCode::INSUFFICIENT_STORAGE,
            SaveError::Missing => StatusCode::NOT_FOUND,
            SaveError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

/// The answer to an upload: 201 if it was saved.
pub(super) fn receipt(receipt: &Receipt) -> Response<Body> {
    let status = if receipt.saved.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    match serde_json::to_string(receipt) {
        Ok(json) => text(status, "application/json", json + "\n"),
        Err(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).response(),
    }
}

pub(super) fn text(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut response = with_body(status, body);
    set(&mut response, header::CONTENT_TYPE, kind);
    response
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    with_body(status, Empty::new().map_err(|never| match never {}).boxed_unsync())
}

pub(super) fn with_body(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Sets a header; a value that no header can have is left out.
pub(super) fn set<B>(response: &mut Response<B>, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        response.headers_mut().insert(name, value);
    }
}
