//! A stream below hyper that removes the parts of the chunked coding that a recipient may ignore.
//!
//! The stream finds the end of each head, and withholds the bytes after it until hyper has parsed the head and the
//! framing of its body is announced. So hyper and the stream agree on where a body starts and how it is framed.
//!
//! The stream also ends a connection whose client takes too long for a head.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use http::{HeaderMap, header};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{chunks::Chunks, head_timer::HeadTimer};
use crate::carriers::Stream;

/// The framing of a message's body, according to hyper's parse of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// A body of this length, which may be 0.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// All bytes up to the end of the connection.
    Rest,
}

impl BodyFraming {
    /// Returns the framing of a message that hyper has read.
    pub(super) fn of(headers: &HeaderMap, body: &impl Body) -> Self {
        let coding = headers.get_all(header::TRANSFER_ENCODING).iter().next_back();
        let last = coding.and_then(|coding| coding.to_str().ok()?.rsplit(',').next());
        match body.size_hint().exact() {
            Some(length) => Self::Length(length),
            None if last.is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked")) => Self::Chunked,
            None => Self::Rest,
        }
    }
}

/// A handle that announces the framing of each message to the stream.
#[derive(Clone, Debug)]
pub(super) struct Announcer(Arc<Mutex<Progress>>);

impl Announcer {
    /// Announces the framing of the message whose head hyper has read. Returns whether the head had a Content-Length,
    /// which hyper removes if there is a Transfer-Encoding.
    pub(super) fn announce(&self, framing: BodyFraming) -> bool {
        let progress = &mut *self.lock();
        let had_length = matches!(progress.phase, Phase::Held { had_length: true });
        progress.phase = match (&progress.phase, framing) {
            (Phase::Held { .. }, BodyFraming::Length(0)) => Phase::Head(Head::default()),
            (Phase::Held { .. }, BodyFraming::Length(length)) => Phase::Plain(length),
            (Phase::Held { .. }, BodyFraming::Chunked) => Phase::Chunked(Chunks::new()),
            // hyper and this stream disagree on the end of the head. From here on, all bytes pass unchanged.
            _ => Phase::Rest,
        };
        if let Some(reader) = progress.reader.take() {
            reader.wake();
        }
        had_length
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Progress {
    messages: Messages,
    phase: Phase,
    reader: Option<Waker>,
}

/// The messages on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    Requests,
    /// Responses, each of which may follow interim responses.
    Responses,
}

#[derive(Debug)]
enum Phase {
    Head(Head),
    /// A head has ended, and its framing is not announced yet.
    Held {
        had_length: bool,
    },
    Plain(u64),
    Chunked(Chunks),
    Rest,
}

impl Phase {
    /// Filters `bytes`, which were just read. Returns the number of examined bytes, and the number of bytes that are
    /// left of them.
    fn pass(&mut self, bytes: &mut [u8], messages: Messages) -> io::Result<(usize, usize)> {
        let length = bytes.len();
        Ok(match self {
            Self::Held { .. } => (0, 0),
            Self::Rest => (length, length),
            Self::Head(head) => {
                let Some(end) = head.end(bytes) else { return Ok((length, length)) };
                let had_length = head.has_length;
                let is_interim = messages == Messages::Responses && head.status == b'1';
                *self = if is_interim { Self::Head(Head::default()) } else { Self::Held { had_length } };
                (end, end)
            }
            Self::Plain(left) => {
                let passed = length.min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left = left.saturating_sub(passed as u64);
                if *left == 0 {
                    *self = Self::Head(Head::default());
                }
                (passed, passed)
            }
            Self::Chunked(chunks) => {
                let passed = chunks.strip(bytes)?;
                if chunks.is_over() {
                    *self = Self::Head(Head::default());
                }
                passed
            }
        })
    }

    /// Returns whether a head has begun and is incomplete. Empty lines before a head do not count.
    fn is_within_head(&self) -> bool {
        matches!(self, Self::Head(head) if head.length > 0)
    }
}

/// The search for the end of a head: an empty line after one that is not empty.
#[derive(Debug, Default)]
struct Head {
    /// The number of bytes in the current line.
    line: usize,
    /// The number of bytes in all lines.
    length: usize,
    /// The byte at [`STATUS`] of the first line: the first digit of a status, or an arbitrary byte of a request.
    status: u8,
    /// The length of the line's start that agrees with `content-length:`, in bytes.
    agreeing: usize,
    /// True if a line begins with `content-length:`. A blank before the colon needs no care, since hyper refuses it.
    has_length: bool,
}

/// The start of a line that gives a length, in lower case.
const LENGTH: &[u8] = b"content-length:";

/// The position of the status in `HTTP/1.1 200 OK`.
const STATUS: usize = 9;

impl Head {
    /// Returns the position after the head. `None` if the head is incomplete.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\r' => {}
                b'\n' if self.line == 0 && self.length > 0 => return Some(at.saturating_add(1)),
                b'\n' => (self.line, self.agreeing) = (0, 0),
                byte => {
                    self.compare(byte.to_ascii_lowercase());
                    if self.length == STATUS {
                        self.status = *byte;
                    }
                    self.line = self.line.saturating_add(1);
                    self.length = self.length.saturating_add(1);
                }
            }
        }
        None
    }

    /// Compares the next byte of a line with [`LENGTH`].
    fn compare(&mut self, byte: u8) {
        if self.agreeing == self.line && LENGTH.get(self.line) == Some(&byte) {
            self.agreeing = self.agreeing.saturating_add(1);
            self.has_length |= self.agreeing == LENGTH.len();
        }
    }
}

/// A stream that filters the bytes read from `S`.
#[derive(Debug)]
pub(super) struct Unadorned<S> {
    stream: S,
    /// The announced framings; `None` passes all bytes unchanged.
    progress: Option<Announcer>,
    /// Bytes that were read but not examined yet: they follow the end of a head or a body.
    ahead: Vec<u8>,
    /// The bound on the time of a head; `None` sets no bound.
    timer: Option<HeadTimer>,
}

impl<S: Stream> Unadorned<S> {
    /// Wraps `stream`. The caller must announce each head that hyper reads.
    pub(super) fn new(stream: S, messages: Messages) -> (Self, Announcer) {
        let progress = Progress { messages, phase: Phase::Head(Head::default()), reader: None };
        let announcer = Announcer(Arc::new(Mutex::new(progress)));
        (Self { stream, progress: Some(announcer.clone()), ahead: Vec::new(), timer: None }, announcer)
    }

    /// Wraps `stream` and passes all bytes unchanged.
    pub(super) fn as_it_is(stream: S) -> Self {
        Self { stream, progress: None, ahead: Vec::new(), timer: None }
    }

    /// Makes reads fail if a head is incomplete this long after its first byte. `Duration::MAX` sets no bound.
    pub(super) fn with_head_timeout(self, timeout: Duration) -> Self {
        Self { timer: (timeout < Duration::MAX).then(|| HeadTimer::new(timeout)), ..self }
    }

    /// Fills `buffer` with bytes that were read ahead, or else from the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(self.ahead.get(..length).unwrap_or_default());
        self.ahead.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncRead for Unadorned<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(announcer) = self.progress.clone() else {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        };
        let before = buffer.filled().len();
        loop {
            let progress = &mut *announcer.lock();
            if matches!(progress.phase, Phase::Held { .. }) {
                progress.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let filled = self.poll_fill(cx, buffer);
            if filled.is_pending()
                && progress.phase.is_within_head()
                && let Some(timer) = &mut self.timer
            {
                timer.check(cx)?;
            }
            ready!(filled)?;
            let read = buffer.filled_mut().get_mut(before..).unwrap_or_default();
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let (seen, kept) = progress.phase.pass(read, progress.messages)?;
            if !progress.phase.is_within_head()
                && let Some(timer) = &mut self.timer
            {
                timer.stop();
            }
            let rest = read.get(seen..).unwrap_or_default();
            // The bytes already in `ahead` come after these.
            self.ahead.splice(..0, rest.iter().copied());
            buffer.set_filled(before.saturating_add(kept));
            if kept > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: Stream> AsyncWrite for Unadorned<S> {
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
