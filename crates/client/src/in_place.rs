//! A file that is written in its place, since it cannot be replaced by a whole one.

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

/// The most bytes of one write.
const WRITE: usize = 256 << 10;

/// A handle to the file. Dropping it removes what was written.
#[derive(Debug)]
pub(crate) struct InPlace {
    file: SharedFile,
    /// The length of the file before.
    start: u64,
}

/// The writer of the file. Each write is made on a blocking thread.
#[derive(Debug)]
pub(crate) struct InPlaceWriter {
    file: SharedFile,
    writing: Option<JoinHandle<io::Result<()>>>,
}

/// The file; `None` once nothing may be written any more.
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
    /// Writes on at the end of a file.
    ///
    /// # Errors
    /// Fails if the length of the file is unknown.
    pub(crate) fn new(file: File) -> io::Result<(InPlaceWriter, Self)> {
        let start = file.metadata()?.len();
        let file = SharedFile(Arc::new(Mutex::new(Some(file))));
        Ok((InPlaceWriter { file: file.clone(), writing: None }, Self { file, start }))
    }

    /// Brings the content to the disk.
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
        // Waits for a write under way, which would otherwise follow.
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
    async fn what_is_not_kept_is_removed_even_if_a_write_is_under_way() {
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
