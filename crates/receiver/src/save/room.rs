//! The memory that a body may fill before its bytes are written to the disk.

use std::sync::Arc;

use record::{ByteSize, Term};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The blocks of memory that one body may fill before they are written to the disk.
#[derive(Debug)]
pub(super) struct Room {
    /// The length of a block, in bytes.
    pub(super) block: usize,
    /// The number of blocks.
    pub(super) blocks: usize,
    /// The permit of a wide room, released with the room; `None` for a narrow room.
    _place: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// The number of concurrent bodies in one folder that get wide rooms. Further bodies get narrow rooms, which keeps
    /// memory low with hundreds of bodies.
    pub(super) const WIDE_PLACES: usize = 8;

    /// The length in bytes and the number of blocks of a wide room. With so much memory, a disk that works in bursts
    /// does not delay the protocol. Half as much was a fifth slower over TLS.
    const WIDE: (usize, usize) = (256 << 10, 4);

    /// The length in bytes and the number of blocks of a narrow room. One block is written while the other is filled.
    const NARROW: (usize, usize) = (64 << 10, 2);

    /// Returns the room of a body that begins now. The room is wide if a place is free.
    pub(super) fn of(places: &Arc<Semaphore>) -> Self {
        let place = places.clone().try_acquire_owned().ok();
        let (block, blocks) = if place.is_some() { Self::WIDE } else { Self::NARROW };
        Self { block, blocks, _place: place }
    }
}

/// Returns the most memory that the blocks of `bodies` concurrent bodies in one folder take.
pub(crate) fn footprint(bodies: u64) -> Term {
    let size = |(block, blocks): (usize, usize)| (block * blocks) as u64;
    let (wide, narrow) = (size(Room::WIDE), size(Room::NARROW));
    let places = Room::WIDE_PLACES as u64;
    let first = bodies.min(places);
    let reason = format!(
        "{} for each of the first {places} bodies, {} for each further one",
        ByteSize(wide),
        ByteSize(narrow)
    );
    Term::new("blocks that wait for the disk", first * wide + (bodies - first) * narrow, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_wide_while_places_last_and_a_place_comes_back() {
        let places = Arc::new(Semaphore::new(1));
        let size = |room: &Room| (room.block * room.blocks) as u64;
        let first = Room::of(&places);
        let second = Room::of(&places);
        assert_eq!(size(&first), footprint(1).bytes);
        assert_eq!(size(&second), footprint(9).bytes - footprint(8).bytes);
        drop(first);
        assert_eq!(size(&Room::of(&places)), footprint(1).bytes);
    }
}
