//! The writer of one body: blocks fill in memory while earlier ones are written.

use std::io::{self, Write as _};

use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;

use super::{Folder, SafeName, SaveError, writer::Writer};

/// A file of a [`Folder`] that one body is saved in. A saver that is dropped before the end of the body leaves nothing
/// behind.
///
/// Blocks of the body are written while the next ones fill. When all blocks are full, the body waits: a slow disk slows
/// the sender, and memory is bounded by the blocks.
#[derive(Debug)]
pub struct Saver {
    folder: Folder,
    name: SafeName,
    /// The block that fills; without capacity between two blocks.
    filling: BytesMut,
    writer: Writer,
}

impl Saver {
    /// Creates a hidden file, which gets its `name` when the body is complete.
    ///
    /// # Errors
    /// The name belongs to a link or a folder, or no file can be created.
    pub fn begin(folder: &Folder, name: SafeName) -> Result<Self, SaveError> {
        folder.check_name(&name)?;
        let file = folder.begin().map_err(SaveError::of_creating)?;
        let (folder, writer) = (folder.clone(), Writer::new(file, folder.room()));
        Ok(Self { folder, name, filling: BytesMut::new(), writer })
    }

    pub(crate) async fn take(&mut self, mut piece: Bytes) -> Result<(), SaveError> {
        while !piece.is_empty() {
            if self.filling.capacity() == 0 {
                self.filling = self.writer.block().await?;
            }
            let room = self.filling.capacity() - self.filling.len();
            let part = piece.split_to(room.min(piece.len()));
            self.filling.extend_from_slice(&part);
            if part.len() == room {
                self.writer.write(std::mem::take(&mut self.filling)).await?;
            }
        }
        Ok(())
    }

    /// Writes the last block, waits until all bytes are on the disk, and gives the file its name.
    pub(crate) async fn finish(self) -> Result<SafeName, SaveError> {
        let Self { folder, name, filling, writer } = self;
        let unfinished = writer.finish().await?;
        spawn_blocking(move || {
            (&*unfinished.file).write_all(&filling)?;
            unfinished.finish(&folder, &name)?;
            Ok(name)
        })
        .await
        .map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn entries(folder: &tempfile::TempDir) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        fs::read_dir(folder.path()).unwrap().map(name).collect()
    }

    fn name(text: &str) -> SafeName {
        SafeName::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_saved_file_is_whole_private_and_named_only_at_the_end() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let body: Vec<u8> = (0..1_000_003_u32).map(|i| (i >> 4) as u8).collect();
        let mut saver = Saver::begin(&folder, name("a")).unwrap();
        for piece in body.chunks(65_563) {
            saver.take(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert!(entries(&temporary).iter().all(|entry| entry.starts_with('.')));
        saver.finish().await.unwrap();
        assert_eq!(entries(&temporary), ["a"]);
        let path = temporary.path().join("a");
        assert!(fs::read(&path).unwrap() == body);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn an_unfinished_file_leaves_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let mut saver = Saver::begin(&folder, name("a")).unwrap();
        saver.take(vec![0; 3 << 20].into()).await.unwrap();
        drop(saver);
        // The file is removed after the block that is being written.
        for _ in 0..200 {
            if entries(&temporary).is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("left behind: {:?}", entries(&temporary));
    }

    #[tokio::test]
    async fn the_last_of_two_to_finish_wins_whole() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let (mut first, mut second) =
            (Saver::begin(&folder, name("a")).unwrap(), Saver::begin(&folder, name("a")).unwrap());
        second.take(vec![2; 10].into()).await.unwrap();
        first.take(vec![1; 1000].into()).await.unwrap();
        first.finish().await.unwrap();
        second.finish().await.unwrap();
        assert_eq!(fs::read(temporary.path().join("a")).unwrap(), [2; 10]);
    }

    #[test]
    fn abandoned_files_are_removed_at_the_next_start_and_others_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let running = folder.begin().unwrap();
        for file in [".longhaul-1-0.part", ".other", "visible"] {
            fs::write(temporary.path().join(file), "x").unwrap();
        }
        Folder::open(temporary.path()).unwrap();
        let mut left = entries(&temporary);
        left.sort();
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(left.contains(&".other".into()) && left.contains(&"visible".into()));
        drop(running);
    }

    #[test]
    fn links_and_folders_are_neither_overwritten_nor_read() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", temporary.path().join("link")).unwrap();
        fs::create_dir(temporary.path().join("sub")).unwrap();
        assert!(matches!(Saver::begin(&folder, name("link")), Err(SaveError::Symlink)));
        assert!(matches!(Saver::begin(&folder, name("sub")), Err(SaveError::NotAFile)));
        assert!(matches!(folder.read(&name("link")), Err(SaveError::Symlink)));
        assert!(matches!(folder.read(&name("none")), Err(SaveError::Missing)));
    }

    #[test]
    fn a_folder_that_is_not_there_cannot_be_opened() {
        assert!(Folder::open(std::path::Path::new("/no/such/folder")).is_err());
    }
}
