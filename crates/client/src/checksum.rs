//! Verification of a download by the digests that its server states: Content-Digest and Repr-Digest (RFC 9530), in the
//! head or in the trailers.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use aws_lc_rs::digest::{self, SHA256, SHA512};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use http_body::{Body, Frame};
use record::Integrity;
use transport::BodyError;

/// The digest of the bytes of this message.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The digest of the whole representation, of which a message may carry a part.
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The algorithms that RFC 9530 section 5 calls active, by their keys.
const ALGORITHMS: [(&str, &digest::Algorithm); 2] = [("sha-256", &SHA256), ("sha-512", &SHA512)];

/// A digest that a server states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checksum {
    /// The position in [`ALGORITHMS`].
    algorithm: usize,
    value: Vec<u8>,
}

impl Checksum {
    /// The first digest of a known algorithm in a field. Other algorithms and malformed members are ignored, as
    /// section 2 of RFC 9530 allows.
    pub(crate) fn of(headers: &HeaderMap, field: &HeaderName) -> Option<Self> {
        let values = headers.get_all(field).iter().filter_map(|value| value.to_str().ok());
        Self::in_value(&values.collect::<Vec<_>>().join(","))
    }

    /// The first digest of a known algorithm in the value of a field.
    pub(crate) fn in_value(value: &str) -> Option<Self> {
        let members: Vec<_> = value.split(',').collect();
        let find = |(at, (key, algorithm)): (usize, (&str, &digest::Algorithm))| {
            let value = members.iter().find_map(|member| bytes_of(member, key))?;
            (value.len() == algorithm.output_len()).then_some(Self { algorithm: at, value })
        };
        ALGORITHMS.into_iter().enumerate().find_map(find)
    }

    /// Starts to digest bytes by the algorithm of this checksum.
    pub(crate) fn hasher(&self) -> Hasher {
        Hasher::new(self.algorithm)
    }

    /// The comparison with the digest of the received bytes.
    pub(crate) fn compare(&self, received: &[u8]) -> Integrity {
        let name = ALGORITHMS.get(self.algorithm).map_or("", |(name, _)| name);
        let matches = self.value == received;
        Integrity { algorithm: name.into(), sent: hex(&self.value), received: hex(received), matches }
    }
}

/// The byte sequence of a dictionary's member (RFC 8941 section 3.3.5), with or without parameters.
fn bytes_of(member: &str, key: &str) -> Option<Vec<u8>> {
    let value = member.trim().strip_prefix(key)?.strip_prefix("=:")?;
    BASE64_STANDARD.decode(value.split_once(':')?.0).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digests bytes by one algorithm.
pub(crate) struct Hasher {
    algorithm: usize,
    context: digest::Context,
}

impl Hasher {
    fn new(algorithm: usize) -> Self {
        let known = ALGORITHMS.get(algorithm).map_or(&SHA256, |(_, known)| known);
        Self { algorithm, context: digest::Context::new(known) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub(crate) fn digest(self) -> Vec<u8> {
        self.context.finish().as_ref().to_vec()
    }
}

/// The digests that a body of one message must have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checksums {
    stated: Vec<Checksum>,
    /// True if trailers were announced that may state more.
    in_trailers: bool,
    /// The field that describes the bytes of the message besides Content-Digest: Repr-Digest, unless it is a part.
    fields: Vec<HeaderName>,
}

impl Checksums {
    /// The digests of a message that carries a whole representation.
    pub(crate) fn of_whole(headers: &HeaderMap) -> Self {
        Self::of(headers, vec![CONTENT_DIGEST, REPR_DIGEST])
    }

    /// The digests of a message that carries a part of a representation.
    pub(crate) fn of_part(headers: &HeaderMap) -> Self {
        Self::of(headers, vec![CONTENT_DIGEST])
    }

    fn of(headers: &HeaderMap, fields: Vec<HeaderName>) -> Self {
        let announced = headers.get_all(header::TRAILER).iter().filter_map(|value| value.to_str().ok());
        let mut names = announced.flat_map(|value| value.split(',')).map(str::trim);
        let in_trailers =
            names.any(|name| fields.iter().any(|field| name.eq_ignore_ascii_case(field.as_str())));
        let stated = fields.iter().filter_map(|field| Checksum::of(headers, field)).collect();
        Self { stated, in_trailers, fields }
    }

    /// The algorithms that are needed to compare all digests.
    fn hashers(&self) -> Vec<Hasher> {
        let needed = |at: &usize| self.in_trailers || self.stated.iter().any(|one| one.algorithm == *at);
        (0..ALGORITHMS.len()).filter(needed).map(Hasher::new).collect()
    }
}

/// The outcome of the comparison, which outlives the body: the first digest that differs, or else the first one.
pub(crate) type Proof = Arc<OnceLock<Integrity>>;

/// A body that ends in an error if it does not have the digests that its server states.
pub(crate) struct Verified<B> {
    body: B,
    checksums: Checksums,
    hashers: Vec<Hasher>,
    proof: Proof,
}

impl<B> Verified<B> {
    pub(crate) fn new(body: B, checksums: Checksums) -> Self {
        Self { body, hashers: checksums.hashers(), checksums, proof: Proof::default() }
    }

    /// A handle to the outcome, for use after the body is given away.
    pub(crate) fn proof(&self) -> Proof {
        self.proof.clone()
    }

    /// Compares all digests at the end of the body.
    fn conclude(&mut self) -> Result<(), Mismatch> {
        let digests: Vec<_> =
            self.hashers.drain(..).map(|hasher| (hasher.algorithm, hasher.digest())).collect();
        let compared = self.checksums.stated.drain(..).filter_map(|checksum| {
            let (_, digest) = digests.iter().find(|(algorithm, _)| *algorithm == checksum.algorithm)?;
            Some(checksum.compare(digest))
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
            self.checksums.stated.extend(fields.iter().filter_map(|field| Checksum::of(trailers, field)));
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

/// A body that does not have the digest that its server states.
#[derive(Debug)]
pub(crate) struct Mismatch;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it does not have the digest that the server states")
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// The SHA-256 and SHA-512 of `abc` (FIPS 180-4), as `openssl dgst` prints them.
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
            assert!(length.unwrap_err().contains("does not have the digest") && matches == Some(false));
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
        let integrity = Checksum::of(&head, &REPR_DIGEST).unwrap().compare(b"x");
        assert_eq!((integrity.algorithm.as_str(), integrity.received.as_str()), ("sha-256", "78"));
    }
}
