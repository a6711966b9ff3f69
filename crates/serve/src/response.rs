//! Responses and their headers.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use receiver::Receipt;
use serde::Serialize;
use transport::{Body, body};

use crate::refusal::Refusal;

/// The characters of a name that are encoded in a path: all but those that RFC 3986 section 2.3 leaves unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns the response to an upload: 201 with the location of the file if it was saved, else 200.
pub(crate) fn receipt(receipt: &Receipt) -> Response<Body> {
    let Some(name) = &receipt.saved else { return json(StatusCode::OK, receipt) };
    let mut response = json(StatusCode::CREATED, receipt);
    set(&mut response, header::LOCATION, format!("/{}", utf8_percent_encode(name, ENCODED)));
    response
}

/// Returns a response with a line of JSON.
pub(crate) fn json(status: StatusCode, content: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(content) {
        Ok(json) => {
            let mut response = with_status(status, body::full(json + "\n"));
            set(&mut response, header::CONTENT_TYPE, "application/json");
            response
        }
        Err(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).response(),
    }
}

/// Returns a response without headers.
pub(crate) fn with_status(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Returns the response to HEAD: the response to GET without its body (RFC 9110 section 9.3.2). The length of that body
/// stays known.
pub(crate) fn head_of(mut response: Response<Body>) -> Response<Body> {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    *response.body_mut() = body::empty();
    if let Some(length) = length
        && !response.headers().contains_key(header::CONTENT_LENGTH)
    {
        set(&mut response, header::CONTENT_LENGTH, length.to_string());
    }
    response
}

/// Sets a header. A value that is invalid in a header is not set.
pub(crate) fn set<B>(response: &mut Response<B>, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        response.headers_mut().insert(name, value);
    }
}
