//! The digests that HTTP messages state about their bodies (RFC 9530): the values of Content-Digest and Repr-Digest,
//! and of the fields by which clients request them.

use std::fmt;

use aws_lc_rs::digest::{self, Context, SHA256, SHA512};
use base64::{Engine as _, prelude::BASE64_STANDARD};

/// The algorithms without a known attack according to RFC 9530 section 5. Other algorithms are ignored, as section 2
/// allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// The algorithm `sha-256`.
    Sha256,
    /// The algorithm `sha-512`.
    Sha512,
}

impl DigestAlgorithm {
    /// All algorithms that are supported.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Returns the name of the algorithm in header fields.
    pub fn key(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    /// Creates a hasher for the algorithm.
    pub fn hasher(self) -> DigestHasher {
        DigestHasher { algorithm: self, context: Context::new(self.implementation()) }
    }

    /// Returns the algorithm that a client prefers according to the values of `Want-Content-Digest` or
    /// `Want-Repr-Digest` (RFC 9530 section 4). A weight of 0 means "not acceptable".
    pub fn preferred(values: impl IntoIterator<Item = impl AsRef<str>>) -> Option<Self> {
        let weighted = members(values).into_iter().filter_map(|(key, weight)| {
            let weight = weight.parse::<u8>().ok().filter(|weight| (1..=10).contains(weight))?;
            Some((weight, Self::of(&key)?))
        });
        weighted.max_by_key(|(weight, _)| *weight).map(|(_, algorithm)| algorithm)
    }

    fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.key() == key)
    }

    fn implementation(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &SHA256,
            Self::Sha512 => &SHA512,
        }
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// A streaming computation of a digest by one algorithm.
#[derive(Clone)]
pub struct DigestHasher {
    algorithm: DigestAlgorithm,
    context: Context,
}

impl DigestHasher {
    /// Appends `bytes` to the digested bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// Returns the digest of all bytes.
    pub fn finish(self) -> StatedDigest {
        StatedDigest { algorithm: self.algorithm, value: self.context.finish().as_ref().to_vec() }
    }
}

impl fmt::Debug for DigestHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestHasher").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A digest and its algorithm. The text form is the member of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatedDigest {
    /// The algorithm of the digest.
    pub algorithm: DigestAlgorithm,
    /// The bytes of the digest, as many as the algorithm has.
    pub value: Vec<u8>,
}

impl StatedDigest {
    /// Returns the digests of known algorithms in the values of a field. A digest that is not a byte sequence of the
    /// right length gives an error with its algorithm.
    pub fn in_values(
        values: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> impl Iterator<Item = Result<Self, DigestAlgorithm>> {
        let known =
            members(values).into_iter().filter_map(|(key, value)| Some((DigestAlgorithm::of(&key)?, value)));
        known.map(|(algorithm, value)| {
            let encoded = value.strip_prefix(':').and_then(|value| value.strip_suffix(':'));
            let value = encoded.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
            let value = value.filter(|value| value.len() == algorithm.implementation().output_len());
            value.map(|value| Self { algorithm, value }).ok_or(algorithm)
        })
    }

    /// Returns the digest in hexadecimal.
    pub fn hex(&self) -> String {
        self.value.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for StatedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=:{}:", self.algorithm, BASE64_STANDARD.encode(&self.value))
    }
}

/// Returns the members of a dictionary (RFC 9651 section 3.2) in all values of a field, without their parameters. The
/// values of RFC 9530 contain no comma and no semicolon.
fn members(values: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<(String, String)> {
    let mut members = Vec::new();
    for value in values {
        for member in value.as_ref().split(',').map(str::trim).filter(|member| !member.is_empty()) {
            let (key, value) = member.split_once('=').unwrap_or((member, ""));
            let value = value.split(';').next().unwrap_or_default();
            members.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value is the output of `printf abc | openssl dgst -sha256 -binary | base64`.
    const ABC: &str = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";

    #[test]
    fn digests_of_known_algorithms_are_read_from_every_value() {
        let found: Vec<_> = StatedDigest::in_values(["md5=:AAAA:, adler=1", ABC]).collect();
        let digest = found[0].as_ref().unwrap();
        assert_eq!((found.len(), digest.to_string()), (1, ABC.to_owned()));
        let mut hasher = DigestAlgorithm::Sha256.hasher();
        hasher.update(b"ab");
        hasher.update(b"c");
        assert_eq!(hasher.finish(), *digest);
        assert!(digest.hex().starts_with("ba7816bf8f01cfea"));
    }

    #[test]
    fn a_digest_that_cannot_be_read_is_an_error() {
        for value in ["sha-256=abc", "sha-256", "sha-256=:AAAA:", "sha-256=:!:", "sha-512=:ungWv48Bz+pBQUDe:"]
        {
            assert!(StatedDigest::in_values([value]).all(|digest| digest.is_err()), "{value}");
        }
        assert_eq!(StatedDigest::in_values(["sha=abc, crc32c=:AAAA:", ""]).count(), 0);
    }

    #[test]
    fn the_preferred_algorithm_has_the_greatest_weight() {
        let preferred = |value| DigestAlgorithm::preferred([value]);
        assert_eq!(preferred("sha-256=3, sha-512=10"), Some(DigestAlgorithm::Sha512));
        assert_eq!(preferred("sha-256=3;x=1, sha-512=0"), Some(DigestAlgorithm::Sha256));
        assert_eq!(preferred("md5=10"), None);
        assert_eq!(preferred("sha-256=0"), None);
    }
}
