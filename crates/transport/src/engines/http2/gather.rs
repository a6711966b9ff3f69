//! A stream below h2 that joins writes into whole segments, because h2 flushes every frame.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use record::Term;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::turns::Turns;
use crate::{
    Shape,
    carriers::{SEGMENT, Stream},
    footprint::kib,
    probe::Cork,
};

#[cfg(test)]
mod tests;

/// The number of held bytes below which the next flush sends them. So few bytes are control frames such as
/// WINDOW_UPDATE, for which the peer waits. h2 gathers smaller payloads itself (CHAIN_THRESHOLD in its
/// codec/framed_write.rs).
const CONTROL: usize = 256;

/// The smallest write, in bytes, that is passed on without a copy: copying it would cost as much as a system call.
const LARGE: usize = SEGMENT / 2;

/// The bound, in bytes, below which large writes are sent with TCP_CORK set: their last, partial segment is then merged
/// with the next write. A frame of 64 KiB exceeds one loopback segment by about 60 bytes; sending these bytes
/// separately costs a tenth (h2) to a sixth (h2c) of the goodput. Frames of 256 KiB gain nothing by the cork (h2c) or
/// lose 2 % (h2), since later segments no longer begin where writes do.
const CORKED: usize = 4 * SEGMENT;

/// The most pieces of a write that go into one system call: a head, a payload, and the bytes that h2 has gathered.
const PIECES: usize = 4;

/// The turns without new data after which held bytes are sent. The first is the current turn. The second finds data
/// that a body has queued meanwhile.
const IDLE_TURNS: u64 = 2;

/// Returns the memory for one segment on each connection that sends.
pub(super) fn footprint(shape: Shape) -> Term {
    let (segment, large) = (kib(SEGMENT as u64), kib(LARGE as u64));
    shape.term(
        "HTTP/2 gathering",
        SEGMENT as u64,
        format!("{segment} per connection: DATA frames under {large} are gathered for one write"),
    )
}

/// A stream that holds small writes until they fill a segment, and makes the kernel hold the partial segments of large
/// writes. Held bytes are sent once the connection has written nothing for [`IDLE_TURNS`].
///
/// h2 flushes every DATA frame. Without this stream, each small frame would be a system call, a TLS record and a
/// segment; each large frame would end in a separate segment.
#[derive(Debug)]
pub(super) struct Gather<S> {
    stream: S,
    cork: Cork,
    turns: Turns,
    /// The bytes that are not written yet: less than a segment.
    held: Vec<u8>,
    /// True if the cork is set.
    corked: bool,
    /// The last turn in which bytes were added, here or behind the cork in the kernel.
    grown: u64,
    /// The number of bytes still to come of a large write that the stream accepted only in part.
    rest: usize,
    gathering: Gathering,
}

/// The treatment of small writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathering {
    On,
    /// Passes every write on unchanged.
    Off,
}

impl<S: Stream> Gather<S> {
    /// Wraps `stream`. `cork` must belong to the same socket, and `turns` must count the polls of the task that drives
    /// the connection.
    pub(super) fn new(stream: S, cork: Cork, turns: Turns, gathering: Gathering) -> Self {
        Self { stream, cork, turns, held: Vec::new(), corked: false, grown: 0, rest: 0, gathering }
    }

    /// Holds bytes that do not fill a segment. Returns the number of bytes added.
    fn hold(&mut self, pieces: &[IoSlice<'_>]) -> usize {
        let before = self.held.len();
        pieces.iter().for_each(|piece| self.held.extend_from_slice(piece));
        if (CONTROL..SEGMENT).contains(&self.held.len()) {
            self.held.reserve_exact(SEGMENT - self.held.len());
        }
        self.grown = self.turns.now();
        self.held.len() - before
    }

    /// Returns whether the current or the next turn may bring more bytes.
    fn may_grow(&self) -> bool {
        (self.corked || self.held.len() >= CONTROL) && self.turns.now() < self.grown + IDLE_TURNS
    }

    /// Sets the cork before a large write if its partial segment is worth holding, and clears it otherwise.
    fn cork_before(&mut self, length: usize) {
        if length < CORKED {
            self.corked = self.corked || self.cork.set();
            self.grown = self.turns.now();
        } else {
            self.uncork();
        }
    }

    fn uncork(&mut self) {
        if std::mem::take(&mut self.corked) {
            self.cork.clear();
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
        let continued = offered == this.rest;
        let large = offered >= LARGE || continued || this.gathering == Gathering::Off;
        if large && !continued {
            this.cork_before(offered);
        }
        loop {
            let available = this.held.len() + offered;
            if !large && available < SEGMENT {
                return Poll::Ready(Ok(this.hold(pieces)));
            }
            let length = if large { available } else { available - available % SEGMENT };
            let (count, slices) = first(length, &this.held, pieces);
            let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Ok(0));
            }
            let held = this.held.len();
            this.held.drain(..written.min(held));
            if written > held {
                this.rest = if large { available - written } else { 0 };
                return Poll::Ready(Ok(written - held));
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

/// Takes the first `length` bytes of `held` and then of `pieces`. Returns the number of slices, and the slices.
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
