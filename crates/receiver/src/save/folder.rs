//! The folder of saved bodies: complete files under their names, unfinished ones hidden.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Semaphore;

use super::{SafeName, SaveError, room::Room};

/// The prefix of the names of unfinished files. The dot hides them.
const PREFIX: &str = ".longhaul-";

/// The suffix of the names of unfinished files.
const SUFFIX: &str = ".part";

/// The number of the next unfinished file of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder that bodies are saved in. Clones share one bound on the memory of unfinished bodies.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    wide_places: Arc<Semaphore>,
}

impl Folder {
    /// Opens a folder, and removes the unfinished files of a process that was killed. The files of another running
    /// process are locked and stay.
    ///
    /// # Errors
    /// The folder does not exist, or cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
                remove_if_abandoned(&entry.path());
            }
        }
        let folder = Self { path: path.to_owned(), wide_places: Arc::new(Semaphore::new(Room::WIDE_PLACES)) };
        drop(folder.begin()?);
        Ok(folder)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a name that belongs to anything but a regular file, such as a symbolic link.
    pub(super) fn check_name(&self, name: &SafeName) -> Result<(), SaveError> {
        match fs::symlink_metadata(self.path.join(name.as_str())) {
            Ok(metadata) if metadata.is_symlink() => Err(SaveError::Symlink),
            Ok(metadata) if !metadata.is_file() => Err(SaveError::NotAFile),
            _ => Ok(()),
        }
    }

    /// Creates an unfinished file. Only its owner may read it, and it is locked while it is open.
    pub(super) fn begin(&self) -> io::Result<Unfinished> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{PREFIX}{}-{number}{SUFFIX}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let unfinished = Unfinished { file: Arc::new(file), path, finished: false };
        match unfinished.file.try_lock() {
            Ok(()) => Ok(unfinished),
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => Err(io::Error::other("another process has locked the new file")),
        }
    }

    /// The memory that a body may fill ahead of the disk if it begins now.
    pub(super) fn room(&self) -> Room {
        Room::of(&self.wide_places)
    }

    /// Opens a saved file for reading, without following a symbolic link.
    ///
    /// # Errors
    /// The file does not exist, is a link or a folder, or cannot be read.
    pub fn read(&self, name: &SafeName) -> Result<File, SaveError> {
        self.check_name(name)?;
        let path = self.path.join(name.as_str());
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path).map_err(SaveError::from)
    }
}

/// Removes an unfinished file whose lock no process holds. A file that cannot be removed stays hidden.
fn remove_if_abandoned(path: &Path) {
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(path);
    if file.is_ok_and(|file| file.try_lock().is_ok()) {
        let _ = fs::remove_file(path);
    }
}

/// A file without its name. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) file: Arc<File>,
    path: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// Gives the file its name once all its bytes are on the disk. A later file replaces an earlier one of that name.
    pub(super) fn finish(mut self, folder: &Folder, name: &SafeName) -> Result<(), SaveError> {
        // Returns the disk space that was reserved and not needed.
        self.file.set_len(self.file.metadata()?.len())?;
        self.file.sync_all()?;
        folder.check_name(name)?;
        fs::rename(&self.path, folder.path.join(name.as_str()))?;
        self.finished = true;
        // The name is on the disk only when the folder is.
        File::open(&folder.path)?.sync_all()?;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // A file that cannot be removed now is removed by the next `Folder::open`.
            let _ = fs::remove_file(&self.path);
        }
    }
}
