//! The receiving half of a request stream: its frames within bounds, behind a gate.
//!
//! On a request for data, h3 0.0.8 takes a piece from the stream even if it still holds one. Each piece taken
//! gives the peer credit to send more. With a slow reader and a fast peer most of the body ends up in memory
//! (hyperium/h3 issue 308). Here the gate closes as soon as a piece has passed, and opens for one more when
//! h3 holds none. Therefore h3 never holds more than one piece: the bytes of one QUIC packet.

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
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};

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
    /// The part for h3 that waits for the memory of a head.
    held: Option<Bytes>,
    room: Room,
    /// True if the peer has ended the stream, or this end has stopped it.
    over: bool,
}

/// The memory of the head of a request, within the bound of the connection.
enum Room {
    /// No part of the head has arrived.
    Unasked,
    Awaited(Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send + Sync>>),
    /// The handoff has the memory, or heads are not bounded.
    Granted,
}

impl RecvStream {
    pub(super) fn new(stream: quinn::RecvStream, registration: Arc<Registration>) -> Self {
        let supervisor = &registration.supervisor;
        let pieces = Pieces::new(stream, supervisor.clone());
        let bounds = supervisor.bounds;
        let message = Message::new(supervisor.role, bounds.header_bytes, bounds.header_count)
            .counting(supervisor.data_frames.clone());
        Self {
            pieces,
            rest: Bytes::new(),
            frames: Frames::default(),
            message,
            registration,
            overdue: None,
            held: None,
            room: Room::Unasked,
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
            Some(Part::Frame(frame)) => self.message.checked(frame).map(Some),
            None => Ok(None),
        }
    }

    /// Returns whether the head of a request must have its memory before the stream goes on: a complete head before it is
    /// decoded, and a long one before it is gathered. A long head that would have to wait is rejected, because its unread
    /// bytes would take the credit that other heads need.
    fn needs_room(&self, is_complete: bool) -> bool {
        let short = self.registration.supervisor.bounds.short_head;
        is_complete || self.message.head_length().is_some_and(|length| length > short)
    }

    /// Waits for the memory of the head of a request.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(length) = self.message.head_length() else { return Poll::Ready(()) };
        loop {
            self.room = match &mut self.room {
                Room::Granted => return Poll::Ready(()),
                Room::Unasked => match self.registration.supervisor.room(length) {
                    Some(room) => Room::Awaited(Box::pin(room)),
                    None => Room::Granted,
                },
                Room::Awaited(room) => {
                    let room = ready!(room.as_mut().poll(cx));
                    self.registration.handoff.set_room(room);
                    Room::Granted
                }
            }
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

    /// Returns the error code for a stream that is not read to its end. A server that stops reading a request
    /// may still answer it (RFC 9114 section 4.1).
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
            let part = match self.held.take() {
                Some(part) => Some(part),
                None => self.next_part().map_err(|violation| self.fail(violation))?,
            };
            if self.needs_room(part.is_some()) && self.poll_room(cx).is_pending() {
                let violation = match part {
                    // A complete head takes no more of the connection's credit while it waits.
                    Some(_) => {
                        self.held = part;
                        ready!(self.poll_overdue(cx))
                    }
                    None => {
                        Violation::of_stream(Code::H3_REQUEST_REJECTED, "too many long heads are incomplete")
                    }
                };
                return Poll::Ready(Err(self.fail(violation)));
            }
            if let Some(part) = part {
                self.registration.handoff.piece_passed(&part);
                return Poll::Ready(Ok(Some(part)));
            }
            let most = if self.message.is_in_head() { 1 } else { PIECES };
            match self.pieces.poll_next(cx, most) {
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

    /// Returns the next piece, or `None` at the end of the stream. Takes at most `most` pieces from quinn at
    /// once, which gives the peer credit for as many more.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Result<Option<Bytes>, ReadError>> {
        if self.next == self.taken {
            let space = self.pieces.get_mut(..most).unwrap_or_default();
            let taken = ready!(pin!(self.stream.read_chunks(space)).poll(cx))?;
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
