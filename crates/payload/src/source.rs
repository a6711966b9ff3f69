//! What is sent: a kind of payload, prepared once per process and opened once per body.

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    str::FromStr,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use serde::{Deserialize, Serialize};

use crate::{
    ChunkSize, Digest,
    file::{self, FileBody},
    generated::{Block, Generated},
};

/// What a body consists of. Its text form is the `--payload` flag's value: `random`, `zero`, `file:PATH`, `-`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Kind {
    /// Bytes generated from a seed.
    Random,
    /// Zero bytes; no damage but a changed length shows in their digest.
    Zero,
    /// A file's bytes.
    File(PathBuf),
    /// What comes on standard input, up to its end.
    Stdin,
}

impl Kind {
    /// The size that the payload has by itself, in bytes: a file's length; `None` for what is generated.
    ///
    /// # Errors
    /// The file cannot be opened or is not a regular file.
    pub fn size(&self) -> Result<Option<u64>, Error> {
        let Self::File(path) = self else { return Ok(None) };
        let unreadable = |source| Error::Unreadable { path: path.clone(), source };
        Ok(Some(file::open(path)?.metadata().map_err(unreadable)?.len()))
    }
}

impl Kind {
    /// Whether all bodies are slices of one block.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Random | Self::Zero)
    }

    /// What the block, or one body that is read, takes at most, in bytes.
    pub fn footprint(&self, chunk: ChunkSize) -> u64 {
        match self {
            Self::Random | Self::Zero => Block::length(chunk) as u64,
            Self::File(_) | Self::Stdin => 2 * file::piece(chunk) as u64,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::Zero => f.write_str("zero"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Stdin => f.write_str("-"),
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(Self::File(path.into())),
            None if text == "random" => Ok(Self::Random),
            None if text == "zero" => Ok(Self::Zero),
            None if text == "-" => Ok(Self::Stdin),
            _ => Err(Error::UnknownKind(text.to_owned())),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> String {
        kind.to_string()
    }
}

impl TryFrom<String> for Kind {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

/// A payload ready to be sent in chunks of one size, any number of times.
#[derive(Clone, Debug)]
pub struct Payload {
    chunk: ChunkSize,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Origin {
    Block(Block),
    File(PathBuf),
    Stdin,
}

impl Payload {
    /// Makes the block of a generated payload; a file is only opened with [`open`](Self::open).
    pub fn prepare(kind: &Kind, seed: u64, chunk: ChunkSize) -> Self {
        let origin = match kind {
            Kind::Random => Origin::Block(Block::random(seed, chunk)),
            Kind::Zero => Origin::Block(Block::zero(chunk)),
            Kind::File(path) => Origin::File(path.clone()),
            Kind::Stdin => Origin::Stdin,
        };
        Self { chunk, origin }
    }

    /// A body of `size` bytes from the beginning; standard input has whatever size it has. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The file cannot be opened or is not a regular file.
    pub fn open(&self, size: u64) -> Result<Source, Error> {
        Ok(Source(match &self.origin {
            Origin::Block(block) => Body::Generated(block.body(size)),
            Origin::File(path) => Body::File(FileBody::open(path, size, self.chunk)?),
            Origin::Stdin => Body::File(FileBody::stdin(self.chunk)),
        }))
    }

    /// The digest of a generated body of `size` bytes, computed off the clock from seed and size alone.
    /// `None` for what is read, whose digest is only known once it has been read.
    pub fn digest(&self, size: u64) -> Option<Digest> {
        match &self.origin {
            Origin::Block(block) => Some(block.digest(size)),
            Origin::File(_) | Origin::Stdin => None,
        }
    }
}

/// One body's bytes, a stream of chunks.
#[derive(Debug)]
pub struct Source(Body);

impl Source {
    /// A body of `size` bytes of an open file, from where it stands; `path` is what errors call it. Must be
    /// called within a tokio runtime.
    pub fn of_file(file: File, path: &Path, size: u64, chunk: ChunkSize) -> Self {
        Self(Body::File(FileBody::read(file, path, size, chunk)))
    }

    /// Whether every byte has been yielded.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Body::Generated(body) => body.remaining() == 0,
            Body::File(body) => body.is_finished(),
        }
    }
}

impl Stream for Source {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Body::Generated(body) => Poll::Ready(body.next().map(Ok)),
            Body::File(body) => body.poll_chunk(cx),
        }
    }
}

#[derive(Debug)]
enum Body {
    Generated(Generated),
    File(FileBody),
}

/// Why a payload could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The `--payload` value names nothing known.
    #[error("unknown payload '{0}': it must be random, zero or file:PATH, or - for standard input")]
    UnknownKind(String),
    /// The path leads to a folder, a device or a pipe.
    #[error("payload {} is not a regular file", path.display())]
    NotAFile {
        /// The file as it was given.
        path: PathBuf,
    },
    /// Opening or reading failed.
    #[error("cannot read payload {}: {source}", path.display())]
    Unreadable {
        /// The file as it was given.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file ended before the size that it had when the transfer began.
    #[error("payload {} shrank while it was sent: it had {expected} bytes at the start", path.display())]
    Shrank {
        /// The file as it was given.
        path: PathBuf,
        /// Its length when the transfer began, in bytes.
        expected: u64,
    },
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use futures_util::TryStreamExt as _;

    use super::*;
    use crate::Hasher;

    fn chunk(bytes: u64) -> ChunkSize {
        ChunkSize::try_from(bytes).unwrap()
    }

    async fn read(payload: &Payload, size: u64) -> Result<Vec<Bytes>, Error> {
        payload.open(size)?.try_collect().await
    }

    #[test]
    fn the_flag_reads_back_as_it_prints() {
        for text in ["random", "zero", "file:/tmp/a:b", "-"] {
            assert_eq!(text.parse::<Kind>().unwrap().to_string(), text);
        }
        for text in ["", "file:", "rnd", "file"] {
            assert!(matches!(text.parse::<Kind>(), Err(Error::UnknownKind(_))), "{text}");
        }
    }

    #[tokio::test]
    async fn a_file_arrives_in_chunks_of_exactly_the_chunk_size() {
        let body: Vec<u8> = (0..1_000_003_u32).map(|i| (i >> 3) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&body).unwrap();
        let kind = Kind::File(file.path().to_owned());
        for size in [1000, 65_536, 65_563, 1 << 20] {
            let payload = Payload::prepare(&kind, 1, chunk(size));
            let chunks = read(&payload, body.len() as u64).await.unwrap();
            let (last, full) = chunks.split_last().unwrap();
            assert!(full.iter().all(|c| c.len() as u64 == size));
            assert_eq!(last.len() as u64, (body.len() as u64 - 1) % size + 1);
            assert!(chunks.concat() == body, "content at chunk {size}");
        }
    }

    #[tokio::test]
    async fn a_file_that_shrinks_ends_in_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4 << 20).unwrap();
        let payload = Payload::prepare(&Kind::File(file.path().to_owned()), 1, chunk(65_536));
        let mut source = payload.open(4 << 20).unwrap();
        source.try_next().await.unwrap().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let error = loop {
            match source.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("a shrunken file must not look like a whole one"),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
    }

    #[tokio::test]
    async fn a_folder_and_a_missing_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kind = Kind::File(folder.path().to_owned());
        assert!(matches!(kind.size(), Err(Error::NotAFile { .. })));
        let kind = Kind::File(folder.path().join("missing"));
        assert!(matches!(kind.size(), Err(Error::Unreadable { .. })));
        let payload = Payload::prepare(&kind, 1, chunk(1));
        assert!(matches!(payload.open(1), Err(Error::Unreadable { .. })));
    }

    #[tokio::test]
    async fn damaging_a_file_changes_its_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let body: Vec<u8> = (0..40 * 65_536_u32).map(|i| (i ^ (i >> 9)) as u8).collect();
        std::fs::write(file.path(), &body).unwrap();
        let payload = Payload::prepare(&Kind::File(file.path().to_owned()), 1, chunk(65_536));
        let chunks = read(&payload, body.len() as u64).await.unwrap();
        let digest = |chunks: &[Bytes]| {
            let mut hasher = Hasher::new();
            chunks.iter().for_each(|c| hasher.update(c));
            hasher.digest()
        };
        let (mut swapped, mut dropped, mut repeated) = (chunks.clone(), chunks.clone(), chunks.clone());
        swapped.swap(3, 4);
        dropped.remove(3);
        repeated.insert(3, chunks[3].clone());
        for damaged in [swapped, dropped, repeated] {
            assert_ne!(digest(&damaged), digest(&chunks));
        }
    }
}
