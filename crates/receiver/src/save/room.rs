//! How much of a body an upload may hold ahead of the disk.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The blocks that one upload may fill ahead of the disk.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) block: usize,
    pub(super) blocks: usize,
    _wide: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// How many uploads into one folder get much room; the others get little.
    pub(super) const WIDE_PLACES: usize = 8;

    /// Four blocks: a disk that works in bursts does not hold up the protocol. Half as much was a fifth
    /// slower over TLS.
    const WIDE: (usize, usize) = (256 << 10, 4);

    /// Two blocks, one of which is written while the other fills.
    const NARROW: (usize, usize) = (64 << 10, 2);

    /// All blocks of so many uploads, in bytes.
    pub(super) fn footprint(uploads: u64) -> u64 {
        let all = |(block, blocks): (usize, usize)| (block * blocks) as u64;
        let wide = uploads.min(Self::WIDE_PLACES as u64);
        wide * all(Self::WIDE) + (uploads - wide) * all(Self::NARROW)
    }

    /// Much room, if one of the places is free.
    pub(super) fn of(places: &Arc<Semaphore>) -> Self {
        let wide = places.clone().try_acquire_owned().ok();
        let (block, blocks) = if wide.is_some() { Self::WIDE } else { Self::NARROW };
        Self { block, blocks, _wide: wide }
    }
}
