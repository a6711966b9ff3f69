//! The sending half of a stream, which passes chunks to quinn without a copy.

use std::{
    pin::pin,
    slice,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::{
    error::Code,
    quic::{self, StreamErrorIncoming, StreamId, WriteBuf},
};
use quinn::WriteError;

use super::{Role, error, handoff::Registration, stream_id, supervisor::varint};
use crate::carriers::quic::Running;

/// The largest frame, in bytes, that is copied so that head and payload are one piece: quinn searches its send buffer
/// piece by piece. With one piece instead of two, h3 moved 12 instead of 4 MiB/s in chunks of 64 bytes, and 696 instead
/// of 422 in chunks of 1 KiB. In chunks of 4 KiB it moved 1243 instead of 1108, in chunks of 8 KiB 1340 instead of
/// 1345.
pub(crate) const JOINED: usize = 8 << 10;

/// The sending half of a stream.
pub(crate) struct SendStream<B> {
    stream: quinn::SendStream,
    /// A large frame, or the rest of it.
    writing: Option<WriteBuf<B>>,
    /// A small frame, or the rest of it.
    joined: Bytes,
    /// The registration of a request stream; `None` for the control streams of h3, which carry no chunks.
    registration: Option<Arc<Registration>>,
    /// Counts the exchange as running until the stream is dropped.
    _running: Option<Running>,
    progress: Progress,
}

/// The progress of a message that is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Nothing,
    /// At least the head was sent.
    Begun,
    /// The message was sent, or the stream was reset or stopped.
    Over,
}

impl<B> SendStream<B> {
    pub(super) fn new(stream: quinn::SendStream, registration: Option<Arc<Registration>>) -> Self {
        let running = registration.as_ref().map(|registration| registration.supervisor.deliveries.begin());
        Self {
            stream,
            writing: None,
            joined: Bytes::new(),
            registration,
            _running: running,
            progress: Progress::Nothing,
        }
    }

    /// Counts bytes that quinn has taken.
    fn sent(&self, bytes: usize) {
        if let Some(registration) = &self.registration {
            registration.supervisor.sent(bytes);
        }
    }

    fn broke(&mut self, error: WriteError) -> StreamErrorIncoming {
        self.progress = Progress::Over;
        if let (WriteError::Stopped(_), Some(registration)) = (&error, &self.registration) {
            registration.was_cancelled();
        }
        error::write(error)
    }

    /// Returns the error code of a stream that is dropped before the end of its message. `None` if the message may end
    /// there: h3 drops the stream of a request that it has answered with status 431.
    fn code(&self) -> Option<u64> {
        let registration = self.registration.as_ref()?;
        let refused = registration.supervisor.role == Role::Server && !registration.handoff.head_was_read();
        match self.progress {
            Progress::Over => None,
            Progress::Begun if refused => None,
            Progress::Nothing if refused => Some(Code::H3_REQUEST_INCOMPLETE),
            Progress::Nothing | Progress::Begun => Some(Code::H3_REQUEST_CANCELLED),
        }
        .map(|usual| registration.handoff.code().unwrap_or(usual.value()))
    }
}

impl<B: Buf> quic::SendStream<B> for SendStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        // A pending write has consumed nothing, so each poll can restart it.
        while !self.joined.is_empty() {
            let written = ready!(pin!(self.stream.write_chunks(slice::from_mut(&mut self.joined))).poll(cx));
            let written = written.map_err(|error| self.broke(error))?;
            self.sent(written.bytes);
        }
        while let Some(writing) = self.writing.as_mut().filter(|writing| writing.has_remaining()) {
            let part = writing.chunk();
            let written = match &self.registration {
                Some(registration) => {
                    let mut part = [registration.handoff.bytes_of(part)];
                    ready!(pin!(self.stream.write_chunks(&mut part)).poll(cx)).map(|written| written.bytes)
                }
                None => ready!(pin!(self.stream.write(part)).poll(cx)),
            };
            match written {
                Ok(written) => {
                    writing.advance(written);
                    self.sent(written);
                }
                Err(error) => return Poll::Ready(Err(self.broke(error))),
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<D: Into<WriteBuf<B>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        // h3 polls `poll_ready` to completion before it sends again.
        self.progress = Progress::Begun;
        let mut frame = data.into();
        if frame.remaining() <= JOINED {
            self.joined = frame.copy_to_bytes(frame.remaining());
        } else {
            self.writing = Some(frame);
        }
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.progress = Progress::Over;
        let finished = self.stream.finish();
        if let Some(registration) = self.registration.as_ref().filter(|_| finished.is_ok()) {
            registration.message_was_sent(&self.stream);
        }
        Poll::Ready(finished.map_err(|closed| StreamErrorIncoming::Unknown(Box::new(closed))))
    }

    fn reset(&mut self, code: u64) {
        self.progress = Progress::Over;
        // `reset` fails only for a stream that is already closed.
        let _ = self.stream.reset(varint(code));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

impl<B> Drop for SendStream<B> {
    /// Resets a stream whose message is incomplete. quinn would end the stream as if it were complete.
    fn drop(&mut self) {
        if let Some(code) = self.code() {
            // `reset` fails only for a stream that is already closed.
            let _ = self.stream.reset(varint(code));
        }
    }
}
