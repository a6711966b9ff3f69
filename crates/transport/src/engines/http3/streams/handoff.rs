//! A side channel that bypasses h3: it connects the streams below h3 with the bodies above h3.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use h3::{error::Code, quic::StreamId};
use tokio::sync::OwnedSemaphorePermit;

use super::{Role, supervisor::Supervisor, violation::Violation};

/// The side channel of one request stream: the chunk that is being sent, the gate that holds back received pieces, and
/// the error code for a stream that ends early.
#[derive(Clone, Debug)]
pub(crate) struct Handoff(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gate: AtomicU8,
    /// The address after the last byte of the last piece that passed.
    end: AtomicUsize,
    chunk: Mutex<Bytes>,
    /// The memory of a head that the session has not accepted.
    room: Mutex<Option<OwnedSemaphorePermit>>,
    /// The error code of the stream; zero if none was set.
    code: AtomicU64,
    /// The violation by which the peer made this end close the connection.
    violation: Arc<OnceLock<Violation>>,
}

/// The state in which every piece passes, while the head is being read.
const OPEN: u8 = 0;
/// The state in which one piece passes, and closes the gate.
const OPEN_FOR_ONE: u8 = 1;
/// The state in which no piece passes, and no task is woken.
const CLOSED: u8 = 2;

impl Handoff {
    fn new(violation: Arc<OnceLock<Violation>>) -> Self {
        Self(Arc::new(Shared {
            gate: AtomicU8::new(OPEN),
            end: AtomicUsize::new(0),
            chunk: Mutex::default(),
            room: Mutex::default(),
            code: AtomicU64::new(0),
            violation,
        }))
    }

    /// Closes the gate: from now on pieces pass one by one. Only the task that reads the body operates the gate.
    pub(crate) fn close_gate(&self) {
        self.0.gate.store(CLOSED, Relaxed);
    }

    /// Opens the gate for one piece. Returns whether the gate was closed. If so, a pending reader should poll again.
    /// Otherwise the stream wakes the reader.
    pub(crate) fn admit_one(&self) -> bool {
        self.0.gate.compare_exchange(CLOSED, OPEN_FOR_ONE, Relaxed, Relaxed).is_ok()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.gate.load(Relaxed) == CLOSED
    }

    /// Returns whether the gate was closed at least once: the head was read and found good.
    pub(super) fn head_was_read(&self) -> bool {
        self.0.gate.load(Relaxed) != OPEN
    }

    /// Sets the error code for the stream, if either half of it is dropped before its end.
    pub(crate) fn set_code(&self, code: Code) {
        self.0.code.store(code.value(), Relaxed);
    }

    /// Returns the error code that was set.
    pub(super) fn code(&self) -> Option<u64> {
        Some(self.0.code.load(Relaxed)).filter(|code| *code != 0)
    }

    /// Returns the violation by which the peer made this end close the connection, if it has.
    pub(crate) fn violation(&self) -> Option<Violation> {
        self.0.violation.get().copied()
    }

    /// Notes data that h3 has handed out. The gate opens for one more piece if `data` ends the last piece.
    pub(crate) fn data_read(&self, data: &[u8]) {
        if end(data) == self.0.end.load(Relaxed) {
            self.admit_one();
        }
    }

    /// Notes a piece that h3 has taken, and closes a gate that was open for one piece.
    pub(super) fn piece_passed(&self, piece: &[u8]) {
        self.0.end.store(end(piece), Relaxed);
        let _ = self.0.gate.compare_exchange(OPEN_FOR_ONE, CLOSED, Relaxed, Relaxed);
    }

    /// Keeps the memory of the head until it is taken, or the stream ends.
    pub(super) fn set_room(&self, room: Option<OwnedSemaphorePermit>) {
        *lock(&self.0.room) = room;
    }

    /// Takes the memory of the head.
    pub(crate) fn take_room(&self) -> Option<OwnedSemaphorePermit> {
        lock(&self.0.room).take()
    }

    /// Notes the chunk that h3 is about to get, so that it need not be copied below h3.
    pub(crate) fn set_chunk(&self, chunk: Bytes) {
        *lock(&self.0.chunk) = chunk;
    }

    /// Turns `part` into `Bytes`: a slice of the chunk if the part lies in the chunk, else a copy. Frame heads are
    /// copied.
    pub(super) fn bytes_of(&self, part: &[u8]) -> Bytes {
        let chunk = lock(&self.0.chunk);
        if chunk.as_ptr_range().contains(&part.as_ptr()) {
            chunk.slice_ref(part)
        } else {
            Bytes::copy_from_slice(part)
        }
    }
}

/// Returns the address after the last byte.
fn end(bytes: &[u8]) -> usize {
    bytes.as_ptr_range().end.addr()
}

/// The handoffs of the open streams of a connection.
#[derive(Debug, Default)]
pub(super) struct Handoffs(Mutex<HashMap<StreamId, Handoff>>);

impl Handoffs {
    /// Returns the handoff of a stream that is still open.
    pub(super) fn of(&self, stream: StreamId) -> Handoff {
        lock(&self.0).get(&stream).cloned().unwrap_or_else(|| Handoff::new(Arc::default()))
    }

    fn remove(&self, stream: StreamId) {
        lock(&self.0).remove(&stream);
    }

    fn insert(&self, stream: StreamId, handoff: Handoff) {
        lock(&self.0).insert(stream, handoff);
    }
}

/// A request stream, registered with the supervisor of its connection until both halves are dropped.
pub(super) struct Registration {
    stream: StreamId,
    pub(super) handoff: Handoff,
    pub(super) supervisor: Arc<Supervisor>,
    cancelled: AtomicBool,
}

impl Registration {
    pub(super) fn new(stream: StreamId, supervisor: &Arc<Supervisor>) -> Arc<Self> {
        let handoff = Handoff::new(supervisor.violation.clone());
        supervisor.handoffs.insert(stream, handoff.clone());
        Arc::new(Self { stream, handoff, supervisor: supervisor.clone(), cancelled: AtomicBool::new(false) })
    }

    /// Notes that a whole message was sent.
    pub(super) fn message_was_sent(&self, stream: &quinn::SendStream) {
        if self.supervisor.role == Role::Server {
            self.supervisor.deliveries.sent(stream);
        }
    }

    /// Notes that the peer cancelled one of the halves. A stream counts at most once.
    pub(super) fn was_cancelled(&self) {
        if !self.cancelled.swap(true, Relaxed) {
            self.supervisor.stream_was_cancelled();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.supervisor.handoffs.remove(self.stream);
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
        let (handoff, chunk) = (Handoff::new(Arc::default()), Bytes::from(vec![7; 64]));
        handoff.set_chunk(chunk.clone());
        let part = handoff.bytes_of(&chunk[8..40]);
        assert_eq!((part.as_ptr(), part.len()), (chunk[8..].as_ptr(), 32));
        let head = [0, 64];
        let copy = handoff.bytes_of(&head);
        assert_eq!(copy, head.as_slice());
        assert_ne!(copy.as_ptr(), head.as_ptr());
    }

    #[test]
    fn a_closed_gate_admits_one_piece_per_request() {
        let handoff = Handoff::new(Arc::default());
        assert!(!handoff.admit_one(), "an open gate needs no request");
        handoff.close_gate();
        assert!(handoff.is_closed());
        assert!(handoff.admit_one());
        assert!(!handoff.is_closed());
        assert!(!handoff.admit_one(), "one piece is admitted already");
        handoff.piece_passed(&[]);
        assert!(handoff.is_closed());
    }
}
