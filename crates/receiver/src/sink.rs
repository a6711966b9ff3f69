//! The destination of received bytes.

use std::pin::Pin;

use bytes::Bytes;
use payload::{Digest, Hasher};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::save::{SafeName, SaveError, Saver};

/// The destination of one body's bytes. The default discards them.
#[derive(Default)]
pub struct Sink(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Discard,
    Verify(Box<Hasher>),
    Collect(Vec<Bytes>),
    Save(Box<Hasher>, Box<Saver>),
    Stream(Box<Hasher>, Pin<Box<dyn AsyncWrite + Send>>),
}

impl Sink {
    /// A sink that drops the bytes.
    pub fn discard() -> Self {
        Self(Kind::Discard)
    }

    /// A sink that digests the bytes and drops them.
    pub fn verify() -> Self {
        Self(Kind::Verify(Box::default()))
    }

    /// A sink that keeps the whole body in memory and digests it at the end: the control that a memory proof must find.
    pub fn collect() -> Self {
        Self(Kind::Collect(Vec::new()))
    }

    /// A sink that digests the bytes and saves them in a file.
    pub fn save(saver: Saver) -> Self {
        Self(Kind::Save(Box::default(), Box::new(saver)))
    }

    /// A sink that digests the bytes and writes them to `output`. The body waits for the output.
    pub fn stream(output: impl AsyncWrite + Send + 'static) -> Self {
        Self(Kind::Stream(Box::default(), Box::pin(output)))
    }

    pub(crate) async fn take(&mut self, bytes: Bytes) -> Result<(), SaveError> {
        match &mut self.0 {
            Kind::Discard => Ok(()),
            Kind::Verify(hasher) => {
                hasher.update(&bytes);
                Ok(())
            }
            Kind::Collect(pieces) => {
                // A copy takes no more memory than its bytes. The piece itself may keep a larger buffer alive.
                pieces.push(Bytes::copy_from_slice(&bytes));
                Ok(())
            }
            Kind::Save(hasher, saver) => {
                hasher.update(&bytes);
                saver.take(bytes).await
            }
            Kind::Stream(hasher, output) => {
                hasher.update(&bytes);
                Ok(output.write_all(&bytes).await?)
            }
        }
    }

    /// Completes the body at its destination. Returns its digest, and the name under which it was saved.
    pub(crate) async fn finish(self) -> Result<(Option<Digest>, Option<SafeName>), SaveError> {
        Ok(match self.0 {
            Kind::Discard => (None, None),
            Kind::Verify(hasher) => (Some(hasher.digest()), None),
            Kind::Collect(pieces) => {
                let mut hasher = Hasher::new();
                pieces.iter().for_each(|piece| hasher.update(piece));
                (Some(hasher.digest()), None)
            }
            Kind::Save(hasher, saver) => (Some(hasher.digest()), Some(saver.finish().await?)),
            Kind::Stream(hasher, mut output) => {
                output.flush().await?;
                (Some(hasher.digest()), None)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn digest(mut sink: Sink) -> Option<String> {
        for piece in ["a", "bc"] {
            sink.take(piece.into()).await.unwrap();
        }
        sink.finish().await.unwrap().0.map(|digest| digest.to_string())
    }

    #[tokio::test]
    async fn every_sink_but_discard_digests_the_body() {
        let mut hasher = Hasher::new();
        hasher.update(b"abc");
        let expected = Some(hasher.digest().to_string());
        assert_eq!(digest(Sink::verify()).await, expected);
        assert_eq!(digest(Sink::collect()).await, expected);
        assert_eq!(digest(Sink::stream(tokio::io::sink())).await, expected);
        assert_eq!(digest(Sink::discard()).await, None);
        assert_eq!(digest(Sink::default()).await, None);
    }

    #[tokio::test]
    async fn a_stream_gets_the_bytes_in_order() {
        let (near, mut far) = tokio::io::duplex(16);
        digest(Sink::stream(near)).await;
        let mut written = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut far, &mut written).await.unwrap();
        assert_eq!(written, "abc");
    }
}
