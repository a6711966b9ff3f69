//! A body read from a file or from standard input, in pieces, a bounded distance ahead of the sender.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::{ChunkSize, Error};

/// How many bytes one read asks for, unless a chunk is larger: a system call and a thread switch for every
/// tiny chunk would measure the disk reader instead of the protocol. One such piece is read ahead.
const READ: usize = 256 << 10;

/// One body that is read on blocking threads while the protocol sends, a piece ahead. Between pieces it
/// holds no thread, so that however many readers are slow, others can read.
#[derive(Debug)]
pub(crate) struct FileBody {
    ahead: Ahead,
    piece: Bytes,
    chunk: usize,
    /// What has not been yielded; unknown of standard input until it has ended.
    remaining: Option<u64>,
}

/// The piece after the one that is being yielded.
#[derive(Debug)]
enum Ahead {
    Reading(JoinHandle<(Reader, Option<Result<Bytes, Error>>)>),
    Ended,
}

impl FileBody {
    /// Opens `path` and starts to read its first `size` bytes. Must be called within a tokio runtime.
    pub(crate) fn open(path: &Path, size: u64, chunk: ChunkSize) -> Result<Self, Error> {
        Ok(Self::read(open(path)?, path, size, chunk))
    }

    /// Starts to read `size` bytes of `file` from where it stands; `path` is what errors call it.
    pub(crate) fn read(file: File, path: &Path, size: u64, chunk: ChunkSize) -> Self {
        Self::start(Box::new(file), path, Some(size), chunk)
    }

    /// Starts to read standard input to its end.
    pub(crate) fn stdin(chunk: ChunkSize) -> Self {
        Self::start(Box::new(io::stdin()), Path::new("standard input"), None, chunk)
    }

    fn start(input: Box<dyn Read + Send>, path: &Path, size: Option<u64>, chunk: ChunkSize) -> Self {
        let chunk = chunk.get();
        let read = chunk * (READ / chunk).max(1);
        let reader = Reader { input, path: path.to_owned(), size, at: 0, read };
        Self { ahead: reader.start(), piece: Bytes::new(), chunk, remaining: size }
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
            match ready!(self.poll_piece(cx)) {
                Some(Ok(piece)) => self.piece = piece,
                end => {
                    self.remaining = Some(0);
                    return Poll::Ready(end);
                }
            }
        }
        let chunk = self.piece.split_to(self.chunk.min(self.piece.len()));
        self.remaining = self.remaining.map(|remaining| remaining - chunk.len() as u64);
        Poll::Ready(Some(Ok(chunk)))
    }

    /// The piece that was read ahead; the one after it starts to be read.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let Ahead::Reading(reading) = &mut self.ahead else { return Poll::Ready(None) };
        let (ahead, piece) = match ready!(Pin::new(reading).poll(cx)) {
            Ok((reader, Some(Ok(piece)))) => (reader.start(), Some(Ok(piece))),
            Ok((_, end)) => (Ahead::Ended, end),
            // The runtime is shutting down, and the transfer with it.
            Err(_) => (Ahead::Ended, None),
        };
        self.ahead = ahead;
        Poll::Ready(piece)
    }
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

/// The blocking half.
struct Reader {
    input: Box<dyn Read + Send>,
    path: PathBuf,
    size: Option<u64>,
    at: u64,
    read: usize,
}

impl Reader {
    /// Starts to read the next piece.
    fn start(mut self) -> Ahead {
        Ahead::Reading(tokio::task::spawn_blocking(move || {
            let piece = self.piece().transpose();
            (self, piece)
        }))
    }

    /// The next piece; `None` at the end.
    fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        let left = self.size.map_or(u64::MAX, |size| size - self.at);
        let wanted = left.min(self.read as u64) as usize;
        let mut piece = Vec::with_capacity(wanted);
        let read = self.input.by_ref().take(wanted as u64).read_to_end(&mut piece);
        let filled = read.map_err(|source| Error::Unreadable { path: self.path.clone(), source })?;
        if let Some(expected) = self.size.filter(|_| filled < wanted) {
            return Err(Error::Shrank { path: self.path.clone(), expected });
        }
        self.at += filled as u64;
        Ok((filled > 0).then(|| piece.into()))
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).field("at", &self.at).finish_non_exhaustive()
    }
}
