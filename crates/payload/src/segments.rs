//! A body of several segments: bytes in memory, files and standard input.

use std::{
    collections::VecDeque,
    path::PathBuf,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use record::ChunkSize;

use crate::{PayloadError, file::FileBody};

/// A part of a body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Segment {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file or a device.
    File {
        /// Its path.
        path: PathBuf,
        /// The number of bytes to read; `None` for all up to the end.
        size: Option<u64>,
    },
    /// Standard input up to its end.
    Stdin,
}

impl Segment {
    /// Returns a segment of the first `size` bytes of a file, or of all bytes if `size` is `None`.
    pub fn file(path: impl Into<PathBuf>, size: impl Into<Option<u64>>) -> Self {
        Self::File { path: path.into(), size: size.into() }
    }

    /// Returns the size in bytes; `None` if it is unknown until the end.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File { size, .. } => *size,
            Self::Stdin => None,
        }
    }
}

/// One body of segments, each of which is opened when the one before it has ended.
#[derive(Debug)]
pub(crate) struct Joined {
    /// The segment that is being read; `None` between segments.
    current: Option<FileBody>,
    waiting: VecDeque<Segment>,
    chunk: ChunkSize,
}

impl Joined {
    pub(crate) fn new(segments: Vec<Segment>, chunk: ChunkSize) -> Self {
        Self { current: None, waiting: segments.into(), chunk }
    }

    /// Returns whether every byte has been handed out. False as long as the end of the last segment is unknown.
    pub(crate) fn is_finished(&self) -> bool {
        self.waiting.is_empty() && self.current.as_ref().is_none_or(FileBody::is_finished)
    }

    /// Returns the next chunk when it has been read. Must be polled inside a tokio runtime.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        loop {
            if let Some(current) = &mut self.current {
                match ready!(current.poll_chunk(cx)) {
                    Some(Ok(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                    Some(Err(error)) => return Poll::Ready(Some(Err(self.end(error)))),
                    None => self.current = None,
                }
            }
            let opened = match self.waiting.pop_front() {
                None => return Poll::Ready(None),
                Some(Segment::Bytes(bytes)) if bytes.is_empty() => continue,
                Some(Segment::Bytes(bytes)) => return Poll::Ready(Some(Ok(self.first_chunk(bytes)))),
                Some(Segment::File { path, size }) => FileBody::open(&path, size, self.chunk),
                Some(Segment::Stdin) => Ok(FileBody::stdin(None, self.chunk)),
            };
            match opened {
                Ok(opened) => self.current = Some(opened),
                Err(error) => return Poll::Ready(Some(Err(self.end(error)))),
            }
        }
    }

    /// Returns the first chunk of `bytes`, and puts the rest back at the front of the queue.
    fn first_chunk(&mut self, mut bytes: Bytes) -> Bytes {
        let chunk = bytes.split_to(self.chunk.get().min(bytes.len()));
        if !bytes.is_empty() {
            self.waiting.push_front(Segment::Bytes(bytes));
        }
        chunk
    }

    /// Ends the body because of an error, which is returned.
    fn end(&mut self, error: PayloadError) -> PayloadError {
        self.current = None;
        self.waiting.clear();
        error
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use futures_util::TryStreamExt as _;

    use super::*;
    use crate::Payload;

    fn payload(segments: Vec<Segment>) -> Payload {
        Payload::of_segments(segments, ChunkSize::try_from(4).unwrap())
    }

    #[tokio::test]
    async fn segments_follow_each_other_in_chunks_of_their_own() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let empty = tempfile::NamedTempFile::new().unwrap();
        let segments = vec![
            Segment::Bytes(Bytes::from("abcde")),
            Segment::Bytes(Bytes::new()),
            Segment::file(file.path(), 10),
            Segment::file(empty.path(), 0),
            Segment::file(file.path(), None),
            Segment::Bytes(Bytes::from("z")),
        ];
        let sizes: Vec<_> = segments.iter().map(Segment::size).collect();
        assert_eq!(sizes, [Some(5), Some(0), Some(10), Some(0), None, Some(1)]);
        let mut source = payload(segments).open(None).unwrap();
        let mut chunks = Vec::new();
        while let Some(chunk) = source.try_next().await.unwrap() {
            chunks.push(String::from_utf8(chunk.to_vec()).unwrap());
        }
        assert_eq!(chunks.join(" "), "abcd e 0123 4567 89 0123 4567 89 z");
        assert!(source.is_finished());
    }

    #[tokio::test]
    async fn a_body_ends_with_the_first_segment_that_cannot_be_read() {
        let segments = vec![Segment::file("/no/such", 3), Segment::Bytes(Bytes::from("z"))];
        let mut source = payload(segments).open(None).unwrap();
        assert!(!source.is_finished());
        assert!(source.try_next().await.unwrap_err().to_string().contains("/no/such"));
        assert_eq!(source.try_next().await.unwrap(), None);
    }
}
