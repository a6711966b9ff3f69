//! A byte stream whose received frames are counted.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::SizeLog;
use crate::carriers::Stream;

/// A parser of the heads of frames in a byte stream. Reads may cut the stream anywhere.
pub(crate) trait FrameParser: Unpin + Send + 'static {
    /// Parses bytes that follow those of the last call. Calls `found` with the size of each frame whose head is
    /// complete.
    fn parse(&mut self, bytes: &[u8], found: impl FnMut(u64));
}

/// A stream that passes its bytes on unchanged, and logs the sizes of the received frames.
#[derive(Debug)]
pub(crate) struct Observed<S, P> {
    stream: S,
    /// The parser, and the log that it reports to; `None` observes nothing.
    observer: Option<(P, SizeLog)>,
}

impl<S, P> Observed<S, P> {
    /// Wraps a stream from its first byte on. Without a log, nothing is parsed.
    pub(crate) fn new(stream: S, parser: P, log: Option<&SizeLog>) -> Self {
        Self { stream, observer: log.map(|log| (parser, log.clone())) }
    }
}

impl<S: Stream, P: FrameParser> AsyncRead for Observed<S, P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, observer } = &mut *self;
        let Some((parser, log)) = observer else { return Pin::new(stream).poll_read(cx, buffer) };
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(cx, buffer))?;
        let mut sizes = log.lock();
        parser.parse(buffer.filled().get(before..).unwrap_or_default(), |size| sizes.add(size, 1));
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream, P: FrameParser> AsyncWrite for Observed<S, P> {
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

    use super::{super::TlsRecords, *};

    /// The bytes of two records, of 2 and of 4 bytes.
    const RECORDS: &[u8] = &[23, 3, 3, 0, 2, 9, 9, 23, 3, 3, 0, 4, 8, 8, 8, 8];

    #[tokio::test]
    async fn received_frames_are_counted_and_sent_ones_are_not() {
        let ((near, mut far), log) = (duplex(8), SizeLog::default());
        let mut near = Observed::new(near, TlsRecords::default(), Some(&log));
        tokio::spawn(async move {
            far.write_all(RECORDS).await.unwrap();
            far.read_exact(&mut [0; 8]).await.unwrap();
        });
        let mut bytes = Vec::new();
        near.write_all(&RECORDS[..8]).await.unwrap();
        near.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, RECORDS);
        let sizes = log.summary().unwrap();
        assert_eq!((sizes.count, sizes.total_bytes, sizes.min, sizes.max), (2, 6, 2, 4));
    }
}
