//! Digests of RFC 9530: verified on uploads, and given on downloads.

use std::fs;

use bytes::Bytes;
use futures_util::stream::iter;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use transport::{Body, body};

use crate::running::{PROTOCOLS, Running, names, saving};

/// The SHA-256 of "abc", and that of an empty body.
const ABC: &str = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
const EMPTY: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

/// Returns a body of "abc", followed by a trailer.
fn abc(name: &'static str, value: &'static str) -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    let frames = [Ok(Frame::data(Bytes::from("abc"))), Ok(Frame::trailers(trailers))];
    StreamBody::new(iter(frames)).boxed_unsync()
}

#[tokio::test]
async fn an_upload_with_another_digest_than_it_states_is_400_and_not_saved() {
    let (folder, options) = saving();
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        for name in ["content-digest", "repr-digest"] {
            for (digest, status) in [(ABC, 201), (EMPTY, 400), ("sha-256=:x:", 400), ("md5=:AAAA:", 201)] {
                let _ = fs::remove_file(folder.path().join("a"));
                let body = body::full("abc");
                let answer = server.exchange_with(protocol, Method::PUT, "/a", &[(name, digest)], body).await;
                assert_eq!(answer.status.as_u16(), status, "{protocol} {name}: {digest}: {}", answer.text());
                assert_eq!(names(&folder).len(), usize::from(status == 201), "{protocol} {name}: {digest}");
            }
        }
    }
}

#[tokio::test]
async fn a_digest_after_the_body_is_verified_as_well() {
    let (folder, options) = saving();
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        for (announced, digest, status) in
            [("content-digest", ABC, 201), ("content-digest", EMPTY, 400), ("x-other", ABC, 400)]
        {
            // Over HTTP/1.1, hyper's client sends only trailers that it announces.
            if announced == "x-other" && protocol.starts_with("h1") {
                continue;
            }
            let _ = fs::remove_file(folder.path().join("a"));
            let body = abc("content-digest", digest);
            let headers = [("trailer", announced)];
            let answer = server.exchange_with(protocol, Method::PUT, "/a", &headers, body).await;
            assert_eq!(answer.status.as_u16(), status, "{protocol} {digest}: {}", answer.text());
            assert_eq!(names(&folder).len(), usize::from(status == 201), "{protocol} {digest}");
        }
    }
}

#[tokio::test]
async fn a_download_is_followed_by_the_digest_that_its_client_wants() {
    let (folder, options) = saving();
    fs::write(folder.path().join("a"), "abc").unwrap();
    let server = Running::start(options);
    for protocol in PROTOCOLS {
        let headers = [("want-content-digest", "sha-256=10"), ("te", "trailers")];
        let answer = server.exchange_with(protocol, Method::GET, "/a", &headers, body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "abc"), "{protocol}");
        for name in ["content-digest", "repr-digest"] {
            assert_eq!(answer.trailers.get(name).unwrap(), ABC, "{protocol} {name}");
        }
        let none = server.get(protocol, "/a").await;
        assert!(none.trailers.is_empty() && none.header("trailer").is_none(), "{protocol}");
    }
}
