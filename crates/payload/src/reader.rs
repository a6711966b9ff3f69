//! The reader of an input, piece by piece.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use record::ChunkSize;

use crate::{PayloadError, buffer::Buffer, input::Input};

/// The number of bytes that one read requests, unless a chunk is larger. The size is large enough that tiny chunks do
/// not cost a system call each, which would measure the reader instead of the protocol. The size is small enough that
/// the bytes stay in the second-level cache until they are sent.
pub(crate) const READ: usize = 128 << 10;

/// The largest number of pieces that a body holds: one that is being sent, and one that is being read.
pub(crate) const PIECES: usize = 2;

/// Returns the length of a piece in bytes: as many whole chunks as fit into one read, and at least one.
pub(crate) fn piece_size(chunk: ChunkSize) -> usize {
    chunk.get() * (READ / chunk.get()).max(1)
}

/// The result of reading one piece; `None` at the end of the input.
pub(crate) type Piece = Result<Option<Bytes>, PayloadError>;

/// The reader of one input, which yields one piece after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    input: Input,
    /// The path of the input, for messages.
    path: PathBuf,
    /// The number of bytes to read in total; `None` reads to the end of the input.
    size: Option<u64>,
    /// The number of bytes in all complete pieces so far.
    consumed: u64,
    piece_size: usize,
    /// The piece that is being read; `None` between two pieces.
    buffer: Option<Buffer>,
}

impl Reader {
    pub(crate) fn new(input: Input, path: &Path, size: Option<u64>, piece_size: usize) -> Self {
        Self { input, path: path.to_owned(), size, consumed: 0, piece_size, buffer: None }
    }

    /// Returns whether the page cache may already hold the next bytes. The kernel reads files ahead, but not pipes.
    pub(crate) fn is_read_ahead(&self) -> bool {
        matches!(self.input, Input::File(_))
    }

    /// Returns the next piece if the page cache holds all of it. Otherwise returns `None`, and keeps the bytes read so
    /// far.
    pub(crate) fn cached_piece(&mut self) -> Option<Piece> {
        let mut buffer = self.take_buffer();
        while let room @ [_, ..] = buffer.room() {
            let read = match &self.input {
                Input::File(file) => read_cached(file, room),
                _ => Ok(None),
            };
            match read {
                Ok(Some(0)) => break,
                Ok(Some(read)) => buffer.advance(read),
                Ok(None) => {
                    self.buffer = Some(buffer);
                    return None;
                }
                Err(source) => return Some(Err(self.unreadable(source))),
            }
        }
        Some(self.complete_piece(buffer))
    }

    /// Returns the next piece. Blocks the thread until the input has delivered it.
    pub(crate) fn blocking_piece(&mut self) -> Piece {
        let mut buffer = self.take_buffer();
        while let room @ [_, ..] = buffer.room() {
            match self.input.read(room) {
                Ok(0) => break,
                Ok(read) => buffer.advance(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.unreadable(source)),
            }
        }
        self.complete_piece(buffer)
    }

    /// Provides a buffer for the next piece, unless one is partly filled. The memory is that of the calling thread.
    pub(crate) fn prepare_buffer(&mut self) {
        let buffer = self.take_buffer();
        self.buffer = Some(buffer);
    }

    /// Returns the partly filled buffer, or one for the next piece.
    fn take_buffer(&mut self) -> Buffer {
        let left = self.size.map_or(u64::MAX, |size| size - self.consumed);
        let wanted = left.min(self.piece_size as u64) as usize;
        self.buffer.take().unwrap_or_else(|| Buffer::of(wanted))
    }

    /// Turns the bytes read into a piece. It is an error if the input ends before its expected size.
    fn complete_piece(&mut self, mut buffer: Buffer) -> Piece {
        if let Some(expected) = self.size.filter(|_| !buffer.room().is_empty()) {
            return Err(PayloadError::Shrank { path: self.path.clone(), expected });
        }
        let filled = buffer.filled();
        self.consumed += filled as u64;
        Ok((filled > 0).then(|| buffer.freeze()))
    }

    fn unreadable(&self, source: io::Error) -> PayloadError {
        PayloadError::Unreadable { path: self.path.clone(), source }
    }
}

/// Reads the bytes that the page cache holds at the position of `file`. `None` if the read would block, or if the file
/// system does not support the check (RWF_NOWAIT in preadv2(2)).
#[cfg(target_os = "linux")]
fn read_cached(file: &File, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    /// The offset -1, which reads from the file's position.
    const POSITION: u64 = u64::MAX;
    match preadv2(file, &mut [io::IoSliceMut::new(buffer)], POSITION, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(Some(read)),
        Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns `None` always: only Linux reports whether a read would block.
#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8]) -> io::Result<Option<usize>> {
    Ok(None)
}
