//! The size of a chunk, parsed once into a type that cannot be zero or too large.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// The bytes of body handed to a protocol at once: from 1 B to 64 MiB.
///
/// Both ends may hold a whole chunk, so the upper bound keeps a chunk far below the memory of any machine worth
/// measuring. No known HTTP implementation sends larger pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "u64"))]
#[serde(try_from = "u64", into = "u64")]
pub struct ChunkSize(u32);

impl ChunkSize {
    /// The largest chunk, in bytes.
    pub const MAX: u64 = 64 << 20;

    /// The default chunk size, 64 KiB: HTTP/2 carries such a chunk in one frame, and larger chunks gain little.
    pub const DEFAULT: Self = Self(64 << 10);

    /// The chunk size of ceilings, 256 KiB: the size of one gathered write of a ceiling. The goodput of a ceiling does
    /// not depend on the chunk size of the other protocols, so one ceiling serves the rows of all chunk sizes.
    pub const CEILING: Self = Self(256 << 10);

    /// Returns the size in bytes.
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

impl From<ChunkSize> for ByteSize {
    fn from(chunk: ChunkSize) -> ByteSize {
        ByteSize(chunk.into())
    }
}

impl fmt::Display for ChunkSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ByteSize::from(*self).fmt(f)
    }
}

/// An error for a number of bytes outside the range of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chunk of {0} bytes is not possible: it must be from 1 B to 64 MiB")]
pub struct ChunkSizeError(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_to_64_mib_is_accepted_and_nothing_else() {
        assert_eq!(ChunkSize::try_from(1).map(ChunkSize::get), Ok(1));
        assert_eq!(ChunkSize::try_from(64 << 20).map(ChunkSize::get), Ok(64 << 20));
        for bytes in [0, (64 << 20) + 1, 1 << 32, u64::MAX] {
            assert_eq!(ChunkSize::try_from(bytes), Err(ChunkSizeError(bytes)));
        }
    }
}
