//! Where received bytes go.

use std::pin::Pin;

use bytes::Bytes;
use payload::{Digest, Hasher};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::save::{SafeName, SaveError, Saver};

/// Takes the bytes of one body.
pub enum Sink {
    /// Lets them go.
    Discard,
    /// Digests them and lets them go.
    Verify(Box<Hasher>),
    /// Keeps all of them until the body has ended, and only then digests them: what a receiver of bodies
    /// of any size must not do, to show that it would be noticed.
    Collect(Vec<Bytes>),
    /// Digests and saves them.
    Save(Box<Hasher>, Box<Saver>),
    /// Digests them and hands them on.
    Stream(Box<Hasher>, Output),
}

/// Where a stream of bytes goes on to; it takes them as fast as it can, and the body waits.
pub type Output = Pin<Box<dyn AsyncWrite + Send>>;

impl Sink {
    /// A sink that digests.
    pub fn verify() -> Self {
        Self::Verify(Box::default())
    }

    /// A sink that digests and saves.
    pub fn save(saver: Saver) -> Self {
        Self::Save(Box::default(), Box::new(saver))
    }

    /// A sink that digests and hands on.
    pub fn stream(output: Output) -> Self {
        Self::Stream(Box::default(), output)
    }

    pub(crate) async fn take(&mut self, bytes: Bytes) -> Result<(), SaveError> {
        match self {
            Self::Discard => Ok(()),
            Self::Verify(hasher) => {
                hasher.update(&bytes);
                Ok(())
            }
            Self::Collect(pieces) => {
                // As a buffer that grows would, without what the pieces themselves may pin.
                pieces.push(Bytes::copy_from_slice(&bytes));
                Ok(())
            }
            Self::Save(hasher, saver) => {
                hasher.update(&bytes);
                saver.take(bytes).await
            }
            Self::Stream(hasher, output) => {
                hasher.update(&bytes);
                Ok(output.write_all(&bytes).await?)
            }
        }
    }

    pub(crate) async fn finish(self) -> Result<(Option<Digest>, Option<SafeName>), SaveError> {
        Ok(match self {
            Self::Discard => (None, None),
            Self::Verify(hasher) => (Some(hasher.digest()), None),
            Self::Collect(pieces) => {
                let mut hasher = Hasher::new();
                pieces.iter().for_each(|piece| hasher.update(piece));
                (Some(hasher.digest()), None)
            }
            Self::Save(hasher, saver) => (Some(hasher.digest()), Some(saver.finish().await?)),
            Self::Stream(hasher, mut output) => {
                output.flush().await?;
                (Some(hasher.digest()), None)
            }
        })
    }
}
