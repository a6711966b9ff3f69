//! The connection window of a client (RFC 9113 section 5.2), which bounds the bytes that a server sends, and a reserve
//! in it for short answers.
//!
//! A client that cancels a download, or stops reading it, need not return the credit of that download. One
//! such download could use up the connection's whole window for good, and the receipt of a finished upload
//! could not be sent. Therefore long bodies leave [`RESERVE`] bytes of the window to short ones. The flow
//! control of nginx (ngx_http_v2_filter_module.c), nghttp2 (nghttp2_session.c) and h2
//! (proto/streams/prioritize.rs) has no such reserve: there, the receipt waits for credit.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

#[cfg(test)]
mod tests;

/// The window of a connection before any credit, in bytes (RFC 9113 section 6.9.2).
const INITIAL: i64 = 65_535;

/// The part of the send window that long bodies leave to short ones: a sixteenth of the initial window, and room for a
/// dozen receipts.
const RESERVE: u32 = 4 << 10;

/// The longest body that counts as short, in bytes: it may use the reserve.
const SHORT: u64 = RESERVE as u64;

/// The time without credit after which a long body uses the reserve, unless another request waits for its answer. A
/// client may return credit only once it has received the last byte of its window.
const PATIENCE: Duration = Duration::from_secs(1);

/// The multiple of a chunk's size that must be left in the connection's window for the whole chunk to be queued at
/// once. Otherwise only the bytes that the stream's own window admits are queued: a stream whose window is closed must
/// not use up the connection's window.
const AMPLE: u32 = 4;

/// The most pieces of one size that a stream queues. h2 keeps an entry of 160 bytes for each, which its send
/// buffer does not count: a buffer of 256 KiB would hold pieces of one byte with 80 MiB of entries.
pub(super) const MOST_PIECES: u32 = 256;

/// The send window of one connection. Clones share the window.
#[derive(Clone, Debug, Default)]
pub(super) struct SendWindow(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when the window has grown, or when fewer of its bytes are queued or reserved.
    more: Notify,
    /// Notified when a queue has become empty.
    empty: Notify,
}

#[derive(Debug)]
struct State {
    /// The client's credit less the bytes that were written or are queued. Negative if short answers are queued beyond
    /// the credit.
    left: i64,
    /// The queues in h2 of streams with long bodies.
    queues: HashMap<u32, Queue>,
    /// The number of requests whose answers have not begun, plus the short answers that are not sent.
    unanswered: u32,
}

/// The bytes that a stream has queued but not written.
#[derive(Debug, Default)]
struct Queue {
    bytes: u32,
    /// True once the last byte of the body is queued.
    is_whole: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { left: INITIAL, queues: HashMap::new(), unanswered: 0 }
    }
}

impl State {
    /// Forgets the queue of a stream, which h2 discards.
    fn forget(&mut self, stream: u32) {
        let queue = self.queues.remove(&stream).unwrap_or_default();
        self.left = self.left.saturating_add(queue.bytes.into());
    }
}

impl SendWindow {
    /// Counts a request until the returned value is dropped.
    pub(super) fn request(&self) -> Unanswered {
        let mut state = self.lock();
        state.unanswered = state.unanswered.saturating_add(1);
        Unanswered(self.clone())
    }

    /// Adds credit that the client has returned for the connection.
    pub(super) fn credit(&self, bytes: u32) {
        let mut state = self.lock();
        state.left = state.left.saturating_add(bytes.into());
        drop(state);
        self.0.more.notify_waiters();
    }

    /// Counts a DATA frame whose head was written. Bytes beyond those that [`Share::take`] has queued belong
    /// to a short answer.
    pub(super) fn written(&self, stream: u32, bytes: u32) {
        let state = &mut *self.lock();
        let mut more = bytes;
        if let Some(queue) = state.queues.get_mut(&stream) {
            more = bytes.saturating_sub(queue.bytes);
            queue.bytes = queue.bytes.saturating_sub(bytes);
            if queue.bytes == 0 {
                self.0.empty.notify_waiters();
                if queue.is_whole {
                    state.queues.remove(&stream);
                }
            }
        }
        state.left = state.left.saturating_sub(more.into());
    }

    /// Forgets the queue of a stream that either end has reset, since h2 discards it.
    pub(super) fn reset(&self, stream: u32) {
        self.lock().forget(stream);
        self.0.more.notify_waiters();
        self.0.empty.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a body of at most `most` bytes may use the reserve.
pub(super) fn is_short(most: Option<u64>) -> bool {
    most.is_some_and(|most| most <= SHORT)
}

/// The count of a request that waits for its answer, until the value is dropped.
#[derive(Debug)]
pub(super) struct Unanswered(SendWindow);

impl Unanswered {
    /// Ends the count, and returns the share of the stream, whose answer is a long body.
    pub(super) fn share(self, stream: u32) -> Share {
        Share { window: self.0.clone(), stream, keep: RESERVE }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.unanswered = state.unanswered.saturating_sub(1);
        drop(state);
        self.0.0.more.notify_waiters();
    }
}

/// The share of one stream whose body is long. Dropping the share before the end of the body returns the queued bytes,
/// which h2 discards.
#[derive(Debug)]
pub(super) struct Share {
    window: SendWindow,
    stream: u32,
    /// The bytes of the window that this stream leaves to others.
    keep: u32,
}

impl Share {
    /// Returns the bytes that the stream may queue now.
    pub(super) fn room(&self) -> usize {
        self.room_of(&self.window.lock())
    }

    /// Waits until the stream may queue some bytes.
    pub(super) async fn wait(&mut self) {
        let window = self.window.clone();
        loop {
            let mut changed = pin!(window.0.more.notified());
            changed.as_mut().enable();
            if self.room() > 0 {
                return;
            }
            if timeout(PATIENCE, &mut changed).await.is_ok() {
                continue;
            }
            if window.lock().unanswered == 0 {
                self.keep = 0;
            }
            if self.room() == 0 {
                changed.await;
            }
        }
    }

    /// Waits until all bytes that the stream has queued are written, or its queue was discarded.
    pub(super) async fn written(&self) {
        loop {
            let mut changed = pin!(self.window.0.empty.notified());
            changed.as_mut().enable();
            if self.window.lock().queues.get(&self.stream).is_none_or(|queue| queue.bytes == 0) {
                return;
            }
            changed.await;
        }
    }

    /// Returns whether the stream has queued too many bytes for pieces of `piece` bytes, and must wait until they are
    /// [written](Self::written).
    pub(super) fn is_long(&self, piece: usize) -> bool {
        let most = u32::try_from(piece).unwrap_or(u32::MAX).saturating_mul(MOST_PIECES);
        self.window.lock().queues.get(&self.stream).is_some_and(|queue| queue.bytes > most)
    }

    /// Takes room for a chunk of `chunk` bytes, of which the stream's own window admits `admitted`. Returns the number
    /// of bytes that the stream may queue.
    pub(super) fn take(&mut self, chunk: usize, admitted: usize) -> usize {
        let state = &mut *self.window.lock();
        let room = self.room_of(state);
        let ample = chunk.checked_mul(AMPLE as usize).is_some_and(|ample| room >= ample);
        let taken = if ample { chunk } else { admitted.min(chunk).min(room) };
        let bytes = u32::try_from(taken).unwrap_or(u32::MAX);
        let queue = state.queues.entry(self.stream).or_default();
        queue.bytes = queue.bytes.saturating_add(bytes);
        state.left = state.left.saturating_sub(bytes.into());
        self.keep = RESERVE;
        taken
    }

    /// Notes that the stream has queued its last byte. From now on, dropping the share returns no bytes: h2 writes the
    /// queue.
    pub(super) fn over(&self) {
        let state = &mut *self.window.lock();
        match state.queues.get_mut(&self.stream) {
            Some(queue) if queue.bytes > 0 => queue.is_whole = true,
            _ => drop(state.queues.remove(&self.stream)),
        }
    }

    fn room_of(&self, state: &State) -> usize {
        usize::try_from(state.left.saturating_sub(self.keep.into())).unwrap_or(0)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.window.lock();
        if state.queues.get(&self.stream).is_some_and(|queue| !queue.is_whole) {
            state.forget(self.stream);
        }
        drop(state);
        self.window.0.more.notify_waiters();
    }
}
