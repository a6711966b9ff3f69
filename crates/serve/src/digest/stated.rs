//! The digests that a client states for an upload, and their comparison with the bytes that arrived.

use http::{HeaderMap, HeaderName, StatusCode, header};
use receiver::{DigestAlgorithm, DigestHasher, StatedDigest};

use super::field::{CONTENT_DIGEST, REPR_DIGEST, values};
use crate::refusal::Refusal;

/// The digests that a request states, and the hashers that they need.
#[derive(Clone, Default)]
pub(crate) struct Stated {
    scope: Scope,
    digests: Vec<StatedDigest>,
    hashers: Vec<DigestHasher>,
}

/// The bytes that are compared with the digests of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The body of a request, which is the whole file: both digests belong to it.
    #[default]
    Body,
    /// The content of a request, which is a part of the file: Content-Digest belongs to it.
    Part,
    /// The whole file, which several requests carry: Repr-Digest belongs to it.
    Whole,
}

impl Scope {
    fn names(self) -> &'static [HeaderName] {
        static NAMES: [HeaderName; 2] = [CONTENT_DIGEST, REPR_DIGEST];
        match self {
            Self::Body => &NAMES,
            Self::Part => NAMES.get(..1).unwrap_or_default(),
            Self::Whole => NAMES.get(1..).unwrap_or_default(),
        }
    }
}

/// The error for a digest that differs from that of the body, or cannot be compared with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    #[error("the body does not have the {0} digest that the request states")]
    Differs(DigestAlgorithm),
    #[error("the {0} digest of the request cannot be read")]
    Unreadable(DigestAlgorithm),
    #[error(
        "the {0} digest after the body was not announced, and the body not hashed; send `Trailer: Content-Digest`"
    )]
    Unannounced(DigestAlgorithm),
}

impl Stated {
    /// Parses the digests in the head of a request, and makes hashers for the digests that its Trailer field announces.
    ///
    /// # Errors
    /// Fails if a digest cannot be read (400).
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        Self::of_scope(headers, Scope::Body)
    }

    /// Parses the digests of a scope, as [`of`](Self::of) does for a body. For [`Scope::Whole`], the Trailer field is
    /// ignored.
    pub(crate) fn of_scope(headers: &HeaderMap, scope: Scope) -> Result<Self, Refusal> {
        let mut stated = Self { scope, ..Self::default() };
        stated.read(headers).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        let announced = scope != Scope::Whole && announces_digest(headers);
        stated.hashers = DigestAlgorithm::ALL
            .into_iter()
            .filter(|algorithm| announced || stated.digests.iter().any(|one| one.algorithm == *algorithm))
            .map(DigestAlgorithm::hasher)
            .collect();
        Ok(stated)
    }

    fn read(&mut self, fields: &HeaderMap) -> Result<(), Mismatch> {
        for name in self.scope.names() {
            let digests: Result<Vec<_>, _> = StatedDigest::in_values(values(fields, name)).collect();
            self.digests.extend(digests.map_err(Mismatch::Unreadable)?);
        }
        Ok(())
    }

    /// Hashes a piece of the body.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.hashers.iter_mut().for_each(|hasher| hasher.update(piece));
    }

    /// Compares the body with all digests, including those in its trailers.
    ///
    /// # Errors
    /// Fails if a digest differs, or cannot be compared.
    pub(crate) fn compare(mut self, trailers: Option<&HeaderMap>) -> Result<(), Mismatch> {
        if let Some(trailers) = trailers {
            self.read(trailers)?;
        }
        let computed: Vec<_> = self.hashers.into_iter().map(DigestHasher::finish).collect();
        for stated in self.digests {
            match computed.iter().find(|computed| computed.algorithm == stated.algorithm) {
                None => return Err(Mismatch::Unannounced(stated.algorithm)),
                Some(computed) if *computed != stated => return Err(Mismatch::Differs(stated.algorithm)),
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// Returns whether the Trailer field (RFC 9110 section 6.6.2) announces a digest.
fn announces_digest(headers: &HeaderMap) -> bool {
    let names = headers.get_all(header::TRAILER).iter().filter_map(|value| value.to_str().ok());
    names.flat_map(|names| names.split(',')).any(|name| {
        let name = name.trim();
        [CONTENT_DIGEST, REPR_DIGEST].iter().any(|digest| digest.as_str().eq_ignore_ascii_case(name))
    })
}
