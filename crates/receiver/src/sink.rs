//! Where received bytes go.

use bytes::Bytes;
use payload::{Digest, Hasher};

use crate::save::{SafeName, SaveError, Saver};

/// Takes the bytes of one body.
#[derive(Debug)]
pub enum Sink {
    /// Lets them go.
    Discard,
    /// Digests them and lets them go.
    Verify(Box<Hasher>),
    /// Digests and saves them.
    Save(Box<Hasher>, Box<Saver>),
}

impl Sink {
    /// A sink that digests.
    pub fn verify() -> Self {
        Self::Verify(Box::default())
    }

    /// A sink that digests and saves.
    pub fn save(saver: Saver) -> Self {
        Self::Save(Box::default(), Box::new(saver))
    }

    pub(crate) async fn take(&mut self, bytes: Bytes) -> Result<(), SaveError> {
        match self {
            Self::Discard => Ok(()),
            Self::Verify(hasher) => {
                hasher.update(&bytes);
                Ok(())
            }
            Self::Save(hasher, saver) => {
                hasher.update(&bytes);
                saver.take(bytes).await
            }
        }
    }

    pub(crate) async fn finish(self) -> Result<(Option<Digest>, Option<SafeName>), SaveError> {
        Ok(match self {
            Self::Discard => (None, None),
            Self::Verify(hasher) => (Some(hasher.digest()), None),
            Self::Save(hasher, saver) => (Some(hasher.digest()), Some(saver.finish().await?)),
        })
    }
}
