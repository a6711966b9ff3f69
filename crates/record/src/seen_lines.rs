//! The lines of files of records that were read before.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
};

/// The lines that were read, by their hashes of 64 bits. Of 100,000 different lines, two have the same hash with a
/// probability of 3 × 10⁻¹⁰.
#[derive(Debug, Default)]
pub struct SeenLines(HashSet<u64>);

impl SeenLines {
    /// Adds a line. Returns whether it is new.
    pub(crate) fn add(&mut self, line: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        self.0.insert(hasher.finish())
    }
}
