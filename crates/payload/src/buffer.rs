//! The buffers of pieces. Their memory is used again once the protocol has released it.

use std::{cell::RefCell, collections::VecDeque, mem};

use bytes::Bytes;

/// The most bytes of released memory that a thread keeps. A connection of HTTP/1.1 holds 256 KiB (the default of
/// `--h1-buffer`) and releases all of it after each write.
const KEPT: usize = 512 << 10;

/// The least memory that is kept, in bytes, so that a search meets 32 buffers at most. Small files have pieces of many
/// sizes, which rarely fit the next one.
const LEAST: usize = 16 << 10;

thread_local! {
    static RELEASED: RefCell<Released> = const { RefCell::new(Released { memory: VecDeque::new(), bytes: 0 }) };
}

/// The released memory of a thread, the latest at the back.
struct Released {
    memory: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl Released {
    /// Returns the latest memory of exactly `size` bytes. Larger memory would stay in use for a small piece.
    fn take(&mut self, size: usize) -> Option<Box<[u8]>> {
        let position = self.memory.iter().rposition(|memory| memory.len() == size)?;
        self.bytes -= size;
        self.memory.remove(position)
    }

    /// Adds memory of at least [`LEAST`], and frees the oldest beyond [`KEPT`].
    fn add(&mut self, memory: Box<[u8]>) {
        if memory.len() < LEAST {
            return;
        }
        self.bytes += memory.len();
        self.memory.push_back(memory);
        while self.bytes > KEPT
            && let Some(oldest) = self.memory.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }
}

/// A buffer that is being filled with a piece.
#[derive(Debug)]
pub(crate) struct Buffer {
    memory: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    /// Returns an empty buffer for `size` bytes. Reused memory is not cleared, which takes a thirtieth of the time of a
    /// server that gives files.
    pub(crate) fn of(size: usize) -> Self {
        let released = RELEASED.try_with(|released| released.borrow_mut().take(size)).ok().flatten();
        Self { memory: released.unwrap_or_else(|| vec![0; size].into()), filled: 0 }
    }

    /// Returns the bytes that have been read.
    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    /// Returns the room for further bytes; empty if the buffer is full.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.filled..).unwrap_or_default()
    }

    /// Notes that `bytes` further bytes have been read into the room.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.filled = (self.filled + bytes).min(self.memory.len());
    }

    /// Returns the bytes that have been read, and shares the memory until the last of them is dropped.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = mem::take(&mut self.memory);
        // A thread that ends frees the memory.
        let _ = RELEASED.try_with(|released| released.borrow_mut().add(memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a full piece of `size` bytes of `byte`.
    fn piece(size: usize, byte: u8) -> Bytes {
        let mut buffer = Buffer::of(size);
        buffer.room().fill(byte);
        buffer.advance(size);
        buffer.freeze()
    }

    fn kept() -> usize {
        RELEASED.with_borrow(|released| {
            assert_eq!(released.bytes, released.memory.iter().map(|memory| memory.len()).sum::<usize>());
            released.bytes
        })
    }

    #[test]
    fn memory_is_used_again_once_the_last_slice_is_dropped() {
        let first = piece(LEAST, 1);
        let (slice, address) = (first.slice(10..20), first.as_ptr());
        drop(first);
        assert_ne!(piece(LEAST, 2).as_ptr(), address, "a slice holds the memory");
        assert_eq!(slice, [1; 10].as_slice());
        drop(slice);
        assert_eq!(piece(LEAST, 3).as_ptr(), address);
        assert_eq!(kept(), 2 * LEAST);
    }

    #[test]
    fn a_buffer_has_the_bytes_that_were_read_and_memory_of_its_own_size() {
        drop(piece(LEAST, 7));
        let mut buffer = Buffer::of(10);
        buffer.room()[..3].copy_from_slice(b"abc");
        buffer.advance(3);
        assert_eq!((buffer.filled(), buffer.room().len()), (3, 7));
        assert_eq!(buffer.freeze(), "abc");
        assert_eq!(kept(), LEAST, "small memory is not kept");
    }

    #[test]
    fn a_thread_keeps_the_latest_memory_up_to_its_bound() {
        let pieces: Vec<Bytes> = (0..20).map(|byte| piece(64 << 10, byte)).collect();
        drop(pieces);
        assert_eq!(kept(), KEPT);
        drop(piece(2 * KEPT, 0));
        assert_eq!(kept(), 0, "too large to be kept, and the oldest goes first");
    }
}
