//! The parts of a socket's receive buffer that the connections of a server may fill.
//!
//! All connections share one UDP socket. If the peers of many connections may send more than its buffer holds, the kernel
//! drops datagrams, and with a few packets in flight each loss costs a timeout. Flow control avoids that.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// The least part, in bytes: four datagrams of a path with the least MTU, so that a loss can be noticed by later packets
/// (RFC 9002 section 6.1.1).
const LEAST: u32 = 4800;

/// The receive buffer of a socket, and the number of its connections. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct SharedBuffer(Arc<Buffer>);

#[derive(Debug)]
struct Buffer {
    bytes: u64,
    connections: AtomicU32,
}

impl SharedBuffer {
    /// Returns the buffer of a socket, which holds `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        Self(Arc::new(Buffer { bytes, connections: AtomicU32::new(0) }))
    }

    /// Counts a connection, until its share is dropped.
    pub(super) fn share(&self) -> Share {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        Share(self.0.clone())
    }
}

/// The part of one connection.
#[derive(Debug)]
pub(super) struct Share(Arc<Buffer>);

impl Share {
    /// Returns the size of the part now, in bytes: a power of two, so that it changes seldom.
    pub(super) fn bytes(&self) -> u32 {
        let connections = self.0.connections.load(Ordering::Relaxed).max(1);
        let part = u32::try_from(self.0.bytes / u64::from(connections)).unwrap_or(u32::MAX);
        part.checked_ilog2().map_or(0, |exponent| 1 << exponent).max(LEAST)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_have_equal_parts_and_a_sole_one_has_the_whole_buffer() {
        let buffer = SharedBuffer::new(4 << 20);
        let first = buffer.share();
        assert_eq!(first.bytes(), 4 << 20);
        let others: Vec<Share> = (0..499).map(|_| buffer.share()).collect();
        assert_eq!(first.bytes(), 8 << 10, "the largest power of two below 8,388 bytes");
        drop(others);
        assert_eq!(first.bytes(), 4 << 20);
        let many: Vec<Share> = (0..10_000).map(|_| buffer.share()).collect();
        assert_eq!(first.bytes(), LEAST);
        drop(many);
    }
}
