//! Live memory according to the program's own allocator.

use std::sync::OnceLock;

/// The memory that a process has allocated and not freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// Bytes, as they were asked for.
    pub bytes: u64,
    /// Allocations.
    pub allocations: u64,
    /// Bytes that C code has in use in a heap of its own; `None` if that is not known.
    pub c_bytes: Option<u64>,
}

/// A function that reads the counters of the program's allocator.
pub type HeapReader = fn() -> Option<Heap>;

static READER: OnceLock<HeapReader> = OnceLock::new();

/// Sets the function that [`heap`] calls. Only a program knows its allocator, so it calls this once, before it measures.
/// Later calls have no effect.
pub fn read_heap_by(reader: HeapReader) {
    let _ = READER.set(reader);
}

/// The live memory now. `None` if the program does not count it.
pub fn heap() -> Option<Heap> {
    READER.get().and_then(|read| read())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_is_known_once_a_program_has_said_how_to_read_it() {
        assert_eq!(heap(), None);
        let some = Heap { bytes: 3, allocations: 1, c_bytes: None };
        read_heap_by(|| Some(Heap { bytes: 3, allocations: 1, c_bytes: None }));
        read_heap_by(|| None);
        assert_eq!(heap(), Some(some));
    }
}
