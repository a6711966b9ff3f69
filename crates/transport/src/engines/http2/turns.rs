//! The turns of the task that drives a connection, and a bound on the bytes that it reads in each.

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

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::carriers::Stream;

/// The bytes that a connection reads before its bodies are polled, exceeded by one read at most. By default h2 reads
/// until the socket is empty, and only then sends WINDOW_UPDATEs (`Connection::poll` in its proto/connection.rs).
/// Meanwhile the sender stalled, and the data left the cache before bodies were polled. Neither 64 nor 256 KiB was
/// faster, in cleartext or over TLS.
pub(super) const QUOTA: usize = 128 << 10;

/// The number of times that the task which drives a connection was polled.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<AtomicU64>);

impl Turns {
    /// Runs `work` and counts its polls.
    pub(super) async fn count<F: Future>(self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.0.fetch_add(1, Ordering::Relaxed);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Returns the number of the current turn.
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
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
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
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
