//! Cross-origin resource sharing (Fetch, section "HTTP extensions") for the pages of allowed origins.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use transport::{Body, body};

use super::Origins;
use crate::response;

/// The time in seconds for which a browser remembers a permission.
const MAX_AGE: &str = "600";

/// The fields of responses that scripts may read, besides the safelisted ones.
const EXPOSED: &str = "Accept-Patch, Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Location, Repr-Digest, \
     Upload-Complete, Upload-Length, Upload-Limit, Upload-Offset";

/// The request header by which a page of the public internet asks for access to a server of a private network (Private
/// Network Access).
const REQUEST_PRIVATE: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The field that decides which sites may embed a response (Fetch, section "Cross-Origin-Resource-Policy").
const EMBEDDING: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Returns whether an OPTIONS request asks for the permission of a page.
pub(super) fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Returns the fields by which a browser lets a page read a response.
pub(super) fn response_fields(headers: &HeaderMap, origins: &Origins) -> HeaderMap {
    let mut fields = HeaderMap::new();
    if origins.is_empty() {
        // No page of another site may embed a response.
        fields.insert(EMBEDDING, HeaderValue::from_static("same-origin"));
        return fields;
    }
    // Caches must not give one origin the response of another.
    fields.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origins.allowed(headers) {
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        fields.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    fields
}

/// Returns the answer to a preflight of an allowed origin. Any request header is permitted, because each request is
/// checked when it arrives.
pub(crate) fn preflight(headers: &HeaderMap) -> Response<Body> {
    let mut response = response::with_status(StatusCode::NO_CONTENT, body::empty());
    response::set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, PUT, POST, PATCH, DELETE");
    response::set(&mut response, header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if let Some(fields) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fields.clone());
    }
    if headers.get(REQUEST_PRIVATE).is_some_and(|asked| asked == "true") {
        response::set(&mut response, ALLOW_PRIVATE, "true");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowed_origin_is_named_and_others_are_not() {
        let mut origins = Origins::default();
        let fields = |origins: &Origins, origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("origin", origin.parse().unwrap());
            response_fields(&headers, origins)
        };
        let none = fields(&origins, "https://a.example");
        assert!(none.len() == 1 && none[EMBEDDING] == "same-origin");
        origins.allow("https://a.example").unwrap();
        let allowed = fields(&origins, "https://a.example");
        assert_eq!(allowed["access-control-allow-origin"], "https://a.example");
        assert_eq!(allowed["vary"], "Origin");
        for name in ["Accept-Patch", "Upload-Limit", "Upload-Offset"] {
            assert!(allowed["access-control-expose-headers"].to_str().unwrap().contains(name), "{name}");
        }
        let other = fields(&origins, "https://b.example");
        assert!(!other.contains_key("access-control-allow-origin") && other["vary"] == "Origin");
    }

    #[test]
    fn a_preflight_is_granted_with_the_fields_that_it_asks_for() {
        let mut headers = HeaderMap::new();
        headers
            .insert("access-control-request-headers", HeaderValue::from_static("authorization,content-type"));
        let response = preflight(&headers);
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()["access-control-allow-headers"], "authorization,content-type");
        assert!(!response.headers().contains_key(ALLOW_PRIVATE));
        headers.insert(REQUEST_PRIVATE, HeaderValue::from_static("true"));
        assert_eq!(preflight(&headers).headers()[ALLOW_PRIVATE], "true");
    }
}
