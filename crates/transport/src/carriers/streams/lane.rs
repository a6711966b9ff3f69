//! What h3's half of a stream and ours tell each other past h3.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use h3::quic::StreamId;

/// One request stream: the chunk that is on its way out, and the gate before what comes in.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gate: AtomicU8,
    /// Where the piece that passed last ends.
    end: AtomicUsize,
    chunk: Mutex<Bytes>,
}

/// Every piece passes: until the head has been read.
const OPEN: u8 = 0;
/// One piece passes, which shuts the gate.
const AJAR: u8 = 1;
/// Nothing passes, and nobody is woken.
const SHUT: u8 = 2;

impl Lane {
    fn new() -> Self {
        Self(Arc::new(Shared {
            gate: AtomicU8::new(OPEN),
            end: AtomicUsize::new(0),
            chunk: Mutex::default(),
        }))
    }

    /// From now on pieces pass one by one. Only the task that reads the body turns the gate.
    pub(crate) fn shut(&self) {
        self.0.gate.store(SHUT, Relaxed);
    }

    /// Lets one piece pass, if the gate is shut: then whoever was told to wait should ask again, and
    /// otherwise will be woken by the stream.
    pub(crate) fn admit(&self) -> bool {
        self.0.gate.compare_exchange(SHUT, AJAR, Relaxed, Relaxed).is_ok()
    }

    pub(super) fn is_shut(&self) -> bool {
        self.0.gate.load(Relaxed) == SHUT
    }

    /// Tells of data that h3 has handed out: the gate opens for one more piece if it was the last of one.
    pub(crate) fn handed_out(&self, data: &[u8]) {
        if end(data) == self.0.end.load(Relaxed) {
            self.admit();
        }
    }

    pub(super) fn passed(&self, piece: &[u8]) {
        self.0.end.store(end(piece), Relaxed);
        let _ = self.0.gate.compare_exchange(AJAR, SHUT, Relaxed, Relaxed);
    }

    /// Leaves the chunk that h3 is about to be given, so that it need not be copied out of h3's hands.
    pub(crate) fn load(&self, chunk: Bytes) {
        *lock(&self.0.chunk) = chunk;
    }

    /// `part` as `Bytes`: a slice of the chunk where it is one, and otherwise, as for heads, a copy.
    pub(super) fn unload(&self, part: &[u8]) -> Bytes {
        let chunk = lock(&self.0.chunk);
        if chunk.as_ptr_range().contains(&part.as_ptr()) {
            chunk.slice_ref(part)
        } else {
            Bytes::copy_from_slice(part)
        }
    }
}

fn end(bytes: &[u8]) -> usize {
    bytes.as_ptr_range().end.addr()
}

/// The lanes of a connection's streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes(Arc<Mutex<HashMap<StreamId, Lane>>>);

impl Lanes {
    /// The lane of a stream that is still open.
    pub(crate) fn of(&self, stream: StreamId) -> Lane {
        lock(&self.0).get(&stream).cloned().unwrap_or_else(Lane::new)
    }

    pub(super) fn open(&self, stream: StreamId) -> Entry {
        let lane = Lane::new();
        lock(&self.0).insert(stream, lane.clone());
        Entry { stream, lane, lanes: self.clone() }
    }
}

/// A stream's lane, listed as long as the stream is there.
pub(super) struct Entry {
    stream: StreamId,
    pub(super) lane: Lane,
    lanes: Lanes,
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.lanes.0).remove(&self.stream);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_chunk_is_a_slice_of_it_and_anything_else_a_copy() {
        let (lane, chunk) = (Lane::new(), Bytes::from(vec![7; 64]));
        lane.load(chunk.clone());
        let part = lane.unload(&chunk[8..40]);
        assert_eq!((part.as_ptr(), part.len()), (chunk[8..].as_ptr(), 32));
        let head = [0, 64];
        let copy = lane.unload(&head);
        assert_eq!(copy, head.as_slice());
        assert_ne!(copy.as_ptr(), head.as_ptr());
    }

    #[test]
    fn a_shut_gate_lets_one_piece_pass_each_time_it_is_asked() {
        let lane = Lane::new();
        assert!(!lane.admit(), "an open gate needs no asking");
        lane.shut();
        assert!(lane.is_shut());
        assert!(lane.admit());
        assert!(!lane.is_shut());
        assert!(!lane.admit(), "one piece is under way already");
        lane.passed(&[]);
        assert!(lane.is_shut());
    }
}
