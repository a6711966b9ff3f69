//! The requests about an upload resource (draft-ietf-httpbis-resumable-upload-11, interop version 8).

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use receiver::resumable;
use record::{Fault, FaultKind, quoted, redacted_url};
use transport::{Body, body};

use crate::{
    Statuses, Target,
    answer::{Failure, accepted, receipt},
    redirect::is_same_origin,
    reference::resolve,
    transfer::Exchange,
};

const COMPLETE: HeaderName = HeaderName::from_static(resumable::COMPLETE_FIELD);
const OFFSET: HeaderName = HeaderName::from_static(resumable::OFFSET_FIELD);
const LENGTH: HeaderName = HeaderName::from_static(resumable::LENGTH_FIELD);
const LIMIT: HeaderName = HeaderName::from_static(resumable::LIMIT_FIELD);
const VERSION: HeaderName = HeaderName::from_static(resumable::VERSION_FIELD);

/// The statuses by which servers without resumable uploads answer OPTIONS.
const UNKNOWN: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::NOT_IMPLEMENTED,
];

/// Checks that the server offers resumable uploads of this size. A server without resumable uploads would treat the
/// request that creates an upload resource as the upload of an empty file.
///
/// # Errors
/// Fails if the server does not offer them, or limits them to a smaller size.
pub(crate) async fn check_offer(by: &Exchange<'_>, size: Option<u64>) -> Result<(), Failure> {
    let response = exchange(by, by.target, Method::OPTIONS, HeaderMap::new()).await?;
    if UNKNOWN.contains(&response.status()) {
        return Err(not_offered(&format!("the server answered {} to OPTIONS", response.status())).into());
    }
    let response = accepted(response, &Statuses::default()).await?;
    let limits = values(response.headers(), &LIMIT);
    if !response.headers().contains_key(&LIMIT) {
        return Err(not_offered("its response to OPTIONS has no Upload-Limit").into());
    }
    let most = resumable::max_size(limits);
    drain(response).await?;
    match (most, size) {
        (Some(most), Some(size)) if size > most => {
            let message = format!("the server takes uploads of at most {most} bytes, the payload has {size}");
            Err(Fault::new(FaultKind::Http, message).into())
        }
        _ => Ok(()),
    }
}

fn not_offered(reason: &str) -> Fault {
    let message = format!(
        "the server does not offer resumable uploads ({}): {reason}; leave out -C -",
        resumable::DRAFT
    );
    Fault::new(FaultKind::Http, message)
}

/// Creates an upload resource, and returns its target.
///
/// # Errors
/// Fails if the server refuses, or states no upload resource on the same origin.
pub(crate) async fn create(
    by: &Exchange<'_>,
    size: Option<u64>,
    content_type: Option<HeaderValue>,
) -> Result<Target, Failure> {
    let mut fields = versioned();
    fields.insert(COMPLETE, HeaderValue::from_static("?0"));
    fields.extend(size.map(|size| (LENGTH, size.into())));
    fields.extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
    let request = by.options.request(Method::PUT, by.target, fields, body::empty())?;
    let response = accepted(by.connection.exchange(request).await?, &Statuses::default()).await?;
    let location = response.headers().get(header::LOCATION);
    let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    drain(response).await?;
    let Some(location) = location else {
        let message = "the server created an upload without the Location of its upload resource";
        return Err(Fault::new(FaultKind::Http, message).into());
    };
    Ok(resource(by.target, &resolve(by.target.uri(), &location))?)
}

/// Returns the target of an upload resource.
///
/// # Errors
/// Fails if the URL cannot be used, or is of another origin than the upload: this connection does not lead there.
pub(crate) fn resource(of: &Target, url: &str) -> Result<Target, Fault> {
    let unusable = |reason: &str| {
        let message = format!("the upload resource {} {reason}", quoted(&redacted_url(url)));
        Fault::new(FaultKind::Http, message)
    };
    let parsed = Target::parse(url).map_err(|error| unusable(&format!("cannot be used: {error}")))?;
    let parsed = parsed.or_zone_of(of);
    if !is_same_origin(&parsed, of) {
        return Err(unusable("is on another server, which is not followed"));
    }
    let parsed = parsed.with_protocol(of.protocol()).map_err(|error| unusable(&error.to_string()))?;
    Ok(parsed.or_credentials_of(of))
}

/// Returns the offset of an upload; `None` if the server no longer knows its resource.
///
/// # Errors
/// Fails if the server refuses, or states no offset.
pub(crate) async fn offset(by: &Exchange<'_>, resource: &Target) -> Result<Option<u64>, Failure> {
    let response = exchange(by, resource, Method::HEAD, versioned()).await?;
    if [StatusCode::NOT_FOUND, StatusCode::GONE].contains(&response.status()) {
        return Ok(None);
    }
    let response = accepted(response, &Statuses::default()).await?;
    let offset = resumable::integer(values(response.headers(), &OFFSET));
    drain(response).await?;
    let missing = || Fault::new(FaultKind::Http, "the server states no valid Upload-Offset of the upload");
    Ok(Some(offset.ok_or_else(missing)?))
}

/// Returns the request that appends `body` to an upload from `offset` on, and completes the upload.
///
/// # Errors
/// Fails if the user's changes make no valid request.
pub(crate) fn appending(
    by: &Exchange<'_>,
    resource: &Target,
    offset: u64,
    length: Option<u64>,
    body: Body,
) -> Result<Request<Body>, Fault> {
    let mut fields = versioned();
    fields.extend(length.map(|length| (header::CONTENT_LENGTH, length.into())));
    let options = by.options.clone().with_method(Method::PATCH);
    let mut request = options.request(Method::PATCH, resource, fields, body)?;
    // A Content-Type of the user describes the whole content, and is part of the creation.
    let of_part = [
        (header::CONTENT_TYPE, HeaderValue::from_static(resumable::PARTIAL_UPLOAD)),
        (OFFSET, offset.into()),
        (COMPLETE, HeaderValue::from_static("?1")),
    ];
    request.headers_mut().extend(of_part);
    Ok(request)
}

/// Returns whether a response states that the upload is not complete.
pub(crate) fn is_incomplete(headers: &HeaderMap) -> bool {
    resumable::boolean(values(headers, &COMPLETE)) == Some(false)
}

fn versioned() -> HeaderMap {
    HeaderMap::from_iter([(VERSION, HeaderValue::from_static(resumable::INTEROP_VERSION))])
}

async fn exchange(
    by: &Exchange<'_>,
    target: &Target,
    method: Method,
    fields: HeaderMap,
) -> Result<Response<Body>, Failure> {
    let options = by.options.clone().with_method(method.clone());
    let request = options.request(method, target, fields, body::empty())?;
    Ok(by.connection.exchange(request).await?)
}

/// Reads a response to its end, so that the connection can carry further requests.
async fn drain(response: Response<Body>) -> Result<(), Failure> {
    // The future is boxed because rustc cannot prove otherwise that it is `Send` (rust-lang/rust#110338).
    receipt(response).boxed().await.map(drop)
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> + use<'h> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_on_the_server_of_the_upload_and_gets_its_credentials() {
        let target = Target::parse("http://me:pw@x:8080/a").unwrap();
        let found = resource(&target, "http://x:8080/r").unwrap();
        assert!(found.url() == "http://x:8080/r" && found.credentials().is_some());
        for url in ["http://y:8080/r", "https://x:8080/r", "http://x/r", "ftp://x/r", "x"] {
            let message = resource(&target, url).unwrap_err().message;
            assert!(message.starts_with("the upload resource"), "{message}");
        }
    }
}
