//! The writer of a part. Bytes are written at known offsets, and received bytes are kept when the download breaks off.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::AsyncWrite,
    task::{JoinHandle, spawn_blocking},
};

/// The number of bytes that are gathered for one write. Datagrams bring small pieces, and each write costs a switch
/// between threads.
const BLOCK: usize = 256 << 10;

/// A writer that appends to a file. A blocking thread writes a block while the kernel receives the next bytes of the
/// connection.
#[derive(Debug)]
pub(crate) struct PartWriter {
    file: Arc<File>,
    /// The offset of the block in the file, in bytes.
    offset: u64,
    /// The block that is being filled; empty while a block is being written.
    block: Vec<u8>,
    writing: Option<JoinHandle<(Vec<u8>, io::Result<()>)>>,
}

impl PartWriter {
    /// Creates a writer that starts at `offset`. Must be polled inside a tokio runtime.
    pub(crate) fn new(file: Arc<File>, offset: u64) -> Self {
        Self { file, offset, block: Vec::with_capacity(BLOCK), writing: None }
    }

    /// Waits for the block that is being written.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(writing) = &mut self.writing {
            let (block, written) = ready!(Pin::new(writing).poll(cx)).map_err(io::Error::other)?;
            (self.block, self.writing) = (block, None);
            self.offset += self.block.len() as u64;
            self.block.clear();
            written?;
        }
        Poll::Ready(Ok(()))
    }

    fn start(&mut self) {
        let (file, offset, block) = (self.file.clone(), self.offset, std::mem::take(&mut self.block));
        self.writing = Some(spawn_blocking(move || {
            let written = file.write_all_at(&block, offset);
            (block, written)
        }));
    }
}

impl AsyncWrite for PartWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_written(cx))?;
        let room = BLOCK.saturating_sub(self.block.len()).min(bytes.len());
        self.block.extend(bytes.iter().take(room));
        if self.block.len() >= BLOCK {
            self.start();
        }
        Poll::Ready(Ok(room))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_written(cx))?;
        if !self.block.is_empty() {
            self.start();
            ready!(self.poll_written(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Writes the incomplete block of a download that broke off. A block that a blocking thread is already writing is left
/// to that thread.
impl Drop for PartWriter {
    fn drop(&mut self) {
        if self.writing.is_none() && !self.block.is_empty() {
            // A later download requests missing bytes again.
            let _ = self.file.write_all_at(&self.block, self.offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn bytes_of_any_pieces_are_written_in_order_from_the_offset_on() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let bytes: Vec<u8> = (0..1_000_003_u32).map(|i| (i ^ (i >> 8)) as u8).collect();
        let mut writer = PartWriter::new(file.clone(), 3);
        for piece in bytes.chunks(70_001) {
            writer.write_all(piece).await.unwrap();
        }
        writer.flush().await.unwrap();
        let mut written = vec![0; bytes.len()];
        file.read_exact_at(&mut written, 3).unwrap();
        assert!(written == bytes && file.metadata().unwrap().len() == 3 + bytes.len() as u64);
    }

    #[tokio::test]
    async fn a_writer_that_is_dropped_keeps_its_bytes() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        PartWriter::new(file.clone(), 0).write_all(b"abc").await.unwrap();
        assert_eq!(file.metadata().unwrap().len(), 3);
    }
}
