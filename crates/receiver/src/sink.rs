//! The sink: the destination of received bytes.

use std::{hint::black_box, pin::Pin, time::Duration};

use bytes::Bytes;
use payload::{Digest, Hasher};
use record::ChunkSize;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::{
    SinkActivity,
    burner::Burner,
    save::{HeldFile, SaveError, Saver, Slot},
};

/// The destination of one body's bytes. The default sink discards the bytes.
#[derive(Default)]
pub struct Sink {
    kind: Kind,
    activity: SinkActivity,
}

#[derive(Default)]
enum Kind {
    #[default]
    Discard,
    Verify(Box<Hasher>),
    Collect(Vec<Bytes>),
    Keep(Box<Hasher>, Leak),
    Burn(Box<Hasher>, Burner),
    Save(Box<Hasher>, Box<Saver>),
    Hold(Box<Hasher>, Box<Saver>, Slot),
    Stream(Box<Hasher>, Pin<Box<dyn AsyncWrite + Send>>),
}

/// A leak of a known number of bytes per chunk.
struct Leak {
    /// The number of bytes to leak for each chunk.
    bytes: u64,
    chunk: u64,
    received: u64,
    /// The number of chunks for which memory has been leaked.
    chunks: u64,
}

impl Leak {
    fn pass(&mut self, bytes: usize) {
        self.received += bytes as u64;
        while self.chunks < self.received / self.chunk.max(1) {
            self.chunks += 1;
            // The bytes are not zero, because memory of zeroes need not be resident. `black_box` keeps an optimised
            // build from dropping an unused allocation.
            black_box(vec![1_u8; usize::try_from(self.bytes).unwrap_or(0)].leak());
        }
    }
}

impl Sink {
    fn of(kind: Kind) -> Self {
        Self { kind, activity: SinkActivity::default() }
    }

    /// Creates a sink that drops the bytes.
    pub fn discard() -> Self {
        Self::of(Kind::Discard)
    }

    /// Creates a sink that digests the bytes and drops them.
    pub fn verify() -> Self {
        Self::of(Kind::Verify(Box::default()))
    }

    /// Creates a sink that keeps the whole body in memory and digests it at the end: the control whose growth a memory
    /// proof must find.
    pub fn collect() -> Self {
        Self::of(Kind::Collect(Vec::new()))
    }

    /// Creates a sink that digests the bytes and drops them, and leaks `bytes` bytes of memory per `chunk` bytes of
    /// body. The sink is the control of a memory proof whose slope is known.
    pub fn keep(bytes: u64, chunk: u64) -> Self {
        Self::of(Kind::Keep(Box::default(), Leak { bytes, chunk, received: 0, chunks: 0 }))
    }

    /// Creates a sink that digests the bytes and spends an additional processor time of `time` on each `chunk`: the
    /// control whose cost the figures of processor time must show.
    pub fn burn(time: Duration, chunk: ChunkSize) -> Self {
        Self::of(Kind::Burn(Box::default(), Burner::new(time, chunk)))
    }

    /// Creates a sink that digests the bytes and saves them in a file.
    pub fn save(saver: Saver) -> Self {
        Self::of(Kind::Save(Box::default(), Box::new(saver)))
    }

    /// Creates a sink that digests the bytes and saves them in a file without a name. The returned handle gives the
    /// file its name by [`HeldFile::keep`], after the content was verified.
    pub fn hold(saver: Saver) -> (Self, HeldFile) {
        let slot = Slot::default();
        (Self::of(Kind::Hold(Box::default(), Box::new(saver), slot.clone())), HeldFile(slot))
    }

    /// Creates a sink that digests the bytes and writes them to `output`. The body waits for the output.
    pub fn stream(output: impl AsyncWrite + Send + 'static) -> Self {
        Self::stream_after(Hasher::new(), output)
    }

    /// Creates a sink that digests the rest of a body and writes it to `output`. `digested` is the hasher of the bytes
    /// that were received before.
    pub fn stream_after(digested: Hasher, output: impl AsyncWrite + Send + 'static) -> Self {
        Self::of(Kind::Stream(Box::new(digested), Box::pin(output)))
    }

    /// Returns a handle that tells whether the body waits for this sink.
    pub fn activity(&self) -> SinkActivity {
        self.activity.clone()
    }

    pub(crate) async fn take(&mut self, bytes: Bytes) -> Result<(), SaveError> {
        match &mut self.kind {
            Kind::Discard => Ok(()),
            Kind::Verify(hasher) => {
                hasher.update(&bytes);
                Ok(())
            }
            Kind::Burn(hasher, burner) => {
                hasher.update(&bytes);
                burner.burn(bytes.len());
                Ok(())
            }
            Kind::Collect(pieces) => {
                // A copy takes only the memory of its bytes. The piece itself may keep a larger buffer alive.
                pieces.push(Bytes::copy_from_slice(&bytes));
                Ok(())
            }
            Kind::Keep(hasher, leak) => {
                hasher.update(&bytes);
                leak.pass(bytes.len());
                Ok(())
            }
            Kind::Save(hasher, saver) | Kind::Hold(hasher, saver, _) => {
                hasher.update(&bytes);
                self.activity.during(saver.take(bytes)).await
            }
            Kind::Stream(hasher, output) => {
                hasher.update(&bytes);
                Ok(self.activity.during(output.write_all(&bytes)).await?)
            }
        }
    }

    /// Completes the body at its destination. Returns the digest of the body, and the name under which the body was
    /// saved.
    pub(crate) async fn finish(self) -> Result<(Option<Digest>, Option<String>), SaveError> {
        let Self { kind, activity } = self;
        activity.during(kind.finish()).await
    }
}

impl Kind {
    async fn finish(self) -> Result<(Option<Digest>, Option<String>), SaveError> {
        Ok(match self {
            Self::Discard => (None, None),
            Self::Verify(hasher) | Self::Keep(hasher, _) | Self::Burn(hasher, _) => {
                (Some(hasher.digest()), None)
            }
            Self::Collect(pieces) => {
                let mut hasher = Hasher::new();
                pieces.iter().for_each(|piece| hasher.update(piece));
                (Some(hasher.digest()), None)
            }
            Self::Save(hasher, saver) => (Some(hasher.digest()), Some(saver.finish().await?)),
            Self::Hold(hasher, saver, slot) => {
                slot.fill(saver.complete().await?);
                (Some(hasher.digest()), None)
            }
            Self::Stream(hasher, mut output) => {
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
        assert_eq!(digest(Sink::keep(1, 2)).await, expected);
        assert_eq!(digest(Sink::burn(Duration::from_micros(1), ChunkSize::DEFAULT)).await, expected);
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
