//! The verification of a download by the digests that its server states: Content-Digest and Repr-Digest (RFC 9530), in
//! the head or in the trailers.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use http_body::{Body, Frame};
use receiver::{DigestAlgorithm, DigestHasher, StatedDigest};
use record::Integrity;
use transport::BodyError;

/// The field with the digest of the bytes of this message.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The field with the digest of the whole representation, of which a message may carry a part.
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Returns the first digest of a known algorithm in a field; `None` if there is none. Other algorithms and malformed
/// members are ignored, as section 2 of RFC 9530 allows.
pub(crate) fn stated(headers: &HeaderMap, field: &HeaderName) -> Option<StatedDigest> {
    stated_in(headers.get_all(field).iter().filter_map(|value| value.to_str().ok()))
}

/// Returns the first digest of a known algorithm in the values of a field; `None` if there is none.
pub(crate) fn stated_in<'v>(values: impl IntoIterator<Item = &'v str>) -> Option<StatedDigest> {
    let digests: Vec<_> = StatedDigest::in_values(values).flatten().collect();
    let first = |algorithm| digests.iter().find(|digest| digest.algorithm == algorithm).cloned();
    DigestAlgorithm::ALL.into_iter().find_map(first)
}

/// Compares a stated digest with the digest of the received bytes.
pub(crate) fn compare(stated: &StatedDigest, received: &StatedDigest) -> Integrity {
    Integrity {
        algorithm: stated.algorithm.key().into(),
        sent: stated.hex(),
        received: received.hex(),
        matches: stated == received,
    }
}

/// The digests that the body of a message must have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checksums {
    stated: Vec<StatedDigest>,
    /// True if the message announces trailers, which may state further digests.
    in_trailers: bool,
    /// The fields whose digests describe the bytes of the message: Content-Digest, and Repr-Digest unless the message
    /// carries a part.
    fields: Vec<HeaderName>,
}

impl Checksums {
    /// Reads the digests from the head of a message that carries a whole representation.
    pub(crate) fn of_whole(headers: &HeaderMap) -> Self {
        Self::of(headers, vec![CONTENT_DIGEST, REPR_DIGEST])
    }

    /// Reads the digests from the head of a message that carries a part of a representation.
    pub(crate) fn of_part(headers: &HeaderMap) -> Self {
        Self::of(headers, vec![CONTENT_DIGEST])
    }

    fn of(headers: &HeaderMap, fields: Vec<HeaderName>) -> Self {
        let announced = headers.get_all(header::TRAILER).iter().filter_map(|value| value.to_str().ok());
        let mut names = announced.flat_map(|value| value.split(',')).map(str::trim);
        let in_trailers =
            names.any(|name| fields.iter().any(|field| name.eq_ignore_ascii_case(field.as_str())));
        let stated = fields.iter().filter_map(|field| stated(headers, field)).collect();
        Self { stated, in_trailers, fields }
    }

    /// Creates the hashers that are needed to verify all digests.
    fn hashers(&self) -> Vec<DigestHasher> {
        let is_stated = |algorithm| self.stated.iter().any(|one| one.algorithm == algorithm);
        let needed = |algorithm: &DigestAlgorithm| self.in_trailers || is_stated(*algorithm);
        DigestAlgorithm::ALL.into_iter().filter(needed).map(DigestAlgorithm::hasher).collect()
    }
}

/// The outcome of the verification, which outlives the body: the comparison of the first digest that differs, or else
/// of the first digest.
pub(crate) type Proof = Arc<OnceLock<Integrity>>;

/// A body that ends in an error if its digests differ from those that the server states.
pub(crate) struct Verified<B> {
    body: B,
    checksums: Checksums,
    hashers: Vec<DigestHasher>,
    proof: Proof,
}

impl<B> Verified<B> {
    pub(crate) fn new(body: B, checksums: Checksums) -> Self {
        Self { body, hashers: checksums.hashers(), checksums, proof: Proof::default() }
    }

    /// Returns a handle to the outcome, for use after the body was given away.
    pub(crate) fn proof(&self) -> Proof {
        self.proof.clone()
    }

    /// Compares all digests at the end of the body.
    fn conclude(&mut self) -> Result<(), Mismatch> {
        let digests: Vec<_> = self.hashers.drain(..).map(DigestHasher::finish).collect();
        let compared = self.checksums.stated.drain(..).filter_map(|stated| {
            let received = digests.iter().find(|digest| digest.algorithm == stated.algorithm)?;
            Some(compare(&stated, received))
        });
        let mut compared: Vec<_> = compared.collect();
        compared.sort_by_key(|integrity| integrity.matches);
        let Some(first) = compared.into_iter().next() else { return Ok(()) };
        let differs = !first.matches;
        let _ = self.proof.set(first);
        if differs { Err(Mismatch) } else { Ok(()) }
    }
}

impl<B> Body for Verified<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(self.conclude().err().map(|differs| Err(differs.into()))),
        };
        if let Some(data) = frame.data_ref() {
            self.hashers.iter_mut().for_each(|hasher| hasher.update(data));
        } else if let Some(trailers) = frame.trailers_ref() {
            let fields = std::mem::take(&mut self.checksums.fields);
            self.checksums.stated.extend(fields.iter().filter_map(|field| stated(trailers, field)));
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

/// The error of a body whose digest differs from the one that the server states.
#[derive(Debug)]
pub(crate) struct Mismatch;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the digest differs from the one that the server states")
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// The SHA-256 digest of `abc` as a field states it. The digests of `abc` are from FIPS 180-4.
    const SHA256_ABC: &str = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    const SHA512_ABC: &str =
        "sha-512=:3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==:";

    fn headers(fields: &[(&HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| ((*name).clone(), value.parse().unwrap())).collect()
    }

    async fn received(
        head: &HeaderMap,
        trailers: Option<HeaderMap>,
    ) -> (Result<usize, String>, Option<bool>) {
        let data = ["a", "bc"].map(|piece| Ok::<_, BodyError>(Frame::data(Bytes::from(piece))));
        let frames = data.into_iter().chain(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        let body = Verified::new(StreamBody::new(iter(frames)), Checksums::of_whole(head));
        let proof = body.proof();
        let collected = body.collect().await;
        let length = collected.map(|body| body.to_bytes().len()).map_err(|error| error.to_string());
        (length, proof.get().map(|proof| proof.matches))
    }

    #[tokio::test]
    async fn a_body_must_have_the_digests_of_its_head() {
        let wrong = SHA256_ABC.replace("ungW", "ungX");
        for field in [&CONTENT_DIGEST, &REPR_DIGEST] {
            for value in [SHA256_ABC, SHA512_ABC, &format!("md5=:AA==:, {SHA512_ABC};q=1, {SHA256_ABC}")] {
                assert_eq!(received(&headers(&[(field, value)]), None).await, (Ok(3), Some(true)), "{value}");
            }
            let (length, matches) = received(&headers(&[(field, &wrong)]), None).await;
            assert!(length.unwrap_err().contains("the digest differs") && matches == Some(false));
        }
        let both = headers(&[(&CONTENT_DIGEST, SHA256_ABC), (&REPR_DIGEST, &wrong)]);
        assert_eq!(received(&both, None).await.1, Some(false));
    }

    #[tokio::test]
    async fn announced_trailers_count_and_unknown_digests_do_not() {
        let head = headers(&[(&header::TRAILER, "X, Repr-Digest")]);
        let wrong = SHA512_ABC.replace("3a81", "3a82");
        assert_eq!(received(&head, Some(headers(&[(&REPR_DIGEST, SHA512_ABC)]))).await, (Ok(3), Some(true)));
        assert_eq!(received(&head, Some(headers(&[(&REPR_DIGEST, &wrong)]))).await.1, Some(false));
        assert_eq!(received(&head, None).await, (Ok(3), None));
        for value in ["sha-256=:AAAA:", "sha-256=:!:", "sha-256=abc", "md5=:AA==:", ""] {
            assert_eq!(received(&headers(&[(&REPR_DIGEST, value)]), None).await, (Ok(3), None), "{value}");
        }
    }

    #[test]
    fn the_representation_of_a_part_is_not_that_of_the_message() {
        let head = headers(&[(&REPR_DIGEST, SHA256_ABC)]);
        assert!(Checksums::of_part(&head).stated.is_empty());
        let mut hasher = DigestAlgorithm::Sha256.hasher();
        hasher.update(b"abc");
        let integrity = compare(&stated(&head, &REPR_DIGEST).unwrap(), &hasher.finish());
        assert_eq!((integrity.algorithm.as_str(), integrity.matches), ("sha-256", true));
    }
}
