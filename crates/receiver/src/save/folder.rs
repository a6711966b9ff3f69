//! The folder of saved bodies. Complete files have their names, and unfinished files have none.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Semaphore;

use super::{
    Quota, SafeName, SaveError, abandoned, claim::Claim, quota::Ledger, room::Room, unfinished::Unfinished,
};

/// A folder in which bodies are saved. Clones share one bound on the memory of unfinished bodies, and one quota.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    wide_places: Arc<Semaphore>,
    ledger: Option<Arc<Ledger>>,
}

impl Folder {
    /// Opens a folder. Waits for the disk.
    ///
    /// # Errors
    /// Fails if the folder does not exist, or no file can be created in it.
    pub fn open(path: &Path) -> io::Result<Self> {
        drop(Unfinished::create(path, None)?);
        Ok(Self::unchecked(path))
    }

    /// The name of the hidden folder, below a folder of saved bodies, for the files of partial bodies.
    pub const PARTIAL: &str = ".longhaul-partial";

    /// Returns the path of the folder for partial bodies, and creates the folder if it is missing. Waits for the disk.
    pub(super) fn partial(&self) -> io::Result<PathBuf> {
        let path = self.path.join(Self::PARTIAL);
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // Another user may have created a link under this name.
        if fs::symlink_metadata(&path)?.is_dir() {
            Ok(path)
        } else {
            Err(io::Error::other(format!("{} is not a folder", Self::PARTIAL)))
        }
    }

    /// Creates a folder without checking that it exists.
    pub(super) fn unchecked(path: &Path) -> Self {
        let wide_places = Arc::new(Semaphore::new(Room::WIDE_PLACES));
        Self { path: path.to_owned(), wide_places, ledger: None }
    }

    /// Removes the files that killed processes left behind: partial bodies, and unfinished files on file systems without
    /// unnamed files. The files of running processes stay. Waits for the disk.
    ///
    /// # Errors
    /// Fails if the folder cannot be read.
    pub fn remove_abandoned(&self) -> io::Result<()> {
        abandoned::remove_partial(&self.path.join(Self::PARTIAL))?;
        abandoned::remove_abandoned(&self.path)
    }

    /// Sets the quota of the folder. Files that are already in the folder count. Waits for the disk.
    ///
    /// # Errors
    /// Fails if the folder cannot be read.
    pub fn with_quota(self, quota: Quota) -> io::Result<Self> {
        let ledger = Some(Arc::new(Ledger::open(self.path.clone(), quota)?));
        Ok(Self { ledger, ..self })
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Claims the share of a body in the quota; `None` without a quota. Waits for the disk.
    pub(super) fn claim(&self, announced: Option<u64>) -> Result<Option<Claim>, SaveError> {
        self.ledger.clone().map(|ledger| Claim::of(ledger, announced)).transpose()
    }

    /// Returns the memory that a body which begins now may fill ahead of the disk.
    pub(super) fn room(&self) -> Room {
        Room::of(&self.wide_places)
    }

    /// Opens a saved file for reading, without following a symbolic link or waiting for the writer of a pipe. Waits for
    /// the disk.
    ///
    /// # Errors
    /// Fails if the file does not exist, is a link or a folder, or cannot be read.
    pub fn read(&self, name: &SafeName) -> Result<File, SaveError> {
        let path = self.path.join(name.as_str());
        regular_file(&path)?.ok_or(SaveError::Missing)?;
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(SaveError::NotAFile) }
    }
}

/// Returns the metadata of the regular file at `path`; `None` if nothing is there. Fails for anything else, such as a
/// symbolic link.
pub(super) fn regular_file(path: &Path) -> Result<Option<Metadata>, SaveError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(SaveError::Symlink),
        Ok(metadata) if !metadata.is_file() => Err(SaveError::NotAFile),
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
