//! A body read from a file or from standard input, piece by piece.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use crate::{ChunkSize, Error};

/// How many bytes one read asks for, unless a chunk is larger: enough that a system call for every tiny
/// chunk does not measure the reader instead of the protocol, and little enough to stay in the
/// second-level cache until it is sent.
const READ: usize = 128 << 10;

/// One body that is read while the protocol sends. What the page cache has is read at once; what the disk or
/// a pipe has yet to give is waited for on a blocking thread, which is held for no longer than that.
#[derive(Debug)]
pub(crate) struct FileBody {
    state: State,
    piece: Bytes,
    chunk: usize,
    /// What has not been yielded; unknown of standard input until it has ended.
    remaining: Option<u64>,
}

#[derive(Debug)]
enum State {
    Idle(Reader),
    Waiting(JoinHandle<(Reader, Result<Option<Bytes>, Error>)>),
    Ended,
}

impl FileBody {
    /// Opens `path`, to read its first `size` bytes. Must be called within a tokio runtime.
    pub(crate) fn open(path: &Path, size: u64, chunk: ChunkSize) -> Result<Self, Error> {
        Ok(Self::read(open(path)?, path, size, chunk))
    }

    /// Reads `size` bytes of `file` from where it stands; `path` is what errors call it.
    pub(crate) fn read(file: File, path: &Path, size: u64, chunk: ChunkSize) -> Self {
        Self::new(Input::File(file), path, Some(size), chunk)
    }

    /// Reads standard input to its end.
    pub(crate) fn stdin(chunk: ChunkSize) -> Self {
        Self::new(Input::Stdin(io::stdin()), Path::new("standard input"), None, chunk)
    }

    fn new(input: Input, path: &Path, size: Option<u64>, chunk: ChunkSize) -> Self {
        let (chunk, most) = (chunk.get(), piece(chunk));
        let reader = Reader {
            input,
            path: path.to_owned(),
            size,
            at: 0,
            most,
            buffer: BytesMut::new(),
            filled: 0,
            last: Bytes::new(),
        };
        Self { state: State::Idle(reader), piece: Bytes::new(), chunk, remaining: size }
    }

    /// Whether every byte has been yielded.
    pub(crate) fn is_finished(&self) -> bool {
        self.remaining == Some(0)
    }

    /// The next chunk, once it has been read.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.is_finished() {
            return Poll::Ready(None);
        }
        if self.piece.is_empty() {
            match ready!(self.poll_piece(cx)).transpose() {
                Some(Ok(piece)) => self.piece = piece,
                end => {
                    (self.remaining, self.state) = (Some(0), State::Ended);
                    return Poll::Ready(end);
                }
            }
        }
        let chunk = self.piece.split_to(self.chunk.min(self.piece.len()));
        self.remaining = self.remaining.map(|remaining| remaining - chunk.len() as u64);
        Poll::Ready(Some(Ok(chunk)))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(Ok(None)),
                State::Idle(mut reader) => {
                    if let Some(piece) = reader.cached() {
                        self.state = State::Idle(reader);
                        return Poll::Ready(piece);
                    }
                    reader.wait()
                }
                State::Waiting(mut waiting) => match Pin::new(&mut waiting).poll(cx) {
                    Poll::Pending => {
                        self.state = State::Waiting(waiting);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((reader, piece))) => {
                        // Past its end, a terminal would be waited for once more.
                        self.state = if let Ok(Some(_)) = piece { reader.go_on() } else { State::Ended };
                        return Poll::Ready(piece);
                    }
                    // The runtime is shutting down, and the transfer with it.
                    Poll::Ready(Err(_)) => State::Ended,
                },
            }
        }
    }
}

/// The length of a piece, in bytes: as many chunks as a read takes.
pub(crate) fn piece(chunk: ChunkSize) -> usize {
    chunk.get() * (READ / chunk.get()).max(1)
}

/// Opens a payload file, refusing what is not a regular file.
pub(crate) fn open(path: &Path) -> Result<File, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    Ok(file)
}

#[derive(Debug)]
enum Input {
    File(File),
    Stdin(io::Stdin),
}

/// Reads piece after piece.
#[derive(Debug)]
struct Reader {
    input: Input,
    path: PathBuf,
    size: Option<u64>,
    /// Bytes of the pieces that are read.
    at: u64,
    /// The length of a piece, a multiple of the chunk.
    most: usize,
    /// The piece that is being read, and how much of it is there.
    buffer: BytesMut,
    filled: usize,
    /// The piece before, whose memory is taken again once the protocol has let go of it.
    last: Bytes,
}

impl Reader {
    /// The next piece, if all of it can be had without waiting; otherwise what can be had is kept.
    fn cached(&mut self) -> Option<Result<Option<Bytes>, Error>> {
        self.begin();
        let Input::File(file) = &self.input else { return None };
        while self.filled < self.buffer.len() {
            match read_cached(file, &mut self.buffer[self.filled..]) {
                Ok(None) => return None,
                Ok(Some(0)) => break,
                Ok(Some(read)) => self.filled += read,
                Err(source) => return Some(Err(self.unreadable(source))),
            }
        }
        Some(self.take())
    }

    /// Waits for the next piece on a blocking thread.
    fn wait(mut self) -> State {
        State::Waiting(tokio::task::spawn_blocking(move || {
            let piece = self.blocking();
            (self, piece)
        }))
    }

    /// A file goes on from the page cache, into which the kernel reads ahead; nobody does that for a pipe.
    fn go_on(self) -> State {
        match self.input {
            Input::File(_) => State::Idle(self),
            Input::Stdin(_) => self.wait(),
        }
    }

    fn blocking(&mut self) -> Result<Option<Bytes>, Error> {
        self.begin();
        while self.filled < self.buffer.len() {
            let rest = &mut self.buffer[self.filled..];
            let read = match &mut self.input {
                Input::File(file) => file.read(rest),
                Input::Stdin(stdin) => stdin.read(rest),
            };
            match read {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.unreadable(source)),
            }
        }
        self.take()
    }

    /// Makes room for a piece, unless one is half read.
    fn begin(&mut self) {
        if !self.buffer.is_empty() {
            return;
        }
        let left = self.size.map_or(u64::MAX, |size| size - self.at);
        let wanted = left.min(self.most as u64) as usize;
        self.buffer = match std::mem::take(&mut self.last).try_into_mut() {
            Ok(buffer) if buffer.len() >= wanted => buffer,
            _ => BytesMut::zeroed(wanted),
        };
        self.buffer.truncate(wanted);
    }

    /// What was read; `None` at the end.
    fn take(&mut self) -> Result<Option<Bytes>, Error> {
        let (mut piece, filled) = (std::mem::take(&mut self.buffer), std::mem::take(&mut self.filled));
        if let Some(expected) = self.size.filter(|_| filled < piece.len()) {
            return Err(Error::Shrank { path: self.path.clone(), expected });
        }
        piece.truncate(filled);
        self.at += filled as u64;
        self.last = piece.freeze();
        Ok((filled > 0).then(|| self.last.clone()))
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::Unreadable { path: self.path.clone(), source }
    }
}

/// Reads what the page cache has of `file` where it stands; `None` if it would have to be waited for, or the
/// file system cannot tell.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    const HERE: u64 = u64::MAX;
    match preadv2(file, &mut [io::IoSliceMut::new(buffer)], HERE, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(Some(read)),
        Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Nothing tells here what the page cache has.
#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8]) -> io::Result<Option<usize>> {
    Ok(None)
}
