//! The front page, which explains the requests.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Response, StatusCode, header};
use transport::{Body, body};

use crate::response;

const PAGE: &str = include_str!("page.html");

/// The Content-Security-Policy of the page: it may run its own script and style, load nothing, and be framed by no
/// other page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash_of("script"),
        hash_of("style")
    )
});

/// Returns the response with the page.
pub(crate) fn response() -> Response<Body> {
    let mut response = response::with_status(StatusCode::OK, body::full(PAGE));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response::set(&mut response, name, value);
    }
    response
}

/// Returns the source expression of an element of the page (CSP Level 3, section 2.3.1).
fn hash_of(element: &str) -> String {
    let content = PAGE
        .split_once(&format!("<{element}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{element}>")))
        .map_or("", |(content, _)| content);
    format!("'sha256-{}'", BASE64_STANDARD.encode(digest(&SHA256, content.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_admits_the_script_and_the_style_of_the_page_only() {
        let empty = BASE64_STANDARD.encode(digest(&SHA256, b""));
        let response = response();
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains(&empty), "{policy}");
        assert_eq!((PAGE.matches("<script").count(), PAGE.matches("<style").count()), (1, 1));
    }
}
