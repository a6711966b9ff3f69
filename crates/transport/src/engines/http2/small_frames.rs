//! A bound on the small DATA frames that wait to be taken. Each costs h2 an entry of its queue, which flow control does
//! not count: without a bound, a window of one-byte frames takes a hundred times its size.

use std::{
    collections::HashMap,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::carriers::Stream;

#[cfg(test)]
mod tests;

/// The payload below which h2 counts a frame as small (DEFAULT_DATA_FRAME_OVERHEAD_THRESHOLD in its proto/mod.rs).
const SMALL: u32 = 256;

/// The small frames of a connection that may wait before the connection is read no further. Their entries in the queue
/// of h2 take about 64 KiB.
const MOST: u32 = 256;

/// The bytes that are read beyond the frame under way: they hold up to 64 further frames, since a head has 9 bytes and
/// h2 takes no more than 100 empty frames.
const BEYOND: u64 = 640;

/// The octets of the client's connection preface (RFC 9113 section 3.4).
const PREFACE: u64 = 24;

/// The octets of a frame's head (RFC 9113 section 4.1).
const HEAD: usize = 9;

/// The type of DATA, and its flag for padding (RFC 9113 section 6.1).
const DATA: u8 = 0;
const PADDED: u8 = 8;

/// The small frames that wait on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct SmallFrames(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// The waiting frames of each stream whose body is alive.
    streams: HashMap<u32, u32>,
    total: u32,
    /// The reader that waits for the total to fall.
    reader: Option<Waker>,
}

impl Counts {
    fn less(&mut self, frames: u32) {
        self.total = self.total.saturating_sub(frames);
        if self.total < MOST
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

impl SmallFrames {
    /// Counts the frames of a stream from now on. Earlier ones are few: a request is accepted as soon as it is read.
    pub(super) fn stream(&self, id: u32) -> Waiting {
        self.lock().streams.insert(id, 0);
        Waiting { counts: self.clone(), id }
    }

    fn arrived(&self, id: u32) {
        let counts = &mut *self.lock();
        if let Some(frames) = counts.streams.get_mut(&id) {
            *frames = frames.saturating_add(1);
            counts.total = counts.total.saturating_add(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waiting frames of one stream. Dropping it forgets them: h2 does so, too.
#[derive(Debug)]
pub(super) struct Waiting {
    counts: SmallFrames,
    id: u32,
}

impl Waiting {
    /// A frame with `length` bytes of payload was taken.
    pub(super) fn taken(&self, length: usize) {
        if length >= SMALL as usize {
            return;
        }
        let counts = &mut *self.counts.lock();
        if let Some(frames) = counts.streams.get_mut(&self.id).filter(|frames| **frames > 0) {
            *frames -= 1;
            counts.less(1);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let counts = &mut *self.counts.lock();
        let frames = counts.streams.remove(&self.id).unwrap_or_default();
        counts.less(frames);
    }
}

/// A stream that counts the small frames that are read from it, and is not read while too many of them wait.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: S,
    /// `None` counts nothing.
    frames: Option<SmallFrames>,
    parser: Parser,
}

impl<S: Stream> Counted<S> {
    /// Wraps the stream of a server's connection, up to the connection preface of the client.
    pub(super) fn new(stream: S, frames: Option<SmallFrames>) -> Self {
        Self { stream, frames, parser: Parser::default() }
    }
}

impl<S: Stream> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, frames, parser } = &mut *self;
        let Some(frames) = frames else { return Pin::new(stream).poll_read(cx, buffer) };
        {
            let counts = &mut *frames.lock();
            if counts.total >= MOST {
                counts.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        let before = buffer.filled().len();
        let mut part = stream.take(parser.skip.saturating_add(BEYOND));
        ready!(Pin::new(&mut part).poll_read(cx, buffer))?;
        parser.parse(buffer.filled().get(before..).unwrap_or_default(), |id| frames.arrived(id));
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Counted<S> {
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

/// A parser of frame heads, for a stream that starts with the client's preface.
#[derive(Debug)]
struct Parser {
    /// The bytes that follow before the next head.
    skip: u64,
    /// The head that is being read, with the length of the padding.
    head: [u8; HEAD + 1],
    /// The bytes of the head that were read.
    read: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self { skip: PREFACE, head: [0; HEAD + 1], read: 0 }
    }
}

impl Parser {
    /// Parses what was read, and calls `small` with the stream of each small DATA frame.
    fn parse(&mut self, mut bytes: &[u8], mut small: impl FnMut(u32)) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.skip > 0 {
                let skipped = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip = self.skip.saturating_sub(skipped as u64);
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(byte) = self.head.get_mut(self.read) {
                *byte = first;
            }
            (self.read, bytes) = (self.read.saturating_add(1), rest);
            if let Some(frame) = self.frame() {
                (self.skip, self.read) = (frame.unread.into(), 0);
                if frame.is_data && (1..SMALL).contains(&frame.payload) {
                    small(frame.stream);
                }
            }
        }
    }

    /// The frame whose head was read, if that is complete.
    fn frame(&self) -> Option<FrameHead> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3, padding] = self.head;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let is_data = kind == DATA;
        let is_padded = is_data && flags & PADDED != 0 && length > 0;
        if self.read < HEAD || (is_padded && self.read == HEAD) {
            return None;
        }
        let unread = length.saturating_sub(is_padded.into());
        let payload = unread.saturating_sub(if is_padded { padding.into() } else { 0 });
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & (u32::MAX >> 1);
        Some(FrameHead { is_data, stream, payload, unread })
    }
}

/// The facts in the head of a frame.
struct FrameHead {
    is_data: bool,
    stream: u32,
    /// The payload without padding, in bytes.
    payload: u32,
    /// The bytes that follow what was read.
    unread: u32,
}
