//! The saver of one body: blocks of memory are filled while earlier blocks are written.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Seek as _, SeekFrom, Write as _},
    mem,
    path::Path,
};

use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;

use super::{
    Existing, Folder, SafeName, SaveError, claim::Claim, decision::Decision, draft::Draft,
    unfinished::folder_of, writer::Writer,
};

/// The file of a [`Folder`] into which one body is saved. A saver that is dropped before the end of the body leaves
/// nothing behind.
///
/// Blocks of the body are written while the next blocks are filled. When all blocks are full, the body waits. A slow
/// disk therefore slows the sender down, and the blocks bound the memory.
#[derive(Debug)]
pub struct Saver {
    // The writer is dropped before the draft, so that the draft closes the file on a blocking thread.
    writer: Writer,
    draft: Draft,
    claim: Option<Claim>,
    /// The block that is being filled; without capacity between two blocks.
    filling: BytesMut,
    /// The number of bytes in all full blocks so far.
    written: u64,
}

impl Saver {
    /// Creates a file without a name, which gets the name `name` when the body is complete. `announced` is the length
    /// of the body, if its sender stated it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Fails if the name belongs to a link or a folder, or to a file that is kept. Also fails if the folder has no
    /// room, or if no file can be created.
    pub async fn begin(
        folder: &Folder,
        name: &SafeName,
        existing: Existing,
        announced: Option<u64>,
    ) -> Result<Self, SaveError> {
        Self::create(folder.clone(), OsStr::new(name.as_str()), existing, announced).await
    }

    /// Creates a file for a path that the user of this program named, as [`begin`](Self::begin) does for a name. The
    /// folder of the path need not be readable. An earlier file is replaced, or overwritten if replacing is impossible.
    ///
    /// # Errors
    /// Fails if the path belongs to anything but a regular file, or if no file can be created in its folder.
    pub async fn begin_at(path: &Path, announced: Option<u64>) -> Result<Self, SaveError> {
        let name = path.file_name().ok_or(SaveError::NotAFile)?;
        Self::create(Folder::unchecked(folder_of(path)), name, Existing::Overwrite, announced).await
    }

    async fn create(
        folder: Folder,
        name: &OsStr,
        existing: Existing,
        announced: Option<u64>,
    ) -> Result<Self, SaveError> {
        let (path, room) = (folder.path().join(name), folder.room());
        let begun = blocking(move || {
            let claim = folder.claim(announced)?;
            Ok((Draft::create(path, existing)?, claim))
        });
        let (draft, claim) = begun.await?;
        let writer = Writer::new(draft.file()?, room, announced, claim.clone());
        Ok(Self { writer, draft, claim, filling: BytesMut::new(), written: 0 })
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
                let block = mem::take(&mut self.filling);
                let written = self.written.saturating_add(block.len() as u64);
                self.claim(written).await?;
                if let Some(claim) = &self.claim {
                    claim.written(written);
                }
                self.written = written;
                self.writer.write(block).await?;
            }
        }
        Ok(())
    }

    /// Claims quota for a total of `bytes` bytes, before they are written.
    ///
    /// # Errors
    /// Fails if there is no room for them. The body stays as it is.
    pub(super) async fn claim(&self, bytes: u64) -> Result<(), SaveError> {
        match &self.claim {
            Some(claim) if bytes > claim.claimed() => {
                let claim = claim.clone();
                blocking(move || claim.extend(bytes)).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Writes the last block. The bytes need not be on the disk yet. Only [`into_paused`](Self::into_paused) may follow,
    /// or [`rewind`](Self::rewind) after a failure.
    pub(super) async fn pause(&mut self) -> Result<(), SaveError> {
        self.write_rest(|_| Ok(())).await
    }

    /// Releases the blocks of a body whose last block is written.
    pub(super) fn into_paused(self) -> Paused {
        Paused { draft: self.draft, claim: self.claim, bytes: self.written }
    }

    /// Removes all bytes behind the first `bytes` bytes from the file, after further ones could not be written.
    ///
    /// # Errors
    /// Fails if the first bytes may be lost, too.
    pub(super) async fn rewind(mut self, bytes: u64) -> Result<Paused, SaveError> {
        self.writer.give_up().await?;
        let (file, claim) = (self.draft.file()?, self.claim.clone());
        blocking(move || {
            trim(&file, claim.as_ref(), bytes)?;
            (&*file).seek(SeekFrom::Start(bytes))?;
            Ok(())
        })
        .await?;
        Ok(Paused { draft: self.draft, claim: self.claim, bytes })
    }

    /// Writes the last block, waits until all bytes are on the disk, and gives the file its name. Returns the name.
    pub(crate) async fn finish(self) -> Result<String, SaveError> {
        self.complete().await?.name().await
    }

    /// Writes the last block, and waits until all bytes are on the disk.
    pub(crate) async fn complete(mut self) -> Result<Complete, SaveError> {
        self.write_rest(File::sync_all).await?;
        Ok(Complete { draft: self.draft, claim: self.claim, bytes: self.written })
    }

    /// Writes the last block, frees reserved space that was not needed, and then calls `settle` for the file.
    async fn write_rest(&mut self, settle: fn(&File) -> io::Result<()>) -> Result<(), SaveError> {
        let bytes = self.written.saturating_add(self.filling.len() as u64);
        self.claim(bytes).await?;
        self.writer.finish().await?;
        let (file, claim) = (self.draft.file()?, self.claim.clone());
        let rest = mem::take(&mut self.filling);
        blocking(move || {
            (&*file).write_all(&rest)?;
            trim(&file, claim.as_ref(), bytes)?;
            Ok(settle(&file)?)
        })
        .await?;
        self.written = bytes;
        Ok(())
    }
}

/// Frees all space of a file behind its first `bytes` bytes.
fn trim(file: &File, claim: Option<&Claim>, bytes: u64) -> io::Result<()> {
    match claim {
        Some(claim) => claim.trimming(bytes, || file.set_len(bytes)),
        None => file.set_len(bytes),
    }
}

/// A partial body during a pause: its file and its share of the quota, without write buffers. Dropping this value
/// removes the file.
#[derive(Debug)]
pub(super) struct Paused {
    draft: Draft,
    claim: Option<Claim>,
    bytes: u64,
}

impl Paused {
    /// Creates a file without bytes in the hidden folder, for the name `name`.
    pub(super) async fn begin(
        folder: Folder,
        name: &SafeName,
        existing: Existing,
        announced: Option<u64>,
    ) -> Result<Self, SaveError> {
        let path = folder.path().join(name.as_str());
        let begun = blocking(move || {
            let claim = folder.claim(announced)?;
            let hidden = folder.partial().map_err(SaveError::of_creating)?;
            Ok((Draft::create_hidden(&hidden, path, existing)?, claim))
        });
        let (draft, claim) = begun.await?;
        Ok(Self { draft, claim, bytes: 0 })
    }

    /// Removes the file, and waits until it is gone.
    pub(super) async fn discard(self) -> Result<(), SaveError> {
        blocking(move || {
            self.draft.discard();
            Ok(())
        })
        .await
    }

    /// Returns a saver that appends further bytes to the file.
    pub(super) fn resume(self, folder: &Folder, announced: Option<u64>) -> Result<Saver, SaveError> {
        let Self { draft, claim, bytes } = self;
        let writer = Writer::new(draft.file()?, folder.room(), announced, claim.clone()).after(bytes);
        Ok(Saver { writer, draft, claim, filling: BytesMut::new(), written: bytes })
    }
}

/// A complete body that is on the disk, but has no name yet. Dropping this value removes the body.
#[derive(Debug)]
pub(crate) struct Complete {
    draft: Draft,
    claim: Option<Claim>,
    bytes: u64,
}

impl Complete {
    /// Gives the file its name, and returns the name. If this future is dropped before the naming begins, the file is
    /// removed.
    pub(crate) async fn name(self) -> Result<String, SaveError> {
        let Self { draft, claim, bytes } = self;
        let decision = Decision::default();
        let commit = decision.commit();
        let named = blocking(move || {
            if !commit.decide() {
                return Err(io::Error::from(io::ErrorKind::Interrupted).into());
            }
            let named = draft.name()?;
            if let Some(claim) = claim {
                claim.save(bytes, named.replaced);
            }
            Ok(named.name)
        })
        .await;
        drop(decision);
        named
    }
}

/// Runs work that may wait for the disk on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SaveError> + Send + 'static,
) -> Result<T, SaveError> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
