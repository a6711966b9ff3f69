//! A stream between h2 and the carrier, which counts frames as they pass.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::{
    frame_heads::{FrameHead, Kind, PREFACE, Parser},
    heads::Heads,
    refusals::Refusals,
    send_window::SendWindow,
    small_frames::SmallFrames,
};
use crate::carriers::Stream;

#[cfg(test)]
mod tests;

/// The most bytes that a server reads beyond the current frame.
pub(crate) const READ_BEYOND: u32 = 160;

/// The counts that the frames of a connection update.
pub(super) trait FrameWatch: Unpin + Send + 'static {
    /// The most bytes that are read beyond the current frame.
    const BEYOND: u64;

    /// Returns the parser of received bytes, and that of sent bytes if sent frames count.
    fn parsers() -> (Parser, Option<Parser>);

    /// Waits until the connection may be read.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()>;

    /// Counts a frame of the peer.
    fn received(&self, head: FrameHead);

    /// Counts a frame of this end.
    fn sent(&self, _head: FrameHead) {}
}

/// The counts of a server.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// The small frames that wait to be read by bodies.
    pub(super) small_frames: SmallFrames,
    /// The client's window for the bytes that this server sends.
    pub(super) send_window: SendWindow,
    /// The requests that h2 refuses.
    pub(super) refusals: Refusals,
    /// The heads that wait for the session.
    pub(super) heads: Heads,
}

impl Watch {
    /// Returns the counts of a connection whose heads may have `header_bytes` each.
    pub(super) fn new(header_bytes: u32) -> Self {
        let (small_frames, send_window, refusals) = Default::default();
        Self { small_frames, send_window, refusals, heads: Heads::new(header_bytes) }
    }
}

impl FrameWatch for Watch {
    /// 16 further frames, since a head has 9 bytes and h2 takes no more than 100 empty frames. A byte may stand for a
    /// field of a head.
    const BEYOND: u64 = READ_BEYOND as u64;

    /// The first bytes from the client are the connection preface.
    fn parsers() -> (Parser, Option<Parser>) {
        (Parser::after(PREFACE), Some(Parser::after(0)))
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        ready!(self.small_frames.poll_room(cx));
        self.heads.poll_room(cx)
    }

    fn received(&self, head: FrameHead) {
        match head.kind {
            Kind::Data { payload, .. } => self.small_frames.arrived(head.stream, payload),
            Kind::Headers(length) => {
                self.refusals.opened(head.stream);
                self.heads.begun(length);
            }
            Kind::Continuation(length) => self.heads.continued(length),
            Kind::Reset(_) => {
                self.refusals.forget(head.stream);
                self.send_window.reset(head.stream);
            }
            Kind::Credit(bytes) if head.stream == 0 => self.send_window.credit(bytes),
            Kind::Credit(_) | Kind::Other => {}
        }
    }

    fn sent(&self, head: FrameHead) {
        match head.kind {
            Kind::Data { flow, .. } => self.send_window.written(head.stream, flow),
            Kind::Headers(_) => self.refusals.answered(head.stream),
            Kind::Reset(code) => {
                self.refusals.reset(head.stream, code);
                self.send_window.reset(head.stream);
            }
            Kind::Credit(_) | Kind::Continuation(_) | Kind::Other => {}
        }
    }
}

/// The counts of a client.
impl FrameWatch for SmallFrames {
    /// Any number: a client has few connections. Each may exceed the bound by the frames of one read.
    const BEYOND: u64 = u64::MAX;

    fn parsers() -> (Parser, Option<Parser>) {
        (Parser::after(0), None)
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        SmallFrames::poll_room(self, cx)
    }

    fn received(&self, head: FrameHead) {
        if let Kind::Data { payload, .. } = head.kind {
            self.arrived(head.stream, payload);
        }
    }
}

/// A stream that counts the frames that pass, and stops reading while too many small frames wait.
#[derive(Debug)]
pub(super) struct Watched<S, W> {
    stream: S,
    /// The counts to update; `None` counts nothing.
    watch: Option<W>,
    received: Parser,
    sent: Option<Parser>,
}

impl<S: Stream, W: FrameWatch> Watched<S, W> {
    /// Wraps the stream of a connection.
    pub(super) fn new(stream: S, watch: Option<W>) -> Self {
        let (received, sent) = W::parsers();
        Self { stream, watch, received, sent }
    }

    /// Counts the first `written` bytes of `pieces`.
    fn sent(&mut self, pieces: &[IoSlice<'_>], mut written: usize) {
        let (Some(watch), Some(parser)) = (&self.watch, &mut self.sent) else { return };
        for piece in pieces {
            let part = piece.get(..written).unwrap_or(piece);
            parser.parse(part, |head| watch.sent(head));
            written = written.saturating_sub(part.len());
        }
    }
}

impl<S: Stream, W: FrameWatch> AsyncRead for Watched<S, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, watch, received, .. } = &mut *self;
        let Some(watch) = watch else { return Pin::new(stream).poll_read(cx, buffer) };
        ready!(watch.poll_room(cx));
        let before = buffer.filled().len();
        let mut part = stream.take(received.skip().saturating_add(W::BEYOND));
        ready!(Pin::new(&mut part).poll_read(cx, buffer))?;
        received.parse(buffer.filled().get(before..).unwrap_or_default(), |head| watch.received(head));
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream, W: FrameWatch> AsyncWrite for Watched<S, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.sent(&[IoSlice::new(bytes)], written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, pieces))?;
        self.sent(pieces, written);
        Poll::Ready(Ok(written))
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
