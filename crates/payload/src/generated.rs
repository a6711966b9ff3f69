//! Generated bodies: slices of one block, without a copy or an allocation per chunk.

use bytes::Bytes;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use record::{ByteSize, ChunkSize};

use crate::{Digest, Hasher};

/// The period of the random body, in bytes: 2^17 - 1, a prime.
///
/// The usual chunk sizes share no factor with a prime. A lost, repeated or swapped chunk therefore shifts the phase of
/// the bytes after it and changes the digest. Swaps go unnoticed only if the chunks are a multiple of the period apart,
/// or if their size is such a multiple.
pub const PERIOD: usize = 131_071;

/// The block whose slices make up all generated bodies of a process.
///
/// After one period, the block repeats its beginning for the length of one chunk, so that every chunk is contiguous.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    bytes: Bytes,
    period: usize,
    chunk: usize,
}

impl Block {
    /// Creates a block of random bytes from `seed` with xoshiro256++, whose output is the same on every machine.
    pub(crate) fn random(seed: u64, chunk: ChunkSize) -> Self {
        Self::of_period(PERIOD, seed, chunk)
    }

    /// Creates a block of random bytes from `seed`, with a prime period just below `size`.
    pub(crate) fn cold(size: ByteSize, seed: u64, chunk: ChunkSize) -> Self {
        Self::of_period(largest_prime(usize::try_from(size.0).unwrap_or(PERIOD)), seed, chunk)
    }

    fn of_period(period: usize, seed: u64, chunk: ChunkSize) -> Self {
        let length = period + chunk.get();
        let mut block = Vec::with_capacity(length);
        block.resize(period, 0);
        Xoshiro256PlusPlus::seed_from_u64(seed).fill_bytes(&mut block);
        // Each pass but the last appends whole periods, so the copies continue the period.
        while block.len() < length {
            let missing = length - block.len();
            block.extend_from_within(..missing.min(block.len() - block.len() % period));
        }
        Self { bytes: block.into(), period, chunk: chunk.get() }
    }

    /// Returns the length in bytes of a random block for chunks of the size `chunk`.
    pub(crate) fn length(chunk: ChunkSize) -> usize {
        PERIOD + chunk.get()
    }

    /// Creates a block of zero bytes.
    pub(crate) fn zero(chunk: ChunkSize) -> Self {
        Self { bytes: vec![0; chunk.get()].into(), period: 1, chunk: chunk.get() }
    }

    /// Returns this block for chunks of another size, which must not exceed the chunk size of this block.
    pub(crate) fn in_chunks(&self, chunk: ChunkSize) -> Self {
        Self { chunk: chunk.get().min(self.chunk), ..self.clone() }
    }

    /// Returns whether a clone, a body or a chunk refers to the bytes of this block.
    pub(crate) fn is_shared(&self) -> bool {
        !self.bytes.is_unique()
    }

    /// Starts a body of `size` bytes.
    pub(crate) fn body(&self, size: u64) -> Generated {
        Generated { block: self.clone(), phase: 0, remaining: size }
    }

    /// Starts a body of `size` bytes without its first `offset` bytes.
    pub(crate) fn body_at(&self, offset: u64, size: u64) -> Generated {
        // The remainder is below the period, which is a usize.
        let phase = (offset % self.period as u64) as usize;
        Generated { block: self.clone(), phase, remaining: size.saturating_sub(offset) }
    }

    /// Returns the digest of a body of `size` bytes.
    pub(crate) fn digest(&self, size: u64) -> Digest {
        let mut hasher = Hasher::new();
        self.body(size).for_each(|chunk| hasher.update(&chunk));
        hasher.digest()
    }
}

/// Returns the largest prime up to `limit`; 2 for a limit below 2.
fn largest_prime(limit: usize) -> usize {
    let is_prime = |n: &usize| {
        (2..).take_while(|divisor| divisor * divisor <= *n).all(|divisor| !n.is_multiple_of(divisor))
    };
    (2..=limit).rev().find(is_prime).unwrap_or(2)
}

/// The iterator over the chunks of one generated body.
#[derive(Debug)]
pub(crate) struct Generated {
    block: Block,
    /// The offset of the next chunk in the block, below the period.
    phase: usize,
    remaining: u64,
}

impl Generated {
    /// Returns the number of bytes that have not been yielded.
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }
}

impl Iterator for Generated {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.remaining == 0 {
            return None;
        }
        let length = self.remaining.min(self.block.chunk as u64) as usize;
        let chunk = self.block.bytes.slice(self.phase..self.phase + length);
        self.phase = (self.phase + length) % self.block.period;
        self.remaining -= length as u64;
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(bytes: u64) -> ChunkSize {
        ChunkSize::try_from(bytes).unwrap()
    }

    fn digest<'a>(chunks: impl IntoIterator<Item = &'a Bytes>) -> Digest {
        let mut hasher = Hasher::new();
        chunks.into_iter().for_each(|chunk| hasher.update(chunk));
        hasher.digest()
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_chunk_size() {
        let expected = Block::random(1, chunk(65_536)).digest(1_000_003);
        for size in [1, 100, 4096, 65_527, 131_071, 1 << 20] {
            assert_eq!(Block::random(1, chunk(size)).digest(1_000_003), expected, "chunk {size}");
        }
        assert_ne!(Block::random(2, chunk(4096)).digest(1_000_003), expected, "another seed");
    }

    #[test]
    fn a_cold_block_repeats_only_after_a_prime_just_below_its_size() {
        assert_eq!([largest_prime(1 << 17), largest_prime(10), largest_prime(0)], [PERIOD, 7, 2]);
        let block = Block::cold(ByteSize(1 << 20), 1, chunk(4096));
        let body: Vec<u8> = block.body(3 << 20).flatten().collect();
        let period = 1_048_573;
        assert!(body[..period] == body[period..2 * period] && block.bytes.len() == period + 4096);
        assert!(body[..PERIOD] != body[PERIOD..2 * PERIOD]);
    }

    #[test]
    fn a_block_serves_smaller_chunks_and_knows_of_those_that_exist() {
        let block = Block::random(1, chunk(1 << 20));
        assert!(!block.is_shared());
        let smaller = block.in_chunks(chunk(1000));
        assert_eq!(smaller.digest(500_000), block.digest(500_000));
        let mut body = smaller.body(5000);
        let kept = body.next().unwrap();
        assert_eq!((kept.len(), body.count()), (1000, 4));
        drop(smaller);
        assert!(block.is_shared());
        drop(kept);
        assert!(!block.is_shared());
        assert_eq!(block.in_chunks(chunk(2 << 20)).chunk, 1 << 20);
    }

    #[test]
    fn a_body_can_begin_in_its_middle() {
        let block = Block::random(1, chunk(4096));
        let whole: Vec<u8> = block.body(400_000).flatten().collect();
        for offset in [0, 1, 4096, 131_070, 131_071, 200_000, 399_999, 400_000, 400_001] {
            let rest: Vec<u8> = block.body_at(offset, 400_000).flatten().collect();
            assert!(rest == whole[(offset as usize).min(whole.len())..], "{offset}");
        }
    }

    #[test]
    fn every_chunk_is_a_slice_of_the_one_block() {
        let block = Block::random(1, chunk(4096));
        let whole = block.bytes.as_ptr_range();
        for chunk in block.body(1 << 20) {
            assert!(whole.contains(&chunk.as_ptr()));
        }
    }

    #[test]
    fn a_body_that_ends_inside_a_chunk_ends_with_a_short_one() {
        let lengths: Vec<_> = Block::zero(chunk(10)).body(25).map(|c| c.len()).collect();
        assert_eq!(lengths, [10, 10, 5]);
        assert_eq!(Block::zero(chunk(10)).body(0).count(), 0);
    }

    proptest! {
        #[test]
        fn dropping_repeating_or_swapping_chunks_changes_the_digest(
            power in 6_u32..18, odd in 0_u64..2, seed: u64, at in 0_usize..11, other in 0_usize..11,
        ) {
            let size = (1_u64 << power) + odd;
            let whole: Vec<Bytes> = Block::random(seed, chunk(size)).body(12 * size).collect();
            let expected = digest(&whole);

            let mut dropped = whole.clone();
            dropped.remove(at);
            prop_assert_ne!(digest(&dropped), expected);

            let mut repeated = whole.clone();
            repeated.insert(at, whole[at].clone());
            prop_assert_ne!(digest(&repeated), expected);

            let mut swapped = whole.clone();
            swapped.swap(at, other);
            prop_assert_eq!(digest(&swapped) == expected, at == other);
        }
    }
}
