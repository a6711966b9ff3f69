//! The payload of a process: prepared once, opened once per body.

use std::path::PathBuf;

use record::{ChunkSize, PayloadKind};

use crate::{
    Digest, PayloadError, Segment, Source, file::FileBody, generated::Block, input, segments::Joined,
};

/// A payload that can be sent any number of times, in chunks of one size.
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
    Segments(Vec<Segment>),
}

impl Payload {
    /// Prepares a payload: generates the block of a `random`, `zero` or `cold` payload. A file is not opened before
    /// [`open`](Self::open). A form has the content that [`of_segments`](Self::of_segments) gives it, and is empty here.
    ///
    /// Bodies of the same `seed` have the same bytes, whatever the chunk size. `zero` ignores the seed.
    pub fn prepare(kind: &PayloadKind, seed: u64, chunk: ChunkSize) -> Self {
        let origin = match kind {
            PayloadKind::Random => Origin::Block(Block::random(seed, chunk)),
            PayloadKind::Zero => Origin::Block(Block::zero(chunk)),
            PayloadKind::Cold(size) => Origin::Block(Block::cold(*size, seed, chunk)),
            PayloadKind::File(path) => Origin::File(path.clone()),
            PayloadKind::Stdin => Origin::Stdin,
            PayloadKind::Form => Origin::Segments(Vec::new()),
        };
        Self { chunk, origin }
    }

    /// Prepares a payload of segments, which follow each other. A chunk has bytes of one segment only.
    pub fn of_segments(segments: impl Into<Vec<Segment>>, chunk: ChunkSize) -> Self {
        Self { chunk, origin: Origin::Segments(segments.into()) }
    }

    /// Returns this payload in chunks of another size. The new payload shares the block of a generated one. The chunk
    /// size must not exceed that of the original.
    #[must_use]
    pub fn in_chunks(&self, chunk: ChunkSize) -> Self {
        let origin = match &self.origin {
            Origin::Block(block) => Origin::Block(block.in_chunks(chunk)),
            read => read.clone(),
        };
        Self { chunk, origin }
    }

    /// Returns whether other payloads, bodies or chunks refer to the block of this generated payload. False for a
    /// payload that is read.
    pub fn is_shared(&self) -> bool {
        matches!(&self.origin, Origin::Block(block) if block.is_shared())
    }

    /// Opens a body of `size` bytes, from the first byte of the payload. If `size` is `None`, a body that is read goes
    /// to the end of its file, device or pipe, and a generated body is empty. Segments have sizes of their own.
    ///
    /// # Errors
    /// Fails if the file cannot be opened, or the path leads to a folder.
    pub fn open(&self, size: impl Into<Option<u64>>) -> Result<Source, PayloadError> {
        let size = size.into();
        Ok(match &self.origin {
            Origin::Block(block) => Source::generated(block.body(size.unwrap_or(0))),
            Origin::File(path) => Source::read(FileBody::open(path, size, self.chunk)?),
            Origin::Stdin => Source::read(FileBody::stdin(size, self.chunk)),
            Origin::Segments(segments) => Source::joined(Joined::new(segments.clone(), self.chunk)),
        })
    }

    /// Opens a body of `size` bytes, without its first `offset` bytes. A body that is read must be a regular file or a
    /// block device.
    ///
    /// # Errors
    /// Fails as [`open`](Self::open) does, or if the payload has no positions.
    pub fn open_at(&self, offset: u64, size: impl Into<Option<u64>>) -> Result<Source, PayloadError> {
        let size = size.into();
        Ok(match &self.origin {
            Origin::Block(block) => Source::generated(block.body_at(offset, size.unwrap_or(0))),
            Origin::File(path) => Source::read(FileBody::open_at(path, offset, size, self.chunk)?),
            Origin::Stdin => return Err(PayloadError::NoPositions { path: "standard input".into() }),
            Origin::Segments(_) => return Err(PayloadError::NoPositions { path: "form".into() }),
        })
    }

    /// Returns the digest of a generated body of `size` bytes, computed from seed and size alone. `None` for a payload
    /// that is read, whose digest is known only after the transfer.
    pub fn digest(&self, size: u64) -> Option<Digest> {
        match &self.origin {
            Origin::Block(block) => Some(block.digest(size)),
            Origin::File(_) | Origin::Stdin | Origin::Segments(_) => None,
        }
    }
}

/// Returns the inherent size of a payload in bytes: the length of a file or a block device. `None` for any other kind.
/// Also `None` for pipes, character devices, and files whose content the kernel generates: their length is unknown
/// until their end.
///
/// # Errors
/// Fails if the file cannot be opened, or the path leads to a folder.
pub fn size(kind: &PayloadKind) -> Result<Option<u64>, PayloadError> {
    let PayloadKind::File(path) = kind else { return Ok(None) };
    input::size(path)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::Bytes;
    use futures_util::TryStreamExt as _;

    use super::*;
    use crate::Hasher;

    fn chunk(bytes: u64) -> ChunkSize {
        ChunkSize::try_from(bytes).unwrap()
    }

    async fn read(payload: &Payload, size: u64) -> Result<Vec<Bytes>, PayloadError> {
        payload.open(size)?.try_collect().await
    }

    #[tokio::test]
    async fn a_file_arrives_in_chunks_of_exactly_the_chunk_size() {
        let body: Vec<u8> = (0..1_000_003_u32).map(|i| (i >> 3) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&body).unwrap();
        let kind = PayloadKind::File(file.path().to_owned());
        for size in [1000, 65_536, 65_563, 1 << 20] {
            let payload = Payload::prepare(&kind, 1, chunk(size));
            let chunks = read(&payload, body.len() as u64).await.unwrap();
            let (last, full) = chunks.split_last().unwrap();
            assert!(full.iter().all(|c| c.len() as u64 == size));
            assert_eq!(last.len() as u64, (body.len() as u64 - 1) % size + 1);
            assert!(chunks.concat() == body, "content at chunk {size}");
        }
    }

    #[test]
    fn only_a_file_has_a_size_of_its_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(123).unwrap();
        assert_eq!(size(&PayloadKind::File(file.path().to_owned())).unwrap(), Some(123));
        for kind in [PayloadKind::Random, PayloadKind::Zero, PayloadKind::Stdin] {
            assert_eq!(size(&kind).unwrap(), None, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_file_that_shrinks_ends_in_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4 << 20).unwrap();
        let payload = Payload::prepare(&PayloadKind::File(file.path().to_owned()), 1, chunk(65_536));
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
    async fn a_file_that_grows_is_sent_at_its_first_length() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let payload = Payload::prepare(&PayloadKind::File(file.path().to_owned()), 1, chunk(65_536));
        let source = payload.open(1 << 20).unwrap();
        file.as_file().set_len(2 << 20).unwrap();
        file.write_all(b"more").unwrap();
        let chunks: Vec<Bytes> = source.try_collect().await.unwrap();
        assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), 1 << 20);
    }

    #[tokio::test]
    async fn a_file_without_a_length_and_a_pipe_are_read_to_their_end() {
        let kernel = PayloadKind::File("/proc/self/environ".into());
        let payload = Payload::prepare(&kernel, 1, chunk(7));
        let chunks: Vec<Bytes> = payload.open(None).unwrap().try_collect().await.unwrap();
        assert!(chunks.concat() == std::fs::read("/proc/self/environ").unwrap());

        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let payload = Payload::prepare(&PayloadKind::File(pipe.clone()), 1, chunk(65_536));
        // The call returns although no process writes to the pipe yet.
        let source = payload.open(None).unwrap();
        let writing = std::thread::spawn(move || std::fs::write(pipe, vec![7; 300_001]).unwrap());
        let chunks: Vec<Bytes> = source.try_collect().await.unwrap();
        assert!(chunks.concat() == vec![7; 300_001]);
        writing.join().unwrap();
    }

    #[tokio::test]
    async fn a_device_is_read_for_as_long_as_asked() {
        let payload = Payload::prepare(&PayloadKind::File("/dev/zero".into()), 1, chunk(65_536));
        let chunks = read(&payload, 1_000_003).await.unwrap();
        assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), 1_000_003);
    }

    #[tokio::test]
    async fn a_folder_and_a_missing_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kind = PayloadKind::File(folder.path().to_owned());
        assert!(matches!(size(&kind), Err(PayloadError::Folder { .. })));
        let kind = PayloadKind::File(folder.path().join("missing"));
        assert!(matches!(size(&kind), Err(PayloadError::Unreadable { .. })));
        let payload = Payload::prepare(&kind, 1, chunk(1));
        assert!(matches!(payload.open(1), Err(PayloadError::Unreadable { .. })));
    }

    #[tokio::test]
    async fn damaging_a_file_changes_its_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let body: Vec<u8> = (0..40 * 65_536_u32).map(|i| (i ^ (i >> 9)) as u8).collect();
        std::fs::write(file.path(), &body).unwrap();
        let payload = Payload::prepare(&PayloadKind::File(file.path().to_owned()), 1, chunk(65_536));
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
