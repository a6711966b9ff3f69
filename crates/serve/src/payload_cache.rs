//! The generated payload that was requested last.

use std::sync::{Mutex, PoisonError};

use payload::Payload;
use record::{ChunkSize, PayloadKind};

/// A cache of one generated payload: most clients request the same one, and its block is costly to generate.
#[derive(Default)]
pub(crate) struct PayloadCache(Mutex<Option<Cached>>);

struct Cached {
    chunk: ChunkSize,
    seed: u64,
    payload: Payload,
}

impl PayloadCache {
    /// The random payload of a chunk size and a seed, generated unless it is cached.
    pub(crate) fn payload(&self, chunk: ChunkSize, seed: u64) -> Payload {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cached.as_ref().filter(|cached| cached.chunk == chunk && cached.seed == seed) {
            return cached.payload.clone();
        }
        let payload = Payload::prepare(&PayloadKind::Random, seed, chunk);
        *cached = Some(Cached { chunk, seed, payload: payload.clone() });
        payload
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn another_seed_or_chunk_is_never_served_from_the_cache() {
        let cache = PayloadCache::default();
        for (bytes, seed) in [(1000, 1), (1000, 1), (1000, 2), (500, 2), (1000, 1)] {
            let chunk = ChunkSize::try_from(bytes).unwrap();
            let expected = Payload::prepare(&PayloadKind::Random, seed, chunk).digest(10_000);
            let payload = cache.payload(chunk, seed);
            assert_eq!(payload.digest(10_000), expected, "seed {seed}");
            let first = payload.open(10_000).unwrap().next().await.unwrap().unwrap();
            assert_eq!(first.len(), chunk.get());
        }
    }
}
