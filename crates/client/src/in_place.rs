//! A file that is overwritten in place, since no new file can replace it.

use std::{
    fs::File,
    io::{self, Write as _},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::AsyncWrite,
    task::{JoinHandle, spawn_blocking},
};

/// The largest number of bytes in one write.
const WRITE: usize = 256 << 10;

/// A handle to a file that is written in place. Dropping the handle removes the written bytes.
#[derive(Debug)]
pub(crate) struct InPlace {
    file: SharedFile,
    /// The length of the file before the first write, in bytes.
    start: u64,
}

/// The writer of the file. Each write is made on a blocking thread.
#[derive(Debug)]
pub(crate) struct InPlaceWriter {
    file: SharedFile,
    writing: Option<JoinHandle<io::Result<()>>>,
}

/// The shared file; `None` once nothing more may be written.
#[derive(Clone, Debug)]
struct SharedFile(Arc<Mutex<Option<File>>>);

impl SharedFile {
    fn lock(&self) -> MutexGuard<'_, Option<File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *self.lock() {
            Some(file) => file.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl InPlace {
    /// Creates a writer that appends to a file, and the handle to the file.
    ///
    /// # Errors
    /// Fails if the length of the file is unknown.
    pub(crate) fn new(file: File) -> io::Result<(InPlaceWriter, Self)> {
        let start = file.metadata()?.len();
        let file = SharedFile(Arc::new(Mutex::new(Some(file))));
        Ok((InPlaceWriter { file: file.clone(), writing: None }, Self { file, start }))
    }

    /// Waits until the content is on the disk.
    ///
    /// # Errors
    /// Fails if the disk reports a failure.
    pub(crate) async fn keep(self) -> io::Result<()> {
        let file = self.file.lock().take();
        spawn_blocking(move || file.map_or(Ok(()), |file| file.sync_all())).await.map_err(io::Error::other)?
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        // The lock waits for a write under way, which would otherwise follow the truncation.
        if let Some(file) = self.file.lock().take() {
            let _ = file.set_len(self.start);
        }
    }
}

impl AsyncWrite for InPlaceWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().poll_flush(cx))?;
        let bytes = bytes.get(..WRITE).unwrap_or(bytes);
        let (file, block) = (self.file.clone(), bytes.to_vec());
        self.writing = Some(spawn_blocking(move || file.write(&block)));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else { return Poll::Ready(Ok(())) };
        let written = ready!(Pin::new(writing).poll(cx)).map_err(io::Error::other);
        self.writing = None;
        Poll::Ready(written.flatten())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn bytes_that_are_not_kept_are_removed_even_during_a_write() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        fs::write(&path, "before").unwrap();
        let open = || fs::OpenOptions::new().append(true).open(&path).unwrap();
        let (mut writer, in_place) = InPlace::new(open()).unwrap();
        writer.write_all(&[1; 1 << 20]).await.unwrap();
        drop(in_place);
        let _ = writer.flush().await;
        assert_eq!(fs::read(&path).unwrap(), b"before");
        let (mut writer, in_place) = InPlace::new(open()).unwrap();
        writer.write_all(b", after").await.unwrap();
        writer.flush().await.unwrap();
        in_place.keep().await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before, after");
    }
}
