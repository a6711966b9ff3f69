//! Writes of whole segments, whatever a protocol flushes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::turns::Turns;
use crate::{
    Term,
    carriers::{SEGMENT, Stream},
    socket::Cork,
};

/// What is less than this goes out when it is flushed: WINDOW_UPDATEs, for which the peer waits, and whatever else
/// controls a connection. h2 gathers payloads of less itself (CHAIN_THRESHOLD in its codec/framed_write.rs).
const CONTROL: usize = 256;

/// What is at least this is written as it is: copying it would cost what a system call does.
const LARGE: usize = SEGMENT / 2;

/// What is less than this is corked, if it is large: of a frame of 64 KiB all but some 60 bytes fill a segment, and on loopback
/// those cost a tenth (h2) to a sixth (h2c) of the goodput as a segment of their own. Frames of 256 KiB gain nothing by it
/// (h2c) or lose 2 % (h2), since their next segments no longer begin where writes do.
const CORKED: usize = 4 * SEGMENT;

/// How many pieces of what is written go into one system call: a head, a payload, and what h2 has gathered.
const PIECES: usize = 4;

/// How many turns of a connection may bring nothing before what is held goes out: its own, and the one in which it finds
/// what a body has queued meanwhile.
const PATIENCE: u64 = 2;

/// A segment's room for a connection that sends.
pub(super) fn footprint(connections: u64) -> Term {
    Term::new(
        "HTTP/2 gathering",
        SEGMENT as u64 * connections,
        "64 KiB a connection: DATA frames under 32 KiB are gathered for one write",
    )
}

/// A stream that gathers small writes until there is a segment of them, and lets the kernel do so with the ends of large
/// ones, until turns of the connection bring nothing more. h2 flushes every DATA frame, so that without this each small one is
/// a system call, a TLS record and a segment, and each large one ends in a segment of its own.
#[derive(Debug)]
pub(super) struct Gather<S> {
    stream: S,
    cork: Cork,
    turns: Turns,
    /// Less than a segment.
    held: Vec<u8>,
    /// Whether the cork is in.
    corked: bool,
    /// The turn in which there last was more to hold back, here or in the kernel.
    grown: u64,
    /// What is still to come of a large write.
    rest: usize,
}

impl<S: Stream> Gather<S> {
    /// A stream, which `cork` fits, under what a task drives whose turns are counted.
    pub(super) fn new(stream: S, cork: Cork, turns: Turns) -> Self {
        Self { stream, cork, turns, held: Vec::new(), corked: false, grown: 0, rest: 0 }
    }

    /// Keeps what is less than a segment, and tells how much there was of it.
    fn hold(&mut self, pieces: &[IoSlice<'_>]) -> usize {
        let before = self.held.len();
        pieces.iter().for_each(|piece| self.held.extend_from_slice(piece));
        if (CONTROL..SEGMENT).contains(&self.held.len()) {
            self.held.reserve_exact(SEGMENT - self.held.len());
        }
        self.grown = self.turns.now();
        self.held.len() - before
    }

    /// Whether the task has yet to take the turns that may bring more.
    fn may_grow(&self) -> bool {
        (self.corked || self.held.len() >= CONTROL) && self.turns.now() < self.grown + PATIENCE
    }

    /// Before a large write: has the kernel keep the end of it for the next, if it is worth that.
    fn cork_before(&mut self, length: usize) {
        if length < CORKED {
            self.corked = self.corked || self.cork.put();
            self.grown = self.turns.now();
        } else {
            self.uncork();
        }
    }

    fn uncork(&mut self) {
        if std::mem::take(&mut self.corked) {
            self.cork.pull();
        }
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.held.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Gather<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let pieces = &pieces[..pieces.len().min(PIECES)];
        let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
        let goes_on = offered == this.rest;
        let large = offered >= LARGE || goes_on;
        if large && !goes_on {
            this.cork_before(offered);
        }
        loop {
            let there = this.held.len() + offered;
            if !large && there < SEGMENT {
                return Poll::Ready(Ok(this.hold(pieces)));
            }
            let length = if large { there } else { there - there % SEGMENT };
            let (count, slices) = first(length, &this.held, pieces);
            let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Ok(0));
            }
            let kept = this.held.len();
            this.held.drain(..written.min(kept));
            if written > kept {
                this.rest = if large { there - written } else { 0 };
                return Poll::Ready(Ok(written - kept));
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.may_grow() {
            cx.waker().wake_by_ref();
            return Pin::new(&mut self.stream).poll_flush(cx);
        }
        ready!(self.poll_release(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.uncork();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_release(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: Stream> AsyncRead for Gather<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

/// The first `length` bytes of what is held and the pieces after it, and in how many slices they are.
fn first<'a>(length: usize, held: &'a [u8], pieces: &'a [IoSlice<'a>]) -> (usize, [IoSlice<'a>; PIECES + 1]) {
    let mut slices = [IoSlice::new(&[]); PIECES + 1];
    let (mut count, mut left) = (0, length);
    for piece in std::iter::once(held).chain(pieces.iter().map(|piece| &**piece)) {
        let part = &piece[..piece.len().min(left)];
        if !part.is_empty() {
            slices[count] = IoSlice::new(part);
            (count, left) = (count + 1, left - part.len());
        }
    }
    (count, slices)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;
    use crate::socket::Probe;

    fn corkless() -> Cork {
        Probe::unknown().cork()
    }

    /// A gathering end, the other one, and a turn counter that a test moves by hand.
    fn pair() -> (Gather<DuplexStream>, DuplexStream, Turns) {
        let ((near, far), turns) = (duplex(1 << 20), Turns::default());
        (Gather::new(near, corkless(), turns.clone()), far, turns)
    }

    /// How many bytes have come, without waiting for more.
    async fn arrived(far: &mut DuplexStream) -> usize {
        let mut bytes = vec![0; 1 << 20];
        tokio::select! {
            biased;
            read = far.read(&mut bytes) => read.unwrap(),
            () = std::future::ready(()) => 0,
        }
    }

    #[tokio::test]
    async fn small_frames_wait_for_a_segment() {
        let (mut near, mut far, _turns) = pair();
        for _ in 0..SEGMENT / 1000 {
            near.write_all(&[7; 1000]).await.unwrap();
            near.flush().await.unwrap();
        }
        assert_eq!(arrived(&mut far).await, 0);
        near.write_all(&[7; 1000]).await.unwrap();
        assert_eq!(arrived(&mut far).await, SEGMENT);
    }

    #[tokio::test]
    async fn what_is_held_goes_out_when_turns_bring_nothing_more() {
        let (mut near, mut far, turns) = pair();
        near.write_all(&[7; 1000]).await.unwrap();
        for _ in 0..PATIENCE {
            near.flush().await.unwrap();
            assert_eq!(arrived(&mut far).await, 0);
            turns.clone().count(async {}).await;
        }
        near.flush().await.unwrap();
        assert_eq!(arrived(&mut far).await, 1000);
    }

    #[tokio::test]
    async fn a_flush_that_holds_back_asks_for_another_turn() {
        let (mut near, mut far, turns) = pair();
        let driven = turns.count(async move {
            near.write_all(&[7; 1000]).await.unwrap();
            poll_fn(|cx| {
                let flushed = Pin::new(&mut near).poll_flush(cx);
                if near.held.is_empty() { flushed } else { Poll::Pending }
            })
            .await
            .unwrap();
        });
        driven.await;
        assert_eq!(arrived(&mut far).await, 1000);
    }

    #[tokio::test]
    async fn control_goes_out_at_once() {
        let (mut near, mut far, _turns) = pair();
        near.write_all(&[7; 26]).await.unwrap();
        near.flush().await.unwrap();
        assert_eq!(arrived(&mut far).await, 26);
    }

    #[tokio::test]
    async fn a_large_frame_takes_along_what_is_held_and_is_written_whole() {
        let (near, mut far) = duplex(SEGMENT);
        let mut near = Gather::new(near, corkless(), Turns::default());
        near.write_all(&[7; 1000]).await.unwrap();
        let (written, first) = tokio::join!(near.write_all(&[7; SEGMENT + 1000]), arrived(&mut far));
        written.unwrap();
        assert_eq!((first, arrived(&mut far).await, near.held.len()), (SEGMENT, 2000, 0));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_end_of_a_large_write_waits_in_the_kernel_until_turns_bring_nothing_more() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        near.set_nodelay(true).unwrap();
        let (cork, turns) = (Probe::new(&near).cork(), Turns::default());
        let mut near = Gather::new(near, cork, turns.clone());
        near.write_all(&[7; LARGE]).await.unwrap();
        for _ in 0..PATIENCE {
            near.flush().await.unwrap();
            assert_eq!(far.try_read(&mut [0; SEGMENT]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            turns.clone().count(async {}).await;
        }
        near.flush().await.unwrap();
        far.readable().await.unwrap();
        assert_eq!(far.try_read(&mut [0; SEGMENT]).unwrap(), LARGE);
        assert!(!near.corked);
    }

    #[tokio::test]
    async fn what_is_held_goes_out_before_the_end() {
        let (mut near, mut far, _turns) = pair();
        near.write_all(&[7; 1000]).await.unwrap();
        near.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        assert_eq!(far.read_to_end(&mut bytes).await.unwrap(), 1000);
    }

    proptest! {
        #[test]
        fn bytes_arrive_as_they_were_written(
            writes in prop::collection::vec((prop::collection::vec(0_usize..40_000, 1..6), any::<bool>()), 1..30),
            room in 1_usize..200_000,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let ((near, mut far), turns) = (duplex(room), Turns::default());
                let mut near = Gather::new(near, corkless(), turns.clone());
                let mut expected: Vec<u8> = Vec::new();
                let mut next = 0_u8;
                let write = turns.count(async {
                    for (lengths, flush) in writes {
                        let pieces: Vec<Vec<u8>> = lengths.iter().map(|length| {
                            next = next.wrapping_add(31);
                            vec![next; *length]
                        }).collect();
                        expected.extend(pieces.iter().flatten());
                        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                        let mut slices = slices.as_mut_slice();
                        IoSlice::advance_slices(&mut slices, 0);
                        while !slices.is_empty() {
                            let written = near.write_vectored(slices).await.unwrap();
                            IoSlice::advance_slices(&mut slices, written);
                        }
                        if flush {
                            near.flush().await.unwrap();
                        }
                    }
                    near.shutdown().await.unwrap();
                });
                let mut bytes = Vec::new();
                let (_, read) = tokio::join!(write, far.read_to_end(&mut bytes));
                read.unwrap();
                assert!(bytes == expected);
            });
        }
    }
}
