//! A draft: an unfinished file and its future path.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::runtime::Handle;

use super::{Existing, FileVersion, SaveError, folder::regular_file, unfinished::Unfinished};

/// A file that is being written, and its future path. When a draft is dropped, the file is removed on a blocking thread
/// if there is one, because freeing a large file takes some time.
#[derive(Debug)]
pub(super) struct Draft {
    /// The file; `None` once it has its name, or is handed to the thread that removes it.
    unfinished: Option<Unfinished>,
    path: PathBuf,
    existing: Existing,
}

/// The result of naming a file.
pub(super) struct Named {
    /// The name of the file.
    pub(super) name: String,
    /// The length in bytes of the file that had the name before; 0 if there was none.
    pub(super) replaced: u64,
}

impl Draft {
    /// Creates the unfinished file. All methods wait for the disk.
    ///
    /// # Errors
    /// Fails if the path belongs to a link or a folder, or to a file that is kept. Also fails if no file can be created
    /// in the folder.
    pub(super) fn create(path: PathBuf, existing: Existing) -> Result<Self, SaveError> {
        let old = regular_file(&path)?;
        if old.is_some() && existing == Existing::Keep {
            return Err(SaveError::Exists);
        }
        let unfinished = Unfinished::create(super::unfinished::folder_of(&path), old.as_ref());
        Ok(Self { unfinished: Some(unfinished.map_err(SaveError::of_creating)?), path, existing })
    }

    /// Creates the unfinished file under a hidden name in the folder `hidden`, which must be on the file system of `path`.
    ///
    /// # Errors
    /// Fails as [`create`](Self::create) does.
    pub(super) fn create_hidden(hidden: &Path, path: PathBuf, existing: Existing) -> Result<Self, SaveError> {
        let old = regular_file(&path)?;
        if old.is_some() && existing == Existing::Keep {
            return Err(SaveError::Exists);
        }
        let unfinished = Unfinished::hidden(hidden, super::unfinished::mode(old.as_ref()));
        Ok(Self { unfinished: Some(unfinished.map_err(SaveError::of_creating)?), path, existing })
    }

    /// Returns the open file of the draft.
    pub(super) fn file(&self) -> io::Result<Arc<File>> {
        Ok(self.unfinished.as_ref().ok_or_else(gone)?.file().clone())
    }

    /// Removes the file.
    pub(super) fn discard(mut self) {
        drop(self.unfinished.take());
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// Fails if the name belongs to something that is not replaced, or if the file system refuses the name.
    pub(super) fn name(mut self) -> Result<Named, SaveError> {
        let _turn =
            self.existing_version().map(|_| CONDITIONAL.lock().unwrap_or_else(PoisonError::into_inner));
        let old = regular_file(&self.path)?;
        if self.existing_version().is_some_and(|version| old.as_ref().map(FileVersion::of) != Some(version)) {
            return Err(SaveError::Changed);
        }
        let replaced = old.map_or(0, |old| old.len());
        self.unfinished.take().ok_or_else(gone)?.name(&self.path, self.existing)?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Named { name, replaced })
    }

    /// Returns the only version that the file may replace; `None` if there is no such condition.
    fn existing_version(&self) -> Option<FileVersion> {
        match self.existing {
            Existing::Unchanged(version) => Some(version),
            Existing::Replace | Existing::Keep | Existing::Overwrite => None,
        }
    }
}

/// The lock that is held from the comparison of versions until the new file has its name, so that two bodies never
/// replace the same version.
static CONDITIONAL: Mutex<()> = Mutex::new(());

fn gone() -> io::Error {
    io::Error::other("the unfinished file is gone")
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(unfinished) = self.unfinished.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn_blocking(move || drop(unfinished));
        }
    }
}
