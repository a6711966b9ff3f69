//! A body read from a file, in pieces, a bounded distance ahead of the sender.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::{ChunkSize, Error};

/// How many bytes one read asks for when a chunk is smaller: a system call and a thread switch for every
/// tiny chunk would measure the disk reader instead of the protocol.
const READ: usize = 64 << 10;

/// How many bytes lie read and waiting, unless a single chunk is larger.
const READ_AHEAD: usize = 256 << 10;

/// One body that a blocking thread reads while the protocol sends.
#[derive(Debug)]
pub(crate) struct FileBody {
    pieces: mpsc::Receiver<Result<Bytes, Error>>,
    piece: Bytes,
    chunk: usize,
    remaining: u64,
}

impl FileBody {
    /// Opens `path` and starts to read its first `size` bytes. Must be called within a tokio runtime.
    pub(crate) fn open(path: &Path, size: u64, chunk: ChunkSize) -> Result<Self, Error> {
        Ok(Self::read(open(path)?, path, size, chunk))
    }

    /// Starts to read `size` bytes of `file` from where it stands; `path` is what errors call it.
    pub(crate) fn read(file: File, path: &Path, size: u64, chunk: ChunkSize) -> Self {
        let chunk = chunk.get();
        let read = chunk * (READ / chunk).max(1);
        let (sender, pieces) = mpsc::channel((READ_AHEAD / read).max(1));
        let reader = Reader { file, path: path.to_owned(), size, read };
        tokio::task::spawn_blocking(move || reader.run(&sender));
        Self { pieces, piece: Bytes::new(), chunk, remaining: size }
    }

    /// The bytes not yet yielded.
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The next chunk, once it has been read.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if self.piece.is_empty() {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(Ok(piece)) => self.piece = piece,
                end => {
                    self.remaining = 0;
                    return Poll::Ready(end);
                }
            }
        }
        let chunk = self.piece.split_to(self.chunk.min(self.piece.len()));
        self.remaining -= chunk.len() as u64;
        Poll::Ready(Some(Ok(chunk)))
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
    file: File,
    path: PathBuf,
    size: u64,
    read: usize,
}

impl Reader {
    fn run(mut self, pieces: &mpsc::Sender<Result<Bytes, Error>>) {
        let mut at = 0;
        while at < self.size {
            let piece = self.piece(at);
            at += piece.as_ref().map_or(self.size, |piece| piece.len() as u64);
            if pieces.blocking_send(piece).is_err() {
                return;
            }
        }
    }

    /// The piece at byte `at`, whole.
    fn piece(&mut self, at: u64) -> Result<Bytes, Error> {
        let length = (self.size - at).min(self.read as u64) as usize;
        let mut piece = BytesMut::zeroed(length);
        match self.file.read_exact(&mut piece) {
            Ok(()) => Ok(piece.freeze()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(Error::Shrank { path: self.path.clone(), expected: self.size })
            }
            Err(source) => Err(Error::Unreadable { path: self.path.clone(), source }),
        }
    }
}
