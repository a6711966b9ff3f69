//! A body that is read while the protocol sends it: from a file, a device, a pipe or standard input.

use std::{
    fs::File,
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use record::ChunkSize;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    PayloadError,
    input::Input,
    reader::{Piece, Reader, piece_size},
};

/// One body that is read piece by piece and handed out chunk by chunk.
///
/// Bytes in the page cache are read in the polling task. A blocking thread waits for a disk or a pipe, and is occupied
/// for one piece only.
#[derive(Debug)]
pub(crate) struct FileBody {
    state: State,
    /// The part of the current piece that has not been handed out.
    rest: Bytes,
    chunk: usize,
    /// The number of bytes that have not been handed out; `None` for an input whose size is unknown until its end.
    remaining: Option<u64>,
}

#[derive(Debug)]
enum State {
    Idle(Reader),
    Waiting(JoinHandle<(Reader, Piece)>),
    Ended,
}

impl FileBody {
    /// Creates a body of the first `size` bytes of `path`, or of all bytes if `size` is `None`.
    pub(crate) fn open(path: &Path, size: Option<u64>, chunk: ChunkSize) -> Result<Self, PayloadError> {
        Ok(Self::new(Input::open(path)?, path, size, chunk, piece_size(chunk)))
    }

    /// Creates a body of the bytes of `path` from `offset` to `size`, or to the end if `size` is `None`.
    pub(crate) fn open_at(
        path: &Path,
        offset: u64,
        size: Option<u64>,
        chunk: ChunkSize,
    ) -> Result<Self, PayloadError> {
        let mut input = Input::open(path)?;
        input.seek(path, offset)?;
        let size = size.map(|size| size.saturating_sub(offset));
        Ok(Self::new(input, path, size, chunk, piece_size(chunk)))
    }

    /// Creates a body of `size` bytes of `file` from its current position, read one chunk at a time. Errors name
    /// `path`.
    pub(crate) fn read(file: File, path: &Path, size: u64, chunk: ChunkSize) -> Self {
        Self::new(Input::File(file), path, Some(size), chunk, chunk.get())
    }

    /// Creates a body of `size` bytes of standard input, or of all bytes if `size` is `None`.
    pub(crate) fn stdin(size: Option<u64>, chunk: ChunkSize) -> Self {
        let piece = piece_size(chunk);
        Self::new(Input::Stdin(io::stdin()), Path::new("standard input"), size, chunk, piece)
    }

    fn new(input: Input, path: &Path, size: Option<u64>, chunk: ChunkSize, piece: usize) -> Self {
        let state = State::Idle(Reader::new(input, path, size, piece));
        Self { state, rest: Bytes::new(), chunk: chunk.get(), remaining: size }
    }

    /// Returns whether every byte has been handed out.
    pub(crate) fn is_finished(&self) -> bool {
        self.remaining == Some(0)
    }

    /// Returns the next chunk when it has been read. Must be polled inside a tokio runtime.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if self.is_finished() {
            return Poll::Ready(None);
        }
        if self.rest.is_empty() {
            match ready!(self.poll_piece(cx)).transpose() {
                Some(Ok(piece)) => self.rest = piece,
                end => {
                    (self.remaining, self.state) = (Some(0), State::Ended);
                    return Poll::Ready(end);
                }
            }
        }
        let chunk = self.rest.split_to(self.chunk.min(self.rest.len()));
        self.remaining = self.remaining.map(|remaining| remaining - chunk.len() as u64);
        Poll::Ready(Some(Ok(chunk)))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(Ok(None)),
                State::Idle(mut reader) => {
                    if let Some(piece) = reader.cached_piece() {
                        self.state = State::Idle(reader);
                        return Poll::Ready(piece);
                    }
                    in_background(reader)
                }
                State::Waiting(mut waiting) => match Pin::new(&mut waiting).poll(cx) {
                    Poll::Pending => {
                        self.state = State::Waiting(waiting);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((reader, piece))) => {
                        self.state = after(reader, &piece);
                        return Poll::Ready(piece);
                    }
                    // The runtime is shutting down, so the transfer ends, too.
                    Poll::Ready(Err(_)) => State::Ended,
                },
            }
        }
    }
}

/// Reads the next piece on a blocking thread.
fn in_background(mut reader: Reader) -> State {
    reader.prepare_buffer();
    State::Waiting(spawn_blocking(move || {
        let piece = reader.blocking_piece();
        (reader, piece)
    }))
}

/// Returns the state after a piece from a blocking thread. After the last piece the body ends at once, because another
/// read of a terminal would wait for more input.
fn after(reader: Reader, piece: &Piece) -> State {
    match piece {
        Ok(Some(_)) if reader.is_read_ahead() => State::Idle(reader),
        Ok(Some(_)) => in_background(reader),
        _ => State::Ended,
    }
}
