//! The bytes of files that were read for clients but not sent yet: one budget for all downloads.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use transport::{Body, BodyError};

/// The most bytes that all downloads together may hold. Over TCP, a download whose client reads holds a chunk or two;
/// over QUIC, it holds as much as is in flight.
const BUDGET: u64 = 16 << 20;

/// The budget of file bytes that downloads hold. Clones share the budget.
///
/// Every download may hold one chunk. Further chunks are read only while the budget lasts, even if the client's windows
/// and the protocol's buffers have room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsent(Arc<AtomicU64>);

impl Unsent {
    /// Returns the most memory that `downloads` downloads hold, in bytes, with chunks of `chunk` bytes.
    pub(crate) fn footprint(downloads: u64, chunk: u64) -> u64 {
        downloads.saturating_mul(chunk).saturating_add(BUDGET)
    }

    /// Bounds the read-ahead of a body by the budget.
    pub(crate) fn bound(&self, body: Body) -> Body {
        let held =
            Arc::new(Held { bytes: AtomicU64::new(0), all: self.0.clone(), waker: AtomicWaker::new() });
        Bounded { body, held }.boxed_unsync()
    }
}

/// The bytes that one download holds, and the task that waits for them to leave.
#[derive(Debug)]
struct Held {
    bytes: AtomicU64,
    all: Arc<AtomicU64>,
    /// The task that waits for a chunk to leave.
    waker: AtomicWaker,
}

impl Held {
    fn may_read(&self) -> bool {
        self.bytes.load(Ordering::Acquire) == 0 || self.all.load(Ordering::Relaxed) < BUDGET
    }
}

/// A chunk of a file, which counts as unsent until it is dropped.
struct Chunk {
    bytes: Bytes,
    held: Arc<Held>,
}

impl Chunk {
    /// Counts a chunk until its last slice is dropped.
    fn count(bytes: Bytes, held: &Arc<Held>) -> Bytes {
        held.bytes.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        held.all.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Bytes::from_owner(Self { bytes, held: held.clone() })
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.held.all.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
        self.held.bytes.fetch_sub(self.bytes.len() as u64, Ordering::AcqRel);
        self.held.waker.wake();
    }
}

/// A body that is read only as far as the budget allows.
struct Bounded {
    body: Body,
    held: Arc<Held>,
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.held.may_read() {
            self.held.waker.register(cx.waker());
            // A chunk may have left before the waker was registered.
            if !self.held.may_read() {
                return Poll::Pending;
            }
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_ok(|frame| frame.map_data(|bytes| Chunk::count(bytes, &self.held)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http_body_util::StreamBody;

    use super::*;

    const CHUNK: usize = 1 << 20;

    fn endless(unsent: &Unsent) -> Body {
        let chunk = || Ok::<_, BodyError>(Frame::data(Bytes::from(vec![7; CHUNK])));
        unsent.bound(StreamBody::new(futures_util::stream::repeat_with(chunk)).boxed_unsync())
    }

    /// Reads a body for as long as it yields chunks at once.
    fn read(body: &mut Body) -> Vec<Bytes> {
        let mut chunks = Vec::new();
        while let Some(Some(Ok(frame))) = body.frame().now_or_never() {
            chunks.extend(frame.into_data());
        }
        chunks
    }

    #[tokio::test]
    async fn downloads_share_a_budget_and_each_has_a_chunk_at_least() {
        let unsent = Unsent::default();
        let (mut first, mut second) = (endless(&unsent), endless(&unsent));
        let (held, one) = (read(&mut first), read(&mut second));
        assert_eq!((held.len() * CHUNK, one.len()), (BUDGET as usize, 1));
        assert!(unsent.0.load(Ordering::Relaxed) <= Unsent::footprint(2, CHUNK as u64));
        let slice = one[0].slice(3..5);
        drop(one);
        assert!(read(&mut second).is_empty(), "a slice of the chunk has yet to leave");
        let waiting = tokio::spawn(async move { second.frame().await.is_some() });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(slice);
        assert!(waiting.await.unwrap());
        drop((held, first));
        assert_eq!(unsent.0.load(Ordering::Relaxed), 0);
    }
}
