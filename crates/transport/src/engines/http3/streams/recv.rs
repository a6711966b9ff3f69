//! The receiving half of a request stream: its frames within bounds, behind a gate.
//!
//! On a request for data, h3 0.0.8 takes a piece from the stream even if it still holds one. Each piece taken gives the
//! peer credit to send more. With a slow reader and a fast peer most of the body ends up in memory (hyperium/h3 issue
//! 308). Here the gate closes as soon as a piece has passed, and opens for one more when h3 holds none. Therefore h3
//! never holds more than one piece: the bytes of one QUIC packet.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h3::{
    error::Code,
    quic::{self, StreamErrorIncoming, StreamId},
};
use quinn::ReadError;
use tokio::time::{Sleep, sleep};

use super::{
    Role, error,
    frames::{Frames, Part},
    handoff::Registration,
    message::Message,
    stream_id,
    supervisor::{Supervisor, varint},
    violation::Violation,
};

/// The number of pieces taken from quinn at once, since each call locks the connection: 23 KiB of packets of 1,452
/// bytes.
pub(crate) const PIECES: usize = 16;

/// The receiving half of a request stream.
pub(crate) struct RecvStream {
    pieces: Pieces,
    /// The rest of a piece, not yet divided into frames.
    rest: Bytes,
    frames: Frames,
    message: Message,
    registration: Arc<Registration>,
    /// The timer for the head. It starts once a part of the head has arrived.
    overdue: Option<Pin<Box<Sleep>>>,
    /// True if the peer has ended the stream, or this end has stopped it.
    over: bool,
}

impl RecvStream {
    pub(super) fn new(stream: quinn::RecvStream, registration: Arc<Registration>) -> Self {
        let supervisor = &registration.supervisor;
        let pieces = Pieces::new(stream, supervisor.clone());
        let message = Message::new(supervisor.role, supervisor.bounds.header_bytes)
            .counting(supervisor.data_frames.clone());
        Self {
            pieces,
            rest: Bytes::new(),
            frames: Frames::default(),
            message,
            registration,
            overdue: None,
            over: false,
        }
    }

    /// Takes the next part for h3 from the pieces that have arrived.
    fn next_part(&mut self) -> Result<Option<Bytes>, Violation> {
        if self.registration.handoff.head_was_read() {
            self.message.head_was_read();
        }
        match self.frames.next(&mut self.rest, &mut self.message)? {
            Some(Part::Passing(part)) => Ok(Some(part)),
            Some(Part::Frame(frame)) => {
                self.message.check(&frame)?;
                Ok(Some(frame))
            }
            None => Ok(None),
        }
    }

    /// Checks that the message may end here.
    fn finish(&mut self) -> Result<(), Violation> {
        self.over = true;
        self.frames.finish()?;
        match self.registration.supervisor.role {
            // h3 would end the whole connection for this error.
            Role::Client if self.message.is_in_head() => {
                Err(Violation::malformed("the response ended before its head"))
            }
            Role::Client | Role::Server => Ok(()),
        }
    }

    /// Returns whether a head that has begun takes too long. The task is woken once the time is over.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Violation> {
        let Some(timeout) = self.head_timeout() else { return Poll::Pending };
        let overdue = self.overdue.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(overdue.as_mut().poll(cx));
        Poll::Ready(Violation::of_stream(Code::H3_REQUEST_INCOMPLETE, "the head took too long"))
    }

    /// Returns the time that a head may take, if the head has begun and is incomplete.
    fn head_timeout(&self) -> Option<Duration> {
        let begun = self.pieces.have_come() && self.message.is_in_head();
        self.registration.supervisor.bounds.head_timeout.filter(|_| begun)
    }

    /// Ends the stream, or the connection if the violation requires it. Returns the error for h3.
    fn fail(&mut self, violation: Violation) -> StreamErrorIncoming {
        self.registration.handoff.set_code(violation.code);
        self.registration.supervisor.punish(violation)
    }

    fn broke(&mut self, error: ReadError) -> StreamErrorIncoming {
        self.over = true;
        if matches!(error, ReadError::Reset(_)) {
            self.registration.was_cancelled();
        }
        error::read(error)
    }

    /// Returns the error code for a stream that is not read to its end. A server that stops reading a request may still
    /// answer it (RFC 9114 section 4.1).
    fn code(&self) -> u64 {
        let usual = match self.registration.supervisor.role {
            Role::Server => Code::H3_NO_ERROR,
            Role::Client => Code::H3_REQUEST_CANCELLED,
        };
        self.registration.handoff.code().unwrap_or(usual.value())
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if self.registration.handoff.is_closed() {
            return Poll::Pending;
        }
        loop {
            if let Some(part) = self.next_part().map_err(|violation| self.fail(violation))? {
                self.registration.handoff.piece_passed(&part);
                return Poll::Ready(Ok(Some(part)));
            }
            match self.pieces.poll_next(cx) {
                Poll::Ready(Ok(Some(piece))) => {
                    self.rest = piece;
                }
                Poll::Ready(Ok(None)) => {
                    let finished = self.finish().map_err(|violation| self.fail(violation));
                    return Poll::Ready(finished.map(|()| None));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.broke(error))),
                Poll::Pending => {
                    let violation = ready!(self.poll_overdue(cx));
                    return Poll::Ready(Err(self.fail(violation)));
                }
            }
        }
    }

    fn stop_sending(&mut self, code: u64) {
        self.over = true;
        self.pieces.stop(code);
    }

    fn recv_id(&self) -> StreamId {
        self.pieces.id()
    }
}

impl Drop for RecvStream {
    /// Stops a stream whose end has not arrived. quinn would stop it with an error code that HTTP/3 does not define.
    fn drop(&mut self) {
        if !self.over {
            self.pieces.stop(self.code());
        }
    }
}

/// The pieces of a stream, each a part of one QUIC packet.
pub(super) struct Pieces {
    stream: quinn::RecvStream,
    supervisor: Arc<Supervisor>,
    /// The pieces taken from quinn. Those from `next` to `taken` are still to be returned.
    pieces: [Bytes; PIECES],
    next: usize,
    taken: usize,
}

impl Pieces {
    pub(super) fn new(stream: quinn::RecvStream, supervisor: Arc<Supervisor>) -> Self {
        Self { stream, supervisor, pieces: Default::default(), next: 0, taken: 0 }
    }

    /// Returns the next piece, or `None` at the end of the stream.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ReadError>> {
        if self.next == self.taken {
            let taken = ready!(pin!(self.stream.read_chunks(&mut self.pieces)).poll(cx))?;
            let Some(taken) = taken else { return Poll::Ready(Ok(None)) };
            (self.next, self.taken) = (0, taken);
            let bytes = self.pieces.iter().take(taken).map(Bytes::len).sum();
            self.supervisor.taken(bytes);
        }
        let piece = self.pieces.get_mut(self.next).map(std::mem::take);
        self.next += 1;
        Poll::Ready(Ok(piece))
    }

    pub(super) fn id(&self) -> StreamId {
        stream_id(self.stream.id())
    }

    /// Returns whether any piece has arrived.
    fn have_come(&self) -> bool {
        self.taken > 0
    }

    /// Asks the peer to send no more.
    pub(super) fn stop(&mut self, code: u64) {
        // `stop` fails only for a stream that has ended.
        let _ = self.stream.stop(varint(code));
    }
}
