//! A connection's part of the receive buffer of its server's UDP socket.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use tokio::time::sleep;

use super::turns::{Credit, Outcome, TICK, Turns};
use crate::{
    probe::Probe,
    window_budget::{FIRST_WINDOW, Window, WindowBudget},
};

/// The divisor of the receive buffer: at most a quarter may be granted. The kernel accounts a datagram of 1,452 bytes as
/// 2,304 if it is not joined with others, and may hold a quarter of a buffer back (udp_rmem_release in its
/// net/ipv4/udp.c).
const SHARE: u64 = 4;

impl Credit for quinn::Connection {
    fn set_window(&self, bytes: u32) {
        self.set_receive_window(bytes.into());
    }
}

/// The receive buffer of a socket, which its connections share. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct SharedBuffer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    turns: Mutex<Turns<quinn::Connection>>,
    probe: Arc<Probe>,
    /// True while connections take turns. This copy of [`Turns::is_crowded`] can be read without the lock.
    crowded: AtomicBool,
    /// True while a task calls [`Turns::tick`].
    watched: AtomicBool,
}

impl SharedBuffer {
    /// Returns the buffer of the socket of `probe`, and the budget of received bytes.
    pub(super) fn new(probe: Arc<Probe>, budget: WindowBudget) -> Self {
        let size = probe.link().socket_receive_buffer_bytes.unwrap_or_default();
        let windows = size / SHARE / u64::from(FIRST_WINDOW);
        let turns = Mutex::new(Turns::new(usize::try_from(windows).unwrap_or(usize::MAX), budget));
        let (crowded, watched) = Default::default();
        Self(Arc::new(Shared { turns, probe, crowded, watched }))
    }

    /// Adds a connection whose handshake begins, with a first window of `first` bytes. Returns the connection's part of
    /// the buffer, and the window that the connection must begin with.
    pub(super) fn join(&self, first: u32) -> (Seat, u32) {
        let passed = Arc::<AtomicU64>::default();
        let mut turns = self.turns();
        let (id, begins) = turns.join(first, passed.clone());
        if turns.is_watched() && !self.0.watched.swap(true, Relaxed) {
            tokio::spawn(self.clone().watch());
        }
        drop(turns);
        (Seat { id, passed, limited: AtomicBool::new(begins < first), buffer: self.clone() }, begins)
    }

    /// Checks the buffer every [`TICK`], as long as there are more connections than first windows that fit in the
    /// buffer.
    async fn watch(self) {
        let mut drops = None;
        loop {
            sleep(TICK).await;
            let buffer = self.0.probe.receive_buffer();
            let full = buffer.is_none_or(|buffer| {
                let before = drops.replace(buffer.drops).unwrap_or(buffer.drops);
                buffer.drops != before || buffer.used > buffer.size / 2
            });
            let mut turns = self.turns();
            turns.tick(full);
            self.0.crowded.store(turns.is_crowded(), Relaxed);
            if !turns.is_watched() {
                self.0.watched.store(false, Relaxed);
                return;
            }
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns<quinn::Connection>> {
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's part of the buffer.
#[derive(Debug)]
pub(super) struct Seat {
    id: u64,
    /// The bytes that have passed.
    passed: Arc<AtomicU64>,
    /// True unless the window of the connection renews itself and may grow.
    limited: AtomicBool,
    buffer: SharedBuffer,
}

impl Seat {
    /// Adds the connection itself once its handshake is complete.
    pub(super) fn establish(&self, connection: &quinn::Connection) {
        self.buffer.turns().establish(self.id, connection.clone());
    }

    /// Counts bytes that the application has read. The window may grow. If connections take turns, it may also close
    /// until the connection's next turn.
    pub(super) fn taken(&self, bytes: usize, window: &Window, connection: &quinn::Connection) {
        let count = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.passed.fetch_add(count, Relaxed);
        if self.limited.load(Relaxed) || self.buffer.0.crowded.load(Relaxed) {
            let outcome = self.buffer.turns().taken(self.id, count, window.size());
            self.limited.store(outcome != Outcome::Open, Relaxed);
            if outcome == Outcome::Closed {
                window.close();
            }
            if outcome != Outcome::Open {
                return;
            }
        }
        if window.passes(bytes) {
            let mut turns = self.buffer.turns();
            if turns.may_grow(self.id)
                && let Some(size) = window.grow()
            {
                connection.set_receive_window(size.into());
            }
        }
    }

    /// Removes the connection from the turns.
    pub(super) fn leave(&self) {
        self.buffer.turns().leave(self.id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}
