//! The spreading of a server's connections over the threads of its process.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::runtime::{EnterGuard, Handle};

/// The threads over which listeners spread their connections, each with its own current-thread runtime. Clones share
/// the turn.
///
/// A listener assigns each connection to a thread before its handshake, and the connection stays there. Over TCP and
/// Unix sockets, the thread that accepts hands each socket to the next thread in turn. Over QUIC, each thread has its
/// own socket on the common port, and the connection ID names the thread.
#[derive(Clone, Debug)]
pub struct Spread {
    runtimes: Arc<[Handle]>,
    turn: Arc<AtomicUsize>,
}

impl Spread {
    /// Returns a spread over threads with these runtimes. `None` unless there are several.
    pub fn over(runtimes: Vec<Handle>) -> Option<Self> {
        (runtimes.len() > 1).then(|| Self { runtimes: runtimes.into(), turn: Arc::default() })
    }

    /// Returns the runtimes of the threads, in their order.
    pub fn runtimes(&self) -> &[Handle] {
        &self.runtimes
    }

    /// Returns the number of the thread whose turn it is, and enters that thread's runtime. Sockets that are made while
    /// the guard lives belong to that runtime.
    pub(crate) fn take_turn(&self) -> (usize, Option<EnterGuard<'_>>) {
        let turn = self.turn.fetch_add(1, Relaxed) % self.runtimes.len().max(1);
        (turn, self.runtimes.get(turn).map(Handle::enter))
    }
}
