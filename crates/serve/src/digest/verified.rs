//! A body that fails at its end unless it has the digests that its request states.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Frame;
use transport::{Body, BodyError};

use super::Stated;

/// The body of an upload, which is compared with its digests before its end is reported. A mismatch ends the body with
/// an error, so nothing is saved.
pub(crate) struct Verified<'a> {
    body: &'a mut Body,
    stated: Stated,
}

impl<'a> Verified<'a> {
    /// Wraps the body of a request that states any number of digests.
    pub(crate) fn new(body: &'a mut Body, stated: Stated) -> Self {
        Self { body, stated }
    }
}

impl http_body::Body for Verified<'_> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut *self.body).poll_frame(cx)).transpose()?;
        match &frame {
            Some(frame) if frame.is_data() => {
                if let Some(piece) = frame.data_ref() {
                    self.stated.update(piece);
                }
            }
            last => {
                let trailers = last.as_ref().and_then(Frame::trailers_ref);
                mem::take(&mut self.stated).compare(trailers)?;
            }
        }
        Poll::Ready(frame.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::{super::Mismatch, *};

    /// The SHA-256 of "abc", and that of an empty body.
    const ABC: &str = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    const EMPTY: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        fields.iter().copied().map(field).collect()
    }

    /// Reads "abc" with these fields before and after it.
    async fn read(
        head: &[(&'static str, &'static str)],
        trailers: &[(&'static str, &'static str)],
    ) -> Result<Bytes, BodyError> {
        let mut frames: Vec<Result<_, BodyError>> =
            vec![Ok(Frame::data(Bytes::from("a"))), Ok(Frame::data(Bytes::from("bc")))];
        if !trailers.is_empty() {
            frames.push(Ok(Frame::trailers(fields(trailers))));
        }
        let mut body = StreamBody::new(iter(frames)).boxed_unsync();
        let stated = Stated::of(&fields(head)).unwrap();
        Verified::new(&mut body, stated).collect().await.map(http_body_util::Collected::to_bytes)
    }

    fn mismatch(result: Result<Bytes, BodyError>) -> Mismatch {
        *result.unwrap_err().downcast().unwrap()
    }

    #[tokio::test]
    async fn a_body_with_its_digest_passes_wherever_that_is_stated() {
        for name in ["content-digest", "repr-digest"] {
            assert_eq!(read(&[(name, ABC)], &[]).await.unwrap(), "abc");
            let announced = read(&[("trailer", "x, Content-Digest")], &[(name, ABC)]).await;
            assert_eq!(announced.unwrap(), "abc");
        }
        assert_eq!(read(&[], &[]).await.unwrap(), "abc");
        assert_eq!(read(&[("content-digest", "md5=:AAAA:")], &[("x", "y")]).await.unwrap(), "abc");
    }

    #[tokio::test]
    async fn a_body_with_another_digest_fails_at_its_end() {
        for name in ["content-digest", "repr-digest"] {
            let differs = mismatch(read(&[(name, EMPTY)], &[]).await);
            assert!(matches!(differs, Mismatch::Differs(_)), "{differs}");
            let differs = mismatch(read(&[("trailer", "repr-digest")], &[(name, EMPTY)]).await);
            assert!(matches!(differs, Mismatch::Differs(_)), "{differs}");
            let unreadable = mismatch(read(&[], &[(name, "sha-256=x")]).await);
            assert!(matches!(unreadable, Mismatch::Unreadable(_)), "{unreadable}");
        }
        let both = mismatch(read(&[("content-digest", ABC)], &[("content-digest", EMPTY)]).await);
        assert!(matches!(both, Mismatch::Differs(_)), "{both}");
    }

    #[tokio::test]
    async fn a_digest_that_nobody_announced_is_never_taken_for_verified() {
        let unannounced = mismatch(read(&[], &[("content-digest", ABC)]).await);
        assert!(matches!(unannounced, Mismatch::Unannounced(_)), "{unannounced}");
    }

    #[test]
    fn a_digest_that_cannot_be_read_is_refused_before_the_body() {
        assert!(Stated::of(&fields(&[("content-digest", "sha-256=:x:")])).is_err());
    }
}
