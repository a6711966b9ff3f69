//! The responses of upload resources.

use http::{HeaderName, Response, StatusCode, header};
use receiver::Receipt;
use record::ByteSize;
use serde_json::json;
use tokio::time::Instant;
use transport::{Body, body};

use super::{
    Partials,
    fields::{COMPLETE, LENGTH, LIMIT, OFFSET, VERSION},
    resource::Resource,
};
use crate::{refusal::Refusal, request::UPLOADS, response, upload::too_large};

/// The base of the problem types of the draft.
const PROBLEMS: &str = "https://iana.org/assignments/http-problem-types";

/// The status `104 (Upload Resumption Supported)`.
const RESUMPTION_SUPPORTED: u16 = 104;

const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

impl Partials {
    /// Returns the limits of an upload that lives for `seconds` more: the value of Upload-Limit.
    fn limits(&self, seconds: u64) -> String {
        let size = self.max_size.map(|size| format!("max-size={}, ", size.0)).unwrap_or_default();
        format!("{size}max-age={seconds}")
    }

    /// Returns the refusal of an upload that is too large, with the limits that it exceeds.
    pub(super) fn too_large(&self, most: ByteSize) -> Refusal {
        too_large(most).with_text(LIMIT, &self.limits(self.ttl.as_secs()))
    }

    /// Returns the response to OPTIONS: the limits of an upload that begins now, and the media type of its parts.
    pub(crate) fn offer(&self) -> Response<Body> {
        let mut response = response::with_status(StatusCode::NO_CONTENT, body::empty());
        response::set(&mut response, LIMIT, self.limits(self.ttl.as_secs()));
        response::set(&mut response, ACCEPT_PATCH, receiver::resumable::PARTIAL_UPLOAD);
        response::set(&mut response, header::ALLOW, "GET, HEAD, PUT, POST, OPTIONS");
        response
    }

    /// Returns the response with the state of an incomplete upload.
    pub(super) fn state(&self, status: StatusCode, resource: &Resource, offset: u64) -> Response<Body> {
        let mut response = response::with_status(status, body::empty());
        response::set(&mut response, COMPLETE, "?0");
        response::set(&mut response, OFFSET, offset.to_string());
        if let Some(length) = resource.length() {
            response::set(&mut response, LENGTH, length.to_string());
        }
        let left = resource.expires().saturating_duration_since(Instant::now());
        response::set(&mut response, LIMIT, self.limits(left.as_secs()));
        response::set(&mut response, header::CACHE_CONTROL, "no-store");
        response
    }

    /// Returns the interim response that announces an upload resource before the content of its creation has arrived.
    /// `None` if 104 is no valid status code, which never happens.
    pub(super) fn supported(&self, id: &str) -> Option<Response<()>> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(RESUMPTION_SUPPORTED).ok()?;
        response::set(&mut response, header::LOCATION, format!("{UPLOADS}{id}"));
        response::set(&mut response, LIMIT, self.limits(self.ttl.as_secs()));
        response::set(&mut response, VERSION, receiver::resumable::INTEROP_VERSION);
        Some(response)
    }

    /// Returns the response to the creation of an upload.
    pub(super) fn created(&self, id: &str, resource: &Resource, offset: u64) -> Response<Body> {
        let mut response = self.state(StatusCode::CREATED, resource, offset);
        response::set(&mut response, header::LOCATION, format!("{UPLOADS}{id}"));
        response::set(&mut response, ACCEPT_PATCH, receiver::resumable::PARTIAL_UPLOAD);
        response
    }
}

/// Returns the response with the state of a complete upload.
pub(super) fn complete_state(receipt: &Receipt) -> Response<Body> {
    let mut response = response::with_status(StatusCode::NO_CONTENT, body::empty());
    response::set(&mut response, COMPLETE, "?1");
    response::set(&mut response, OFFSET, receipt.bytes.to_string());
    response::set(&mut response, LENGTH, receipt.bytes.to_string());
    response::set(&mut response, LIMIT, "min-size=0");
    response::set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

/// Returns the response with the receipt of a complete upload, as after an upload in one request.
pub(super) fn receipt(receipt: &Receipt) -> Response<Body> {
    let mut response = response::receipt(receipt);
    response::set(&mut response, COMPLETE, "?1");
    response
}

/// Returns the refusal of a request whose bytes do not begin where the upload ends.
pub(super) fn mismatching_offset(expected: u64, provided: u64) -> Refusal {
    let title = format!("the upload has {expected} bytes, and the request begins at {provided}");
    Refusal::new(StatusCode::CONFLICT, &title)
        .with(COMPLETE, "?0")
        .with_text(OFFSET, &expected.to_string())
        .with_problem(json!({
            "type": format!("{PROBLEMS}#mismatching-upload-offset"),
            "title": title,
            "expected-offset": expected,
            "provided-offset": provided,
        }))
}

/// Returns the refusal of a request that states another length of the upload than before.
pub(super) fn inconsistent_length() -> Refusal {
    let title = "the lengths that were stated for the upload differ";
    Refusal::new(StatusCode::BAD_REQUEST, title)
        .with(COMPLETE, "?0")
        .with_problem(json!({ "type": format!("{PROBLEMS}#inconsistent-upload-length"), "title": title }))
}

/// Returns the refusal of a request to a resource that does not exist.
pub(super) fn unknown() -> Refusal {
    let reason = "there is no such upload: it has expired, was cancelled or has failed";
    Refusal::new(StatusCode::NOT_FOUND, reason)
}

/// Returns the refusal of content that is no part of an upload.
pub(super) fn unsupported(reason: &str) -> Refusal {
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason)
        .with(ACCEPT_PATCH, receiver::resumable::PARTIAL_UPLOAD)
        .with(COMPLETE, "?0")
}
