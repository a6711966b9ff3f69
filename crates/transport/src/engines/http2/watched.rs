//! A stream between h2 and a server's carrier, which counts frames as they pass.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::{
    frame_heads::{FrameHead, Kind, PREFACE, Parser},
    refusals::Refusals,
    send_window::SendWindow,
    small_frames::SmallFrames,
};
use crate::carriers::Stream;

#[cfg(test)]
mod tests;

/// The bytes that are read beyond the current frame. They hold up to 64 further frames, since a head has 9 bytes and h2
/// takes no more than 100 empty frames.
const BEYOND: u64 = 640;

/// The counts that the frames of a connection update.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// The small frames that wait to be read by bodies.
    pub(super) small_frames: SmallFrames,
    /// The client's window for the bytes that this server sends.
    pub(super) send_window: SendWindow,
    /// The requests that h2 refuses.
    pub(super) refusals: Refusals,
}

impl Watch {
    fn received(&self, head: FrameHead) {
        match head.kind {
            Kind::Data { payload, .. } => self.small_frames.arrived(head.stream, payload),
            Kind::Headers => self.refusals.opened(head.stream),
            Kind::Reset(_) => {
                self.refusals.is_over(head.stream);
                self.send_window.reset(head.stream);
            }
            Kind::Credit(bytes) if head.stream == 0 => self.send_window.credit(bytes),
            Kind::Credit(_) | Kind::Other => {}
        }
    }

    fn sent(&self, head: FrameHead) {
        match head.kind {
            Kind::Data { flow, .. } => self.send_window.written(head.stream, flow),
            Kind::Headers => self.refusals.answered(head.stream),
            Kind::Reset(code) => {
                self.refusals.reset(head.stream, code);
                self.send_window.reset(head.stream);
            }
            Kind::Credit(_) | Kind::Other => {}
        }
    }
}

/// A stream that counts the frames that pass, and stops reading while too many small frames wait.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    /// The counts to update; `None` counts nothing.
    watch: Option<Watch>,
    received: Parser,
    sent: Parser,
}

impl<S: Stream> Watched<S> {
    /// Wraps the stream of a server's connection, whose first bytes from the client are the connection preface.
    pub(super) fn new(stream: S, watch: Option<Watch>) -> Self {
        Self { stream, watch, received: Parser::after(PREFACE), sent: Parser::after(0) }
    }

    /// Counts the first `written` bytes of `pieces`.
    fn sent(&mut self, pieces: &[IoSlice<'_>], mut written: usize) {
        let Some(watch) = &self.watch else { return };
        for piece in pieces {
            let part = piece.get(..written).unwrap_or(piece);
            self.sent.parse(part, |head| watch.sent(head));
            written = written.saturating_sub(part.len());
        }
    }
}

impl<S: Stream> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, watch, received, .. } = &mut *self;
        let Some(watch) = watch else { return Pin::new(stream).poll_read(cx, buffer) };
        ready!(watch.small_frames.poll_room(cx));
        let before = buffer.filled().len();
        let mut part = stream.take(received.skip().saturating_add(BEYOND));
        ready!(Pin::new(&mut part).poll_read(cx, buffer))?;
        received.parse(buffer.filled().get(before..).unwrap_or_default(), |head| watch.received(head));
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Watched<S> {
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
