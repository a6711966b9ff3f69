//! The receiving half of a stream, behind a gate if it carries a body.
//!
//! h3 0.0.8 asks the stream for a piece whenever it is asked for one, also when it still holds some, and
//! what it takes from the stream gives the peer credit to send more: a slow reader of a fast peer ends up
//! with most of the body in memory (hyperium/h3 issue 308). Here a body's stream is shut as soon as a piece
//! has passed, and opened for one more when h3 has run dry. So h3 never holds more than a piece: what one
//! QUIC packet carried.

use std::{
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h3::quic::{self, StreamErrorIncoming, StreamId};
use quinn::VarInt;

use super::{error, lane::Entry, stream_id};

/// How many pieces are taken from quinn at once, which locks the connection each time: 23 KiB of packets of 1,452 bytes.
pub(crate) const PIECES: usize = 16;

pub(crate) struct RecvStream {
    stream: quinn::RecvStream,
    /// Taken from quinn and not yet asked for by h3: those from `next` to `taken`.
    pieces: [Bytes; PIECES],
    next: usize,
    taken: usize,
    /// None for h3's own streams, which carry no body.
    entry: Option<Entry>,
}

impl RecvStream {
    pub(super) fn new(stream: quinn::RecvStream, entry: Option<Entry>) -> Self {
        Self { stream, pieces: Default::default(), next: 0, taken: 0, entry }
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let lane = self.entry.as_ref().map(|entry| &entry.lane);
        if lane.is_some_and(|lane| lane.is_shut()) {
            return Poll::Pending;
        }
        if self.next == self.taken {
            let taken = ready!(pin!(self.stream.read_chunks(&mut self.pieces)).poll(cx));
            let Some(taken) = taken.map_err(error::read)? else { return Poll::Ready(Ok(None)) };
            (self.next, self.taken) = (0, taken);
        }
        let piece = std::mem::take(&mut self.pieces[self.next]);
        self.next += 1;
        if let Some(lane) = lane {
            lane.passed(&piece);
        }
        Poll::Ready(Ok(Some(piece)))
    }

    fn stop_sending(&mut self, code: u64) {
        // A stream that has ended needs no stopping.
        let _ = self.stream.stop(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}
