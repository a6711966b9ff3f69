//! The blocks of the generated bodies that clients ask for.

use std::sync::{Mutex, PoisonError};

use payload::Payload;
use record::{ChunkSize, PayloadKind};

/// One block for each seed that is in use. A block takes the largest chunk and a period of memory, so there are at most
/// [`SEEDS`](Self::SEEDS). All chunk sizes of a seed share its block.
pub(crate) struct PayloadCache {
    largest: ChunkSize,
    /// The seed and the payload of each block, the most recently used one last.
    blocks: Mutex<Vec<(u64, Payload)>>,
}

impl PayloadCache {
    /// The most seeds that can be in use at once.
    pub(crate) const SEEDS: usize = 8;

    /// Returns an empty cache for chunks of up to `largest`.
    pub(crate) fn new(largest: ChunkSize) -> Self {
        Self { largest, blocks: Mutex::default() }
    }

    /// Returns the random payload of a seed, in chunks of a size. `None` if the bodies of eight other seeds are being
    /// sent.
    pub(crate) fn payload(&self, seed: u64, chunk: ChunkSize) -> Option<Payload> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let block = match blocks.iter().position(|(cached, _)| *cached == seed) {
            Some(position) => blocks.remove(position),
            None => {
                if blocks.len() >= Self::SEEDS {
                    let unused = blocks.iter().position(|(_, payload)| !payload.is_shared())?;
                    blocks.remove(unused);
                }
                (seed, Payload::prepare(&PayloadKind::Random, seed, self.largest))
            }
        };
        let payload = block.1.in_chunks(chunk);
        blocks.push(block);
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    fn chunk(bytes: u64) -> ChunkSize {
        ChunkSize::try_from(bytes).unwrap()
    }

    #[tokio::test]
    async fn another_seed_or_chunk_is_never_served_from_the_cache() {
        let cache = PayloadCache::new(chunk(1000));
        for (bytes, seed) in [(1000, 1), (1000, 1), (1000, 2), (500, 2), (1000, 1)] {
            let expected = Payload::prepare(&PayloadKind::Random, seed, chunk(bytes)).digest(10_000);
            let payload = cache.payload(seed, chunk(bytes)).unwrap();
            assert_eq!(payload.digest(10_000), expected, "seed {seed}");
            let first = payload.open(10_000).unwrap().next().await.unwrap().unwrap();
            assert_eq!(first.len() as u64, bytes);
        }
    }

    #[tokio::test]
    async fn a_seed_has_one_block_and_a_ninth_seed_waits_for_the_last_chunk_of_another() {
        let cache = PayloadCache::new(chunk(1 << 20));
        let mut chunks = Vec::new();
        for seed in 0..8 {
            let payload = cache.payload(seed, chunk(1024)).unwrap();
            chunks.push(payload.open(1024).unwrap().next().await.unwrap().unwrap());
        }
        let again = cache.payload(3, chunk(2048)).unwrap().open(1024).unwrap().next().await.unwrap().unwrap();
        assert_eq!(again.as_ptr(), chunks[3].as_ptr());
        assert!(cache.payload(8, chunk(1024)).is_none());
        chunks.remove(0);
        assert!(cache.payload(8, chunk(1024)).is_some());
        assert_eq!(cache.blocks.lock().unwrap().len(), PayloadCache::SEEDS);
    }
}
