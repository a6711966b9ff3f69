//! The size of a chunk, parsed once into a type that cannot be zero or too large.

use serde::{Deserialize, Serialize};

/// The bytes of body handed to a protocol at once: from 1 B to 64 MiB.
///
/// The upper bound keeps one chunk, which both ends may hold whole, far below the memory of any machine
/// that could be measured; no HTTP implementation we know sends larger pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct ChunkSize(u32);

impl ChunkSize {
    /// The largest chunk, in bytes.
    pub const MAX: u64 = 64 << 20;

    /// The size in bytes.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl TryFrom<u64> for ChunkSize {
    type Error = ChunkSizeError;

    fn try_from(bytes: u64) -> Result<Self, ChunkSizeError> {
        match u32::try_from(bytes) {
            Ok(size) if size > 0 && bytes <= Self::MAX => Ok(Self(size)),
            _ => Err(ChunkSizeError(bytes)),
        }
    }
}

impl From<ChunkSize> for u64 {
    fn from(chunk: ChunkSize) -> u64 {
        u64::from(chunk.0)
    }
}

/// A number of bytes that is no chunk size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chunk of {0} bytes is not possible: it must be from 1 B to 64 MiB")]
pub struct ChunkSizeError(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_one_byte_to_64_mib_and_nothing_else() {
        assert_eq!(ChunkSize::try_from(1).map(ChunkSize::get), Ok(1));
        assert_eq!(ChunkSize::try_from(64 << 20).map(ChunkSize::get), Ok(64 << 20));
        for bytes in [0, (64 << 20) + 1, 1 << 32, u64::MAX] {
            assert_eq!(ChunkSize::try_from(bytes), Err(ChunkSizeError(bytes)));
        }
    }
}
