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

/// The functions that read the counters of the program's allocator. They return `None` if it does not count.
#[derive(Clone, Copy, Debug)]
pub struct HeapReader {
    /// Reads the live bytes of Rust code, in a few nanoseconds.
    pub bytes: fn() -> Option<u64>,
    /// Reads everything. glibc takes some microseconds to sum up what C code has in use.
    pub heap: fn() -> Option<Heap>,
}

static READER: OnceLock<HeapReader> = OnceLock::new();

/// Sets the functions behind [`heap`] and [`heap_bytes`]. Only a program knows its allocator, so it calls this once, before it
/// measures. Later calls have no effect.
pub fn read_heap_by(reader: HeapReader) {
    let _ = READER.set(reader);
}

/// The live bytes of Rust code now, without those of C code: cheap enough for every few chunks. `None` if the program does
/// not count them.
#[inline]
pub fn heap_bytes() -> Option<u64> {
    READER.get().and_then(|reader| (reader.bytes)())
}

/// The live memory now. `None` if the program does not count it.
pub fn heap() -> Option<Heap> {
    READER.get().and_then(|reader| (reader.heap)())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_is_known_once_a_program_has_said_how_to_read_it() {
        assert_eq!((heap(), heap_bytes()), (None, None));
        let some = Heap { bytes: 3, allocations: 1, c_bytes: None };
        let heap_of_three = || Some(Heap { bytes: 3, allocations: 1, c_bytes: None });
        read_heap_by(HeapReader { bytes: || Some(3), heap: heap_of_three });
        read_heap_by(HeapReader { bytes: || None, heap: || None });
        assert_eq!((heap(), heap_bytes()), (Some(some), Some(3)));
    }
}
