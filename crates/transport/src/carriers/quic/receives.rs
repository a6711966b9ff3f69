//! The system calls that received datagrams. quinn counts the datagrams of a connection in their place, since its
//! connections do not see the socket.

use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

/// The number of system calls that received datagrams from a socket. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Receives(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    calls: AtomicU64,
    /// The calls that earlier holders of the share have stated.
    stated: AtomicU64,
    is_held: AtomicBool,
}

impl Receives {
    /// Counts a call.
    pub(super) fn add(&self) {
        self.0.calls.fetch_add(1, Relaxed);
    }

    /// Returns the share of another connection in the calls of the socket.
    pub(super) fn share(&self) -> Share {
        let is_held = self.0.is_held.swap(true, AcqRel);
        Share(Some(self.clone()).filter(|_| !is_held))
    }
}

/// A connection's share in the calls of its socket. A call may receive datagrams of several connections, so one of the
/// connections states all calls, and the others none. The sum over all connections is then the number of calls.
#[derive(Debug)]
pub(super) struct Share(Option<Receives>);

impl Share {
    /// Returns the number of calls.
    pub(super) fn calls(&self) -> u64 {
        let of = |Receives(shared): &Receives| {
            shared.calls.load(Relaxed).saturating_sub(shared.stated.load(Acquire))
        };
        self.0.as_ref().map_or(0, of)
    }
}

impl Drop for Share {
    /// Leaves the next calls to the next connection.
    fn drop(&mut self) {
        if let Some(Receives(shared)) = &self.0 {
            shared.stated.store(shared.calls.load(Relaxed), Release);
            shared.is_held.store(false, Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_stated_by_one_connection() {
        let receives = Receives::default();
        receives.add();
        let (first, second) = (receives.share(), receives.share());
        receives.add();
        assert_eq!((first.calls(), second.calls()), (2, 0));
        drop(first);
        receives.add();
        let third = receives.share();
        assert_eq!((second.calls(), third.calls()), (0, 1));
        drop((second, third));
        assert_eq!(receives.share().calls(), 0);
    }
}
