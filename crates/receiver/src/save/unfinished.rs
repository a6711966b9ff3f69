//! A file that has no name of its own yet.
//!
//! Where the file system has them, it is an unnamed file (O_TMPFILE in open(2)): whatever ends the process, the kernel
//! frees it. Elsewhere it has a hidden, random name, which is removed when the file is dropped.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError},
    io,
    os::{
        fd::{AsFd, AsRawFd as _},
        unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, CWD, linkat},
    io::Errno,
};
use tempfile::TempPath;

use super::{Existing, SaveError};

/// The prefix of the names of unfinished files. The dot hides them.
pub(super) const PREFIX: &str = ".longhaul-";

/// The suffix of the names of unfinished files.
pub(super) const SUFFIX: &str = ".part";

/// The random characters of such a name, out of 62: enough that no two processes choose one name.
const RANDOM: usize = 16;

/// The permissions of a new file, which the umask reduces.
const MODE: u32 = 0o666;

/// The permission bits of an old file that its replacement keeps. The setuid, setgid and sticky bits are dropped.
const PERMISSIONS: u32 = 0o777;

/// The attempts to create and lock a hidden file. Between the two, another process may remove the file as abandoned.
const ATTEMPTS: u32 = 3;

/// A file without its name. Dropping it removes it, which may wait for the disk.
#[derive(Debug)]
pub(super) struct Unfinished {
    file: Arc<File>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Unnamed,
    Hidden(TempPath),
}

impl Unfinished {
    /// Creates a file in a folder, which need not be readable. Its permissions are within those of the file that it is
    /// to replace.
    pub(super) fn create(folder: &Path, replaced: Option<&Metadata>) -> io::Result<Self> {
        let mode = replaced.map_or(MODE, |replaced| replaced.mode() & MODE);
        match unnamed(folder, mode) {
            Some(file) => Ok(Self { file: Arc::new(file), place: Place::Unnamed }),
            None => Self::hidden(folder, mode),
        }
    }

    /// Creates a file under a hidden name, locked against [`remove_abandoned`](super::abandoned::remove_abandoned).
    pub(super) fn hidden(folder: &Path, mode: u32) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(mode);
            // tempfile's own functions add the path to an error, which is no stranger's business.
            let named = names().make_in(absolute(folder)?, |path| options.open(path))?;
            let (file, path) = named.into_parts();
            lock(&file)?;
            // Another process may have removed the file before it was locked.
            if file.metadata()?.nlink() > 0 {
                return Ok(Self { file: Arc::new(file), place: Place::Hidden(path) });
            }
        }
        Err(io::Error::other("another process removes new files"))
    }

    /// Returns the open file.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Flushes all bytes to the disk, and frees the space that was reserved and not needed.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.set_len(self.file.metadata()?.len())?;
        self.file.sync_all()
    }

    /// Gives the file its name. `existing` decides what becomes of an earlier file of that name, whose permissions and
    /// owner the file takes over.
    pub(super) fn name(self, path: &Path, existing: Existing) -> Result<(), SaveError> {
        let old = super::folder::regular_file(path)?;
        if let Some(old) = &old {
            take_over(&self.file, old);
        }
        let Self { file, place } = self;
        let named = match (place, existing) {
            (Place::Unnamed, Existing::Keep) => link(&file, path),
            (Place::Unnamed, _) => match link(&file, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => replace(&file, path),
                linked => linked,
            },
            (Place::Hidden(hidden), Existing::Keep) => {
                hidden.persist_noclobber(path).map_err(|error| error.error)
            }
            (Place::Hidden(hidden), _) => hidden.persist(path).map_err(|error| error.error),
        };
        match named {
            Err(error) if existing == Existing::Overwrite && old.is_some() && is_irreplaceable(&error) => {
                Ok(overwrite(&file, path)?)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(SaveError::Exists),
            Err(error) => Err(SaveError::of_creating(error)),
            Ok(()) => Ok(sync_folder(&file, path)?),
        }
    }
}

/// Returns an unnamed file, if the file system has such files and `/proc` gives access to them, which linkat(2) needs.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path, mode: u32) -> Option<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).mode(mode).custom_flags(libc::O_TMPFILE).open(folder).ok()?;
    let (seen, own) = (fs::metadata(in_proc(&file)).ok()?, file.metadata().ok()?);
    ((seen.dev(), seen.ino()) == (own.dev(), own.ino())).then_some(file)
}

/// Always `None`: only Linux has unnamed files.
#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path, _: u32) -> Option<File> {
    None
}

fn in_proc(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Names an unnamed file.
fn link(file: &File, path: &Path) -> io::Result<()> {
    Ok(linkat(CWD, in_proc(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Replaces a name: the kernel links to free names only, but renames over an existing one.
fn replace(file: &File, path: &Path) -> io::Result<()> {
    lock(file)?;
    let folder = absolute(folder_of(path))?;
    let hidden = names().make_in(folder, |hidden| link(file, hidden))?;
    hidden.into_temp_path().persist(path).map_err(|error| error.error)
}

/// Returns the pattern of hidden names.
fn names() -> tempfile::Builder<'static, 'static> {
    let mut names = tempfile::Builder::new();
    names.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    names
}

/// Locks a hidden file, which marks it as in use. Without locks in the file system, only its age protects it from
/// removal.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process has locked the new file")),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Takes over permissions and owner of a file, as far as this process may.
fn take_over(file: &File, old: &Metadata) {
    let Ok(own) = file.metadata() else { return };
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        let _ =
            fchown(file, Some(old.uid()), Some(old.gid())).or_else(|_| fchown(file, None, Some(old.gid())));
    }
    let _ = file.set_permissions(Permissions::from_mode(old.mode() & PERMISSIONS));
}

/// Returns whether a name cannot be given to another file: a mount point (EBUSY), or a folder with the sticky bit
/// or without write permission.
fn is_irreplaceable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::PermissionDenied)
}

/// Copies a whole body into an existing file.
fn overwrite(mut body: &File, path: &Path) -> io::Result<()> {
    io::Seek::rewind(&mut body)?;
    let mut target =
        OpenOptions::new().write(true).truncate(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    io::copy(&mut body, &mut target)?;
    target.sync_all()
}

/// Flushes the folder of a named file, without which the name may be lost. A folder that cannot be opened, because it
/// is not readable, is flushed with its whole file system.
fn sync_folder(file: &File, path: &Path) -> io::Result<()> {
    match File::open(folder_of(path)) {
        Ok(folder) => match folder.sync_all() {
            // Some network file systems have nothing to do for a folder.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        },
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => sync_file_system(file),
        Err(error) => Err(error),
    }
}

#[cfg(target_os = "linux")]
fn sync_file_system(file: impl AsFd) -> io::Result<()> {
    match rustix::fs::syncfs(file) {
        Err(Errno::NOSYS | Errno::PERM) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: impl AsFd) -> io::Result<()> {
    Ok(())
}

/// Returns the folder of a path.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns an absolute path without looking at the disk, so that a hidden file is found again from any working folder.
fn absolute(folder: &Path) -> io::Result<PathBuf> {
    std::path::absolute(folder)
}
