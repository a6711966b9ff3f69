//! A folder that uploads are saved into: whole files under their names, everything else hidden.

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

/// How the names of unfinished files begin and end.
const PREFIX: &str = ".longhaul-";
const SUFFIX: &str = ".part";

/// Tells apart the unfinished files of one process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder that is saved into.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    wide_places: Arc<Semaphore>,
}

impl Folder {
    /// Opens a folder for saving, and removes what a killed server left unfinished in it. What another
    /// running server is writing is locked, and stays.
    ///
    /// # Errors
    /// It is not there, or cannot be written.
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

    /// Refuses a name that a symbolic link or a folder stands under.
    pub(super) fn assert_free(&self, name: &SafeName) -> Result<(), SaveError> {
        match fs::symlink_metadata(self.path.join(name.as_str())) {
            Ok(metadata) if metadata.is_symlink() => Err(SaveError::Symlink),
            Ok(metadata) if !metadata.is_file() => Err(SaveError::NotAFile),
            _ => Ok(()),
        }
    }

    /// Begins an unfinished file, which only its owner may read, and which is locked while it is open.
    pub(super) fn begin(&self) -> io::Result<Unfinished> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{PREFIX}{}-{number}{SUFFIX}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let unfinished = Unfinished { file: Arc::new(file), path, finished: false };
        match unfinished.file.try_lock() {
            Ok(()) => Ok(unfinished),
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => Err(io::Error::other("a new file is locked already")),
        }
    }

    /// What an upload that begins now may fill ahead of the disk.
    pub(super) fn room(&self) -> Room {
        Room::of(&self.wide_places)
    }

    /// Opens a saved file for reading; a symbolic link is not followed.
    ///
    /// # Errors
    /// It is not there, is a link or a folder, or cannot be read.
    pub fn read(&self, name: &SafeName) -> Result<File, SaveError> {
        self.assert_free(name)?;
        let path = self.path.join(name.as_str());
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path).map_err(SaveError::from)
    }
}

/// Removes an unfinished file that nobody holds the lock of. One that cannot be removed is only hidden.
fn remove_if_abandoned(path: &Path) {
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(path);
    if file.is_ok_and(|file| file.try_lock().is_ok()) {
        let _ = fs::remove_file(path);
    }
}

/// A file that has not got its name yet; dropping it removes it.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) file: Arc<File>,
    path: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// Gives the file its name, once all its bytes are on the disk. Of two with one name the last one wins.
    pub(super) fn finish(mut self, folder: &Folder, name: &SafeName) -> Result<(), SaveError> {
        // Gives back what was reserved and not needed.
        self.file.set_len(self.file.metadata()?.len())?;
        self.file.sync_all()?;
        folder.assert_free(name)?;
        fs::rename(&self.path, folder.path.join(name.as_str()))?;
        self.finished = true;
        // The name itself is on the disk once the folder is.
        File::open(&folder.path)?.sync_all()?;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed now is removed by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}
