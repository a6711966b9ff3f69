//! The stream of one body's chunks.

use std::{
    fs::File,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use record::ChunkSize;

use crate::{PayloadError, file::FileBody, generated::Generated, segments::Joined};

/// The bytes of one body: a stream of chunks, each of exactly the chunk size except for the last.
///
/// A source of a file, pipe or standard input must be polled inside a tokio runtime, whose blocking threads wait for
/// the disk.
#[derive(Debug)]
pub struct Source(Origin);

#[derive(Debug)]
enum Origin {
    Generated(Generated),
    File(FileBody),
    Joined(Joined),
}

impl Source {
    pub(crate) fn generated(body: Generated) -> Self {
        Self(Origin::Generated(body))
    }

    pub(crate) fn read(body: FileBody) -> Self {
        Self(Origin::File(body))
    }

    pub(crate) fn joined(body: Joined) -> Self {
        Self(Origin::Joined(body))
    }

    /// Creates a body of `size` bytes of an open file, from its current position. The body is read one chunk at a time,
    /// so that a chunk keeps only its own bytes in memory. Errors name `path`.
    pub fn of_file(file: File, path: &Path, size: u64, chunk: ChunkSize) -> Self {
        Self::read(FileBody::read(file, path, size, chunk))
    }

    /// Returns whether every byte has been yielded.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Origin::Generated(body) => body.remaining() == 0,
            Origin::File(body) => body.is_finished(),
            Origin::Joined(body) => body.is_finished(),
        }
    }
}

impl Stream for Source {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Origin::Generated(body) => Poll::Ready(body.next().map(Ok)),
            Origin::File(body) => body.poll_chunk(cx),
            Origin::Joined(body) => body.poll_chunk(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Seek as _, SeekFrom, Write as _},
        os::fd::OwnedFd,
    };

    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn an_open_file_is_read_from_its_position() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, b"0123456789").unwrap();
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::Start(3)).unwrap();
        let mut source = Source::of_file(file, &path, 5, ChunkSize::try_from(4).unwrap());
        assert!(!source.is_finished());
        let chunks: Vec<Bytes> = (&mut source).try_collect().await.unwrap();
        assert_eq!(chunks, ["3456", "7"]);
        assert!(source.is_finished());
    }

    #[tokio::test]
    async fn bytes_that_come_late_are_waited_for() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let body: Vec<u8> = (0..300_000_u32).map(|i| (i >> 5) as u8).collect();
        let written = body.clone();
        let writing = std::thread::spawn(move || {
            for part in written.chunks(100_000) {
                std::thread::sleep(std::time::Duration::from_millis(20));
                writer.write_all(part).unwrap();
            }
        });
        let (file, chunk) = (File::from(OwnedFd::from(reader)), ChunkSize::try_from(1000).unwrap());
        let source = Source::of_file(file, Path::new("pipe"), body.len() as u64, chunk);
        let chunks: Vec<Bytes> = source.try_collect().await.unwrap();
        assert!(chunks.iter().all(|chunk| chunk.len() == 1000) && chunks.concat() == body);
        writing.join().unwrap();
    }
}
