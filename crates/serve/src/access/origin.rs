//! The origins of web pages. A browser sends the requests of any page, and can reach servers that only this machine can
//! reach.

use std::str::FromStr;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts, uri::Authority};

use crate::refusal::Refusal;

/// The origins whose pages may use a server. By default there are none.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<String>);

/// The error for a text that is not an origin.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not an origin; use a scheme and a host such as https://example.org, or * for any")]
pub struct InvalidOrigin(String);

impl Origins {
    /// Adds an origin (RFC 6454 section 6.2), or `*` for any.
    ///
    /// # Errors
    /// Fails if the text is not an origin.
    pub fn allow(&mut self, text: &str) -> Result<(), InvalidOrigin> {
        let origin = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let rest = origin.split_once("://").map(|(_, rest)| rest);
        if text != "*" && !rest.is_some_and(|rest| Authority::from_str(rest).is_ok() && !rest.contains('@')) {
            return Err(InvalidOrigin(text.to_owned()));
        }
        self.0.push(origin);
        Ok(())
    }

    /// Returns the origin of a request, if pages of that origin may use the server.
    pub(super) fn allowed<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (origin, None) = (origins.next()?, origins.next()) else { return None };
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        self.0.iter().any(|allowed| allowed == "*" || *allowed == text).then_some(origin)
    }

    /// Returns whether no origin is allowed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Refuses the request of a page of another origin. Programs other than browsers do not send the fields that state an
/// origin.
///
/// # Errors
/// Fails if the page has another origin, which is not allowed (403).
pub(super) fn check(
    request: &Parts,
    authority: Option<&Authority>,
    origins: &Origins,
) -> Result<(), Refusal> {
    if origins.allowed(&request.headers).is_some() {
        return Ok(());
    }
    let from_elsewhere =
        request.headers.get_all(header::ORIGIN).iter().any(|origin| !is_same_origin(origin, authority));
    let cross_site = request.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if from_elsewhere || (cross_site && !is_visit(request)) {
        let reason = "web pages of other origins may not use this server, unless --allow-origin names them";
        return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
    }
    Ok(())
}

/// Returns whether the origin is the server's own. Schemes are not compared, since a proxy may have terminated TLS.
fn is_same_origin(origin: &HeaderValue, authority: Option<&Authority>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let (Some(origin), Some(authority)) = (origin, authority) else { return false };
    let default = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    origin.authority().is_some_and(|origin| {
        origin.host().eq_ignore_ascii_case(authority.host()) && port(origin) == port(authority)
    })
}

/// Returns whether the request follows a link to this server. The page with the link cannot read the response.
fn is_visit(request: &Parts) -> bool {
    let is = |name: &str, value: &str| request.headers.get(name).is_some_and(|field| field == value);
    [Method::GET, Method::HEAD].contains(&request.method)
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn refused(method: Method, fields: &[(&str, &str)], allowed: &[&str]) -> Option<u16> {
        let mut request = Request::builder().method(method).uri("/a");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut origins = Origins::default();
        allowed.iter().for_each(|origin| origins.allow(origin).unwrap());
        let authority = Authority::from_static("127.0.0.1:8080");
        check(&parts, Some(&authority), &origins).err().map(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        for origin in [
            "https://evil.example",
            "http://127.0.0.1",
            "http://127.0.0.1:8081",
            "http://localhost:8080",
            "null",
            "",
            "ftp://127.0.0.1:8080",
            "127.0.0.1:8080",
        ] {
            assert_eq!(refused(Method::POST, &[("origin", origin)], &[]), Some(403), "{origin}");
            assert_eq!(refused(Method::GET, &[("origin", origin)], &[]), Some(403), "{origin}");
        }
        let two = [("origin", "http://127.0.0.1:8080"), ("origin", "https://evil.example")];
        assert_eq!(refused(Method::POST, &two, &[]), Some(403));
        for method in [Method::GET, Method::POST] {
            assert_eq!(refused(method, &[("sec-fetch-site", "cross-site")], &[]), Some(403));
        }
    }

    #[test]
    fn programs_and_pages_of_the_server_itself_are_not() {
        for fields in [
            &[][..],
            &[("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://127.0.0.1:8080")],
            &[("sec-fetch-site", "none")],
        ] {
            assert_eq!(refused(Method::PUT, fields, &[]), None, "{fields:?}");
        }
    }

    #[test]
    fn a_link_may_be_followed_and_a_form_not_sent() {
        let visit = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(refused(Method::GET, &visit, &[]), None);
        assert_eq!(refused(Method::POST, &visit, &[]), Some(403));
        assert_eq!(refused(Method::GET, &visit[..2], &[]), Some(403));
    }

    #[test]
    fn an_allowed_origin_is_compared_whole() {
        let fields = [("origin", "https://a.example"), ("sec-fetch-site", "cross-site")];
        assert_eq!(refused(Method::PUT, &fields, &["https://A.example/"]), None);
        assert_eq!(refused(Method::PUT, &fields, &["*"]), None);
        assert_eq!(refused(Method::PUT, &fields, &["https://a.example:444", "http://a.example"]), Some(403));
        for text in ["", "a.example", "https://", "https://u@a.example"] {
            assert!(Origins::default().allow(text).is_err(), "{text}");
        }
    }
}
