//! The fields of RFC 9530, and the algorithms that they name.

use std::fmt;

use aws_lc_rs::digest::{self, Context, SHA256, SHA512};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The digest of the bytes of a message.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The digest of the whole file. Of an upload both are the same, because its body is the file.
pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The algorithms for which RFC 9530 section 5 sees no known attack. Others are ignored, as section 2 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    pub(super) const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The algorithm of a key of the field.
    fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.key() == key)
    }

    /// The key of the algorithm in the field.
    fn key(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    /// A new hasher.
    pub(super) fn context(self) -> Context {
        Context::new(match self {
            Self::Sha256 => &SHA256,
            Self::Sha512 => &SHA512,
        })
    }

    /// The length of a digest, in bytes.
    fn length(self) -> usize {
        match self {
            Self::Sha256 => digest::SHA256_OUTPUT_LEN,
            Self::Sha512 => digest::SHA512_OUTPUT_LEN,
        }
    }

    /// The value of a field with this digest.
    pub(super) fn field(self, digest: &[u8]) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{}=:{}:", self.key(), BASE64_STANDARD.encode(digest))).ok()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// The members of a dictionary (RFC 9651 section 3.2) in all fields of that name, without their parameters. The values of
/// RFC 9530 contain no comma and no semicolon.
fn members(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, String)> {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let mut members = Vec::new();
    for value in values {
        for member in value.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            let (key, value) = member.split_once('=').unwrap_or((member, ""));
            let value = value.split(';').next().unwrap_or_default();
            members.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    members
}

/// The digests of known algorithms in a field.
///
/// # Errors
/// The key of a digest that is no byte sequence of the right length.
pub(super) fn digests(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Vec<(Algorithm, Vec<u8>)>, Algorithm> {
    let known =
        members(headers, name).into_iter().filter_map(|(key, value)| Some((Algorithm::of(&key)?, value)));
    let decoded = known.map(|(algorithm, value)| {
        let encoded = value.strip_prefix(':').and_then(|value| value.strip_suffix(':'));
        let digest = encoded.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
        let digest = digest.filter(|digest| digest.len() == algorithm.length());
        digest.map(|digest| (algorithm, digest)).ok_or(algorithm)
    });
    decoded.collect()
}

/// The known algorithm that a client prefers in `Want-Content-Digest` or `Want-Repr-Digest` (RFC 9530 section 4). A weight
/// of 0 means "not acceptable".
pub(super) fn preferred(headers: &HeaderMap, name: &HeaderName) -> Option<Algorithm> {
    let weighted = members(headers, name).into_iter().filter_map(|(key, weight)| {
        let weight = weight.parse::<u8>().ok().filter(|weight| (1..=10).contains(weight))?;
        Some((weight, Algorithm::of(&key)?))
    });
    weighted.max_by_key(|(weight, _)| *weight).map(|(_, algorithm)| algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_DIGEST, HeaderValue::from_static(value));
        }
        headers
    }

    /// `printf abc | openssl dgst -sha256 -binary | base64`
    const ABC: &str = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";

    #[test]
    fn digests_of_known_algorithms_are_read_from_every_field() {
        let found = digests(&headers(&["md5=:AAAA:, adler=1", ABC]), &CONTENT_DIGEST).unwrap();
        assert_eq!(found.len(), 1);
        let (algorithm, digest) = &found[0];
        assert_eq!(algorithm.field(digest).unwrap(), ABC);
        let mut context = Algorithm::Sha256.context();
        context.update(b"abc");
        assert_eq!(context.finish().as_ref(), digest);
    }

    #[test]
    fn a_digest_that_cannot_be_read_is_an_error() {
        for value in ["sha-256=abc", "sha-256", "sha-256=:AAAA:", "sha-256=:!:", "sha-512=:ungWv48Bz+pBQUDe:"]
        {
            assert!(digests(&headers(&[value]), &CONTENT_DIGEST).is_err(), "{value}");
        }
        assert_eq!(digests(&headers(&["sha=abc, crc32c=:AAAA:", ""]), &CONTENT_DIGEST), Ok(Vec::new()));
    }

    #[test]
    fn the_preferred_algorithm_has_the_greatest_weight() {
        let preferred = |value| preferred(&headers(&[value]), &CONTENT_DIGEST);
        assert_eq!(preferred("sha-256=3, sha-512=10"), Some(Algorithm::Sha512));
        assert_eq!(preferred("sha-256=3;x=1, sha-512=0"), Some(Algorithm::Sha256));
        assert_eq!(preferred("md5=10"), None);
        assert_eq!(preferred("sha-256=0"), None);
    }
}
