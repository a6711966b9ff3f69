//! Responses and their headers.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use receiver::Receipt;
use transport::{Body, body};

use crate::refusal::Refusal;

/// The response to an upload: 201 if it was saved, else 200.
pub(crate) fn receipt(receipt: &Receipt) -> Response<Body> {
    let status = if receipt.saved.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    match serde_json::to_string(receipt) {
        Ok(json) => {
            let mut response = with_status(status, body::full(json + "\n"));
            set(&mut response, header::CONTENT_TYPE, "application/json");
            response
        }
        Err(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).response(),
    }
}

/// A response without headers.
pub(crate) fn with_status(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Sets a header. A value that is invalid in a header is left out.
pub(crate) fn set<B>(response: &mut Response<B>, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        response.headers_mut().insert(name, value);
    }
}
