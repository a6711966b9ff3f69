//! Where received bytes go.

use payload::{Digest, Hasher};

/// Takes the bytes of one body.
#[derive(Debug)]
pub enum Sink {
    /// Lets them go.
    Discard,
    /// Digests them and lets them go.
    Verify(Box<Hasher>),
}

impl Sink {
    /// A sink that digests.
    pub fn verify() -> Self {
        Self::Verify(Box::default())
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if let Self::Verify(hasher) = self {
            hasher.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Option<Digest> {
        match self {
            Self::Discard => None,
            Self::Verify(hasher) => Some(hasher.digest()),
        }
    }
}
