//! The memory that protocols may take, computed from limits before anything runs.

use record::{ChunkSize, End, Limits, Term};

/// The layout of bodies over connections, and the size of their chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shape {
    /// The number of connections.
    pub connections: u32,
    /// The number of bodies in flight on each connection.
    pub streams: u32,
    /// The chunk that a sender hands over at once.
    pub chunk: ChunkSize,
    /// True if all chunks are slices of one block, so that holding a chunk takes no memory.
    pub shared: bool,
}

impl Shape {
    /// Returns a layout in which each chunk has its own memory.
    pub fn new(connections: u32, streams: u32, chunk: ChunkSize) -> Self {
        Self { connections, streams, chunk, shared: false }
    }

    /// Declares all chunks to be slices of one block, so that holding a chunk takes no memory.
    #[must_use]
    pub fn with_shared_chunks(self) -> Self {
        Self { shared: true, ..self }
    }

    /// Returns the number of bodies in flight over all connections.
    pub fn bodies(&self) -> u64 {
        u64::from(self.connections) * u64::from(self.streams)
    }

    /// Returns the size of a chunk, in bytes.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        self.chunk.into()
    }

    /// Returns a term of `bytes` per connection.
    pub(crate) fn term(&self, name: &'static str, bytes: u64, reason: String) -> Term {
        Term::new(name, bytes.saturating_mul(self.connections.into()), reason)
    }

    /// Returns the chunks that a sender's protocol refers to until they are sent, `bytes` per connection. `None` if
    /// chunks are shared.
    pub(crate) fn payload_in_flight(&self, bytes: u64, reason: String) -> Option<Term> {
        (!self.shared).then(|| self.term("payload in flight", bytes, reason))
    }
}

/// A carrier or an engine whose memory is bounded by limits.
pub(crate) trait Footprint {
    /// Returns the memory of one end over all connections of a shape, one term per cause.
    fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term>;
}

/// Formats a size for the reason of a term, rounded to KiB.
pub(crate) fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.saturating_add(512) >> 10)
}
