//! Systems without Linux's `/proc`: memory figures are not taken.

use std::io;

use super::Memory;

/// Reads nothing here.
#[derive(Debug)]
pub struct MemoryReader;

impl MemoryReader {
    /// # Errors
    /// None; as on Linux.
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Always `None`.
    pub fn read(&self) -> Option<Memory> {
        None
    }
}

/// Always `None`.
pub fn peak_rss_bytes() -> Option<u64> {
    None
}
