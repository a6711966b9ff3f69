//! The digest of a download for a client that asks for it. The digest follows in the trailers, because the body is
//! hashed while it is sent.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header, request::Parts};
use http_body::Frame;
use http_body_util::BodyExt as _;
use receiver::{DigestAlgorithm, DigestHasher};
use transport::{Body, BodyError, body};

use super::field::{CONTENT_DIGEST, REPR_DIGEST, values};

/// The fields by which a client asks for a digest (RFC 9530 section 4). For a whole file, both fields ask for the same
/// digest.
const WANT: [HeaderName; 2] =
    [HeaderName::from_static("want-content-digest"), HeaderName::from_static("want-repr-digest")];

/// The fields that state the digest of a whole file.
static OF_WHOLE: [HeaderName; 2] = [CONTENT_DIGEST, REPR_DIGEST];

/// The field that states the digest of a part of a file.
static OF_PART: [HeaderName; 1] = [CONTENT_DIGEST];

/// Appends the digest of the body to a response, if the request asks for it and its client accepts trailers.
pub(crate) fn attach(request: &Parts, response: &mut Response<Body>) {
    let preferred = |name| DigestAlgorithm::preferred(values(&request.headers, name));
    let Some(algorithm) = WANT.iter().find_map(preferred) else { return };
    if !takes_trailers(request) {
        return;
    }
    let names: &[HeaderName] = match response.status() {
        StatusCode::OK => &OF_WHOLE,
        StatusCode::PARTIAL_CONTENT => &OF_PART,
        _ => return,
    };
    if request.version < Version::HTTP_2 {
        // HTTP/1.1 has trailers only with the chunked coding.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    for name in names {
        response.headers_mut().append(header::TRAILER, HeaderValue::from(name.clone()));
    }
    let inner = std::mem::replace(response.body_mut(), body::empty());
    let digested = Digested { body: inner, names, hasher: Some(algorithm.hasher()) };
    *response.body_mut() = digested.boxed_unsync();
}

/// Returns whether the client accepts trailers. Over HTTP/2 and HTTP/3 every client does; over HTTP/1.1 its TE field
/// says so (RFC 9112 section 7.1.2).
fn takes_trailers(request: &Parts) -> bool {
    let mut codings = request.headers.get_all(header::TE).iter().filter_map(|value| value.to_str().ok());
    request.version >= Version::HTTP_2
        || (request.version == Version::HTTP_11
            && codings.any(|codings| {
                codings.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
            }))
}

/// A body that is hashed while it is pulled. Its digest follows in the trailers.
struct Digested {
    body: Body,
    names: &'static [HeaderName],
    hasher: Option<DigestHasher>,
}

impl http_body::Body for Digested {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.hasher.is_none() {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?;
        if let Some(frame) = frame {
            if let (Some(piece), Some(hasher)) = (frame.data_ref(), &mut self.hasher) {
                hasher.update(piece);
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        let digest = self.hasher.take().map(|hasher| hasher.finish().to_string());
        let value = digest.and_then(|digest| HeaderValue::try_from(digest).ok());
        let Some(value) = value else { return Poll::Ready(None) };
        let trailers: HeaderMap = self.names.iter().map(|name| (name.clone(), value.clone())).collect();
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(version: Version, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/a").version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// Returns the trailers of the body "abc" in the response to a request.
    async fn trailers(request: &Parts, status: StatusCode) -> Option<HeaderMap> {
        let mut response = Response::new(body::full("abc"));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_LENGTH, 3.into());
        attach(request, &mut response);
        let chunked = !response.headers().contains_key(header::CONTENT_LENGTH);
        assert_eq!(chunked, response.headers().contains_key("trailer") && request.version < Version::HTTP_2);
        let collected = response.into_body().collect().await.unwrap();
        collected.trailers().cloned().inspect(|_| assert_eq!(collected.to_bytes(), "abc"))
    }

    #[tokio::test]
    async fn a_client_that_wants_a_digest_gets_it_after_the_body() {
        let abc = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
        let want = ("want-content-digest", "sha-256=10");
        for (version, headers) in
            [(Version::HTTP_11, &[want, ("te", "trailers")][..]), (Version::HTTP_2, &[want][..])]
        {
            let request = request(version, headers);
            let whole = trailers(&request, StatusCode::OK).await.unwrap();
            assert_eq!(
                (&whole["content-digest"], &whole["repr-digest"]),
                (&abc.parse().unwrap(), &abc.parse().unwrap())
            );
            let part = trailers(&request, StatusCode::PARTIAL_CONTENT).await.unwrap();
            assert!(part.contains_key("content-digest") && !part.contains_key("repr-digest"));
            assert!(trailers(&request, StatusCode::NOT_FOUND).await.is_none());
        }
    }

    #[tokio::test]
    async fn a_client_that_wants_none_or_takes_no_trailers_gets_none() {
        for (version, headers) in [
            (Version::HTTP_2, &[][..]),
            (Version::HTTP_2, &[("want-repr-digest", "md5=10")][..]),
            (Version::HTTP_11, &[("want-repr-digest", "sha-256=10")][..]),
            (Version::HTTP_10, &[("want-repr-digest", "sha-256=10"), ("te", "trailers")][..]),
        ] {
            assert!(trailers(&request(version, headers), StatusCode::OK).await.is_none(), "{headers:?}");
        }
    }
}
