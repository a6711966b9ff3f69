//! The live memory of the process according to the program's own allocator.

use std::sync::OnceLock;

/// The memory that a process has allocated and not freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// The number of bytes, as requested from the allocator.
    pub bytes: u64,
    /// The number of live allocations.
    pub allocations: u64,
    /// The number of bytes that C code has in use in a separate heap; `None` if it is unknown.
    pub c_bytes: Option<u64>,
}

/// The functions that read the counters of the program's allocator. They return `None` if the allocator does not count.
#[derive(Clone, Copy, Debug)]
pub struct HeapReader {
    /// Reads the live bytes of Rust code. Takes a few nanoseconds.
    pub bytes: fn() -> Option<u64>,
    /// Reads all counters. glibc takes some microseconds to add up the memory of C code.
    pub heap: fn() -> Option<Heap>,
    /// Prepares the calling thread for many allocations in parallel with other threads: gives it its own counters and
    /// its own memory to allocate from.
    pub join: fn(),
}

static READER: OnceLock<HeapReader> = OnceLock::new();

/// Sets the functions behind [`heap`] and [`heap_bytes`]. Only the program knows its allocator, so the program calls
/// this function once, before it measures. Later calls have no effect.
pub fn read_heap_by(reader: HeapReader) {
    let _ = READER.set(reader);
}

/// Returns the live bytes of Rust code now, without those of C code. The call is cheap enough to be made every few
/// chunks. `None` if the program does not count its memory.
#[inline]
pub fn heap_bytes() -> Option<u64> {
    READER.get().and_then(|reader| (reader.bytes)())
}

/// Returns the live memory now. `None` if the program does not count its memory.
pub fn heap() -> Option<Heap> {
    READER.get().and_then(|reader| (reader.heap)())
}

/// Prepares the calling thread for many allocations in parallel with other threads, so that they do not wait for each
/// other. Does nothing if the program does not count its memory.
pub fn join_heap() {
    if let Some(reader) = READER.get() {
        (reader.join)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_is_known_once_a_program_has_set_a_reader() {
        assert_eq!((heap(), heap_bytes()), (None, None));
        let some = Heap { bytes: 3, allocations: 1, c_bytes: None };
        let heap_of_three = || Some(Heap { bytes: 3, allocations: 1, c_bytes: None });
        read_heap_by(HeapReader { bytes: || Some(3), heap: heap_of_three, join: || () });
        read_heap_by(HeapReader { bytes: || None, heap: || None, join: || () });
        assert_eq!((heap(), heap_bytes()), (Some(some), Some(3)));
    }
}
