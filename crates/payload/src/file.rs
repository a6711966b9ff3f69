//! A body read from a file or from standard input, in pieces, a bounded distance ahead of the sender.

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
    /// What has not been yielded; unknown of standard input until it has ended.
    remaining: Option<u64>,
}

impl FileBody {
    /// Opens `path` and starts to read its first `size` bytes. Must be called within a tokio runtime.
    pub(crate) fn open(path: &Path, size: u64, chunk: ChunkSize) -> Result<Self, Error> {
        Ok(Self::read(open(path)?, path, size, chunk))
    }

    /// Starts to read `size` bytes of `file` from where it stands; `path` is what errors call it.
    pub(crate) fn read(file: File, path: &Path, size: u64, chunk: ChunkSize) -> Self {
        Self::start(file, path, Some(size), chunk)
    }

    /// Starts to read standard input to its end.
    pub(crate) fn stdin(chunk: ChunkSize) -> Self {
        Self::start(io::stdin(), Path::new("standard input"), None, chunk)
    }

    fn start(input: impl Read + Send + 'static, path: &Path, size: Option<u64>, chunk: ChunkSize) -> Self {
        let chunk = chunk.get();
        let read = chunk * (READ / chunk).max(1);
        let (sender, pieces) = mpsc::channel((READ_AHEAD / read).max(1));
        let reader = Reader { input, path: path.to_owned(), size, read };
        tokio::task::spawn_blocking(move || reader.run(&sender));
        Self { pieces, piece: Bytes::new(), chunk, remaining: size }
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
            match ready!(self.pieces.poll_recv(cx)) {
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
struct Reader<R> {
    input: R,
    path: PathBuf,
    size: Option<u64>,
    read: usize,
}

impl<R: Read> Reader<R> {
    /// Reads piece by piece until the end, an error, or nobody listens any more.
    fn run(mut self, pieces: &mpsc::Sender<Result<Bytes, Error>>) {
        let mut at = 0;
        loop {
            let piece = self.piece(at).transpose();
            let Some(piece) = piece else { return };
            let failed = piece.is_err();
            at += piece.as_ref().map_or(0, |piece| piece.len() as u64);
            if pieces.blocking_send(piece).is_err() || failed {
                return;
            }
        }
    }

    /// The piece at byte `at`; `None` at the end.
    fn piece(&mut self, at: u64) -> Result<Option<Bytes>, Error> {
        let wanted = self.size.map_or(self.read as u64, |size| (size - at).min(self.read as u64)) as usize;
        let mut piece = BytesMut::zeroed(wanted);
        let mut filled = 0;
        while filled < wanted {
            match self.input.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Unreadable { path: self.path.clone(), source }),
            }
        }
        if let Some(expected) = self.size.filter(|_| filled < wanted) {
            return Err(Error::Shrank { path: self.path.clone(), expected });
        }
        piece.truncate(filled);
        Ok((filled > 0).then(|| piece.freeze()))
    }
}
