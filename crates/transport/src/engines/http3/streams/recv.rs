//! The receiving half of a stream, behind a gate if it carries a body.
//!
//! On a request for data, h3 0.0.8 takes a piece from the stream even if it still holds one. Each piece taken gives the
//! peer credit to send more. With a slow reader and a fast peer most of the body ends up in memory (hyperium/h3 issue
//! 308). Here the gate of a body's stream closes as soon as a piece has passed, and opens for one more when h3 holds
//! none. Therefore h3 never holds more than one piece: the bytes of one QUIC packet.

use std::{
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h3::quic::{self, StreamErrorIncoming, StreamId};
use quinn::VarInt;

use super::{error, handoff::Registration, stream_id};

/// The number of pieces taken from quinn at once, since each call locks the connection: 23 KiB of packets of 1,452
/// bytes.
pub(crate) const PIECES: usize = 16;

/// The receiving half of a stream.
pub(crate) struct RecvStream {
    stream: quinn::RecvStream,
    /// Pieces taken from quinn; h3 has not asked for those from `next` to `taken` yet.
    pieces: [Bytes; PIECES],
    next: usize,
    taken: usize,
    /// `None` for the control streams of h3, which carry no body.
    registration: Option<Registration>,
}

impl RecvStream {
    pub(super) fn new(stream: quinn::RecvStream, registration: Option<Registration>) -> Self {
        Self { stream, pieces: Default::default(), next: 0, taken: 0, registration }
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let handoff = self.registration.as_ref().map(|registration| &registration.handoff);
        if handoff.is_some_and(|handoff| handoff.is_closed()) {
            return Poll::Pending;
        }
        if self.next == self.taken {
            let taken = ready!(pin!(self.stream.read_chunks(&mut self.pieces)).poll(cx));
            let Some(taken) = taken.map_err(error::read)? else { return Poll::Ready(Ok(None)) };
            (self.next, self.taken) = (0, taken);
        }
        let piece = std::mem::take(&mut self.pieces[self.next]);
        self.next += 1;
        if let Some(handoff) = handoff {
            handoff.piece_passed(&piece);
        }
        Poll::Ready(Ok(Some(piece)))
    }

    fn stop_sending(&mut self, code: u64) {
        // This fails only for a stream that has ended.
        let _ = self.stream.stop(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}
