//! A peer's unidirectional stream whose type has not arrived yet.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;

use super::{
    frames::integer,
    recv::{PIECES, Pieces},
    supervisor::Supervisor,
};

/// A stream whose type has not arrived yet.
pub(super) struct Arriving {
    pub(super) pieces: Pieces,
    /// The bytes that have arrived. Once the type was read, only the bytes after it.
    pub(super) start: BytesMut,
}

impl Arriving {
    pub(super) fn new(stream: quinn::RecvStream, supervisor: Arc<Supervisor>) -> Self {
        Self { pieces: Pieces::new(stream, supervisor), start: BytesMut::new() }
    }

    /// Reads the type of the stream. Returns `None` if the stream ended before its type, which is no error (RFC 9114
    /// section 6.2).
    pub(super) fn poll_type(&mut self, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        loop {
            if let Some((kind, size)) = integer(&self.start) {
                drop(self.start.split_to(size));
                return Poll::Ready(Some(kind));
            }
            match ready!(self.pieces.poll_next(cx, PIECES)) {
                Ok(Some(piece)) => self.start.extend_from_slice(&piece),
                // An error of the connection also ends the queue of streams.
                Ok(None) | Err(_) => return Poll::Ready(None),
            }
        }
    }
}
