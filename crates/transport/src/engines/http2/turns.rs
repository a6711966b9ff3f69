//! The turns of the task that drives a connection, the waits of its bodies, and a bound on the bytes that it reads in
//! each turn.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use record::SendWaits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::carriers::Stream;

/// The bytes that a connection reads before its bodies are polled, exceeded by one read at most. By default h2 reads
/// until the socket is empty, and only then sends WINDOW_UPDATEs (`Connection::poll` in its proto/connection.rs).
/// Meanwhile the sender stalls, and the data leaves the cache before bodies are polled. Neither 64 nor 256 KiB was
/// faster, in cleartext or over TLS.
pub(super) const QUOTA: usize = 128 << 10;

/// The turns of a connection and the waits of its sent bodies. A turn is one poll of the task that drives the
/// connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    turns: AtomicU64,
    /// The writes that the stream below refused because it was full.
    refused: AtomicU64,
    for_credit: AtomicU64,
    for_socket: AtomicU64,
}

/// The moment at which a body began to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitBegun {
    turn: u64,
    refused: u64,
}

/// The turns that a body may wait without counting as blocked. In the first turn, the connection writes the bytes that
/// the body has queued, and thereby admits more.
const UNBLOCKED_TURNS: u64 = 1;

impl Turns {
    /// Runs `work` and counts its polls.
    pub(super) async fn count<F: Future>(self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.0.turns.fetch_add(1, Ordering::Relaxed);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Returns the number of the current turn.
    pub(super) fn now(&self) -> u64 {
        self.0.turns.load(Ordering::Relaxed)
    }

    /// Notes the moment at which a body begins to wait.
    pub(super) fn begin_wait(&self) -> WaitBegun {
        WaitBegun { turn: self.now(), refused: self.0.refused.load(Ordering::Relaxed) }
    }

    /// Counts a wait that ends now, unless it took one turn only.
    pub(super) fn end_wait(&self, begun: WaitBegun) {
        if self.now() <= begun.turn + UNBLOCKED_TURNS {
            return;
        }
        let is_full = self.0.refused.load(Ordering::Relaxed) > begun.refused;
        let count = if is_full { &self.0.for_socket } else { &self.0.for_credit };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the waits so far.
    pub(super) fn waits(&self) -> SendWaits {
        let [credit, socket] =
            [&self.0.for_credit, &self.0.for_socket].map(|count| count.load(Ordering::Relaxed));
        SendWaits { credit, socket }
    }

    /// Counts a write that the stream below refused.
    fn written<T>(&self, written: Poll<T>) -> Poll<T> {
        if written.is_pending() {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        written
    }
}

/// A stream that reads no more than a quota per turn. The rest waits for the next turn, after other tasks.
#[derive(Debug)]
pub(super) struct ReadQuota<S> {
    stream: S,
    turns: Turns,
    /// The turn of the last read.
    turn: u64,
    /// The bytes read in `turn`.
    read: usize,
    /// The most bytes per turn.
    quota: usize,
}

impl<S: Stream> ReadQuota<S> {
    /// Wraps `stream`. `turns` must count the polls of the task that drives the connection.
    pub(super) fn new(stream: S, turns: Turns, quota: usize) -> Self {
        Self { stream, turns, turn: 0, read: 0, quota }
    }
}

impl<S: Stream> AsyncRead for ReadQuota<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let now = self.turns.now();
        if self.turn != now {
            (self.turn, self.read) = (now, 0);
        }
        if self.read >= self.quota {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.read += buffer.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for ReadQuota<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.turns.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.turns.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_turn_reads_no_more_than_its_quota_and_asks_for_another() {
        let ((near, mut far), turns) = (duplex(4 * QUOTA), Turns::default());
        far.write_all(&vec![7; 3 * QUOTA]).await.unwrap();
        drop(far);
        let mut near = ReadQuota::new(near, turns.clone(), QUOTA);
        let (mut bytes, mut in_a_turn) = (Vec::new(), Vec::new());
        let reading = async {
            let mut whole = pin!(near.read_to_end(&mut bytes));
            poll_fn(|cx| {
                in_a_turn.push(turns.now());
                whole.as_mut().poll(cx)
            })
            .await
        };
        assert_eq!(turns.clone().count(reading).await.unwrap(), 3 * QUOTA);
        assert_eq!(in_a_turn, [1, 2, 3, 4]);
    }
}
