//! The digest that verifies a body: XXH3-128, computed as a stream.

use std::fmt;

use twox_hash::xxhash3_128;

/// The name of the digest's algorithm in receipts and records.
pub const ALGORITHM: &str = "xxh3-128";

/// A streaming computation of a [`Digest`]. The same bytes give the same digest, however they are cut into pieces.
#[derive(Clone)]
pub struct Hasher(xxhash3_128::Hasher);

impl Hasher {
    /// Creates the hasher of an empty body.
    pub fn new() -> Self {
        Self(xxhash3_128::Hasher::new())
    }

    /// Appends `bytes` to the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// Returns the digest of the bytes so far.
    pub fn digest(&self) -> Digest {
        Digest(self.0.finish_128())
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hasher").field(&self.digest()).finish()
    }
}

/// A digest of 128 bits (XXH3). In text form, a digest is 32 lower-case hexadecimal digits, the most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_body_has_the_published_digest() {
        // xxHash's `xxhsum -H2` prints this digest for an empty file.
        assert_eq!(Hasher::new().digest().to_string(), "99aa06d3014798d86001c324468d497f");
    }

    #[test]
    fn the_digest_does_not_depend_on_the_pieces() {
        let body: Vec<u8> = (0..5000_u32).map(|i| (i * 31) as u8).collect();
        let mut whole = Hasher::new();
        whole.update(&body);
        for size in [1, 7, 239, 240, 241, 1024] {
            let mut pieces = Hasher::new();
            body.chunks(size).for_each(|piece| pieces.update(piece));
            assert_eq!(pieces.digest(), whole.digest(), "pieces of {size}");
        }
    }
}
