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
    /// The digest of the bytes so far; `None` if none is wanted, or if it is computed at the end.
    hasher: Option<Box<Hasher>>,
    kind: Kind,
    activity: SinkActivity,
}

#[derive(Default)]
enum Kind {
    #[default]
    Drop,
    Collect(Vec<Bytes>),
    Keep(Leak),
    Burn(Burner),
    Save(Box<Saver>),
    Hold(Box<Saver>, Slot),
    Stream(Pin<Box<dyn AsyncWrite + Send>>),
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
    fn digesting(kind: Kind) -> Self {
        Self { hasher: Some(Box::default()), kind, activity: SinkActivity::default() }
    }

    /// Creates a sink that drops the bytes.
    pub fn discard() -> Self {
        Self::default()
    }

    /// Creates a sink that digests the bytes and drops them.
    pub fn verify() -> Self {
        Self::digesting(Kind::Drop)
    }

    /// Creates a sink that keeps the whole body in memory and digests it at the end. It is a control: a memory proof
    /// must find its growth.
    pub fn collect() -> Self {
        Self { hasher: None, ..Self::digesting(Kind::Collect(Vec::new())) }
    }

    /// Creates a sink that digests the bytes and drops them, and leaks `bytes` bytes of memory per `chunk` bytes of
    /// body. It is a control of known slope: a memory proof must find that slope.
    pub fn keep(bytes: u64, chunk: u64) -> Self {
        Self::digesting(Kind::Keep(Leak { bytes, chunk, received: 0, chunks: 0 }))
    }

    /// Creates a sink that digests the bytes and spends `time` of additional processor time on each `chunk`. It is a
    /// control: the figures of processor time must show this cost.
    pub fn burn(time: Duration, chunk: ChunkSize) -> Self {
        Self::digesting(Kind::Burn(Burner::new(time, chunk)))
    }

    /// Creates a sink that digests the bytes and saves them in a file.
    pub fn save(saver: Saver) -> Self {
        Self::digesting(Kind::Save(Box::new(saver)))
    }

    /// Creates a sink that digests the bytes and saves them in a file without a name. The returned handle gives the
    /// file its name by [`HeldFile::keep`], after the content was verified.
    pub fn hold(saver: Saver) -> (Self, HeldFile) {
        let slot = Slot::default();
        (Self::digesting(Kind::Hold(Box::new(saver), slot.clone())), HeldFile(slot))
    }

    /// Creates a sink that digests the bytes and writes them to `output`. The body waits for the output.
    pub fn stream(output: impl AsyncWrite + Send + 'static) -> Self {
        Self::stream_after(Hasher::new(), output)
    }

    /// Creates a sink that digests the rest of a body and writes it to `output`. `digested` is the hasher of the bytes
    /// that were received before.
    pub fn stream_after(digested: Hasher, output: impl AsyncWrite + Send + 'static) -> Self {
        Self { hasher: Some(Box::new(digested)), ..Self::digesting(Kind::Stream(Box::pin(output))) }
    }

    /// Leaves out the digest, for a body whose expected digest is unknown.
    #[must_use]
    pub fn without_digest(self) -> Self {
        Self { hasher: None, ..self }
    }

    /// Returns a handle that tells whether the body waits for this sink.
    pub fn activity(&self) -> SinkActivity {
        self.activity.clone()
    }

    /// Takes bytes. Returns them, digested, if they still have to be [written](Self::write), which can wait.
    #[inline]
    pub(crate) fn take(&mut self, bytes: Bytes) -> Option<Bytes> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        match &mut self.kind {
            Kind::Drop => None,
            Kind::Burn(burner) => {
                burner.burn(bytes.len());
                None
            }
            Kind::Collect(pieces) => {
                // A copy takes only the memory of its bytes. The piece itself may keep a larger buffer alive.
                pieces.push(Bytes::copy_from_slice(&bytes));
                None
            }
            Kind::Keep(leak) => {
                leak.pass(bytes.len());
                None
            }
            Kind::Save(_) | Kind::Hold(..) | Kind::Stream(_) => Some(bytes),
        }
    }

    /// Writes bytes that [`take`](Self::take) returned.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), SaveError> {
        match &mut self.kind {
            Kind::Save(saver) | Kind::Hold(saver, _) => self.activity.during(saver.take(bytes)).await,
            Kind::Stream(output) => Ok(self.activity.during(output.write_all(&bytes)).await?),
            Kind::Drop | Kind::Burn(_) | Kind::Collect(_) | Kind::Keep(_) => Ok(()),
        }
    }

    /// Completes the body at its destination. Returns the digest of the body, unless the sink computes none, and the
    /// name under which the body was saved.
    pub(crate) async fn finish(self) -> Result<(Option<Digest>, Option<String>), SaveError> {
        let Self { hasher, kind, activity } = self;
        let digest = match &kind {
            Kind::Collect(pieces) => {
                let mut hasher = Hasher::new();
                pieces.iter().for_each(|piece| hasher.update(piece));
                Some(hasher.digest())
            }
            _ => hasher.map(|hasher| hasher.digest()),
        };
        Ok((digest, activity.during(kind.finish()).await?))
    }
}

impl Kind {
    /// Completes the body. Returns the name under which it was saved.
    async fn finish(self) -> Result<Option<String>, SaveError> {
        match self {
            Self::Drop | Self::Keep(_) | Self::Burn(_) | Self::Collect(_) => Ok(None),
            Self::Save(saver) => Ok(Some(saver.finish().await?)),
            Self::Hold(saver, slot) => {
                slot.fill(saver.complete().await?);
                Ok(None)
            }
            Self::Stream(mut output) => {
                output.flush().await?;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn digest(mut sink: Sink) -> Option<String> {
        for piece in ["a", "bc"] {
            if let Some(piece) = sink.take(piece.into()) {
                sink.write(piece).await.unwrap();
            }
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
        assert_eq!(digest(Sink::stream(tokio::io::sink()).without_digest()).await, None);
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
