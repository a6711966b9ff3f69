//! The unfinished file of a body, which does not have its final name yet.
//!
//! If the file system supports it, the file is unnamed (O_TMPFILE in open(2)): the kernel frees the file, however the
//! process ends. Otherwise the file has a hidden, random name, which is removed when the value is dropped.

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

/// The number of random characters in a hidden name, out of 62 different ones: enough that two processes never choose
/// the same name.
const RANDOM: usize = 16;

/// The permissions of a new file, which the umask reduces.
const MODE: u32 = 0o666;

/// The permissions of the owner of a hidden file. Without them, a later process of the same user could not open the file
/// to find that it is abandoned.
const OWNER: u32 = 0o600;

/// The permission bits that a file keeps from the file that it replaces. The setuid, setgid and sticky bits are
/// dropped.
pub(super) const PERMISSIONS: u32 = 0o777;

/// The number of attempts to create and lock a hidden file. Between creating and locking, another process may remove
/// the file as abandoned.
const ATTEMPTS: u32 = 3;

/// A file without its final name. Dropping this value removes the file, which may wait for the disk.
#[derive(Debug)]
pub(super) struct Unfinished {
    file: Arc<File>,
    name: FileName,
}

/// The name of an unfinished file.
#[derive(Debug)]
enum FileName {
    /// The file has no name (O_TMPFILE).
    Unnamed,
    /// The file has a hidden, random name.
    Hidden(TempPath),
}

impl Unfinished {
    /// Creates a file in a folder, which need not be readable. Other users' permissions do not exceed those of the file
    /// that it will replace.
    pub(super) fn create(folder: &Path, replaced: Option<&Metadata>) -> io::Result<Self> {
        let mode = mode(replaced);
        match unnamed(folder, mode) {
            Some(file) => Ok(Self { file: Arc::new(file), name: FileName::Unnamed }),
            None => Self::hidden(folder, mode),
        }
    }

    /// Creates a file under a hidden name, locked against [`remove_abandoned`](super::abandoned::remove_abandoned). Its
    /// owner may always read and write it; [`name`](Self::name) takes over the permissions of a replaced file.
    pub(super) fn hidden(folder: &Path, mode: u32) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(mode | OWNER);
            // tempfile's own functions add the path to an error, which must not be shown to a client.
            let named = names().make_in(absolute(folder)?, |path| options.open(path))?;
            let (file, path) = named.into_parts();
            lock(&file)?;
            // Another process may have removed the file before the file was locked.
            if file.metadata()?.nlink() > 0 {
                return Ok(Self { file: Arc::new(file), name: FileName::Hidden(path) });
            }
        }
        Err(io::Error::other("another process removes new files"))
    }

    /// Returns the open file, which other threads may share.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Gives the file its name. `existing` determines the treatment of an earlier file with that name. The new file
    /// takes over the permissions and the owner of the earlier one.
    pub(super) fn name(self, path: &Path, existing: Existing) -> Result<(), SaveError> {
        let old = super::folder::regular_file(path)?;
        if let Some(old) = &old {
            take_over(&self.file, old);
        }
        let Self { file, name } = self;
        let named = match (name, existing) {
            (FileName::Unnamed, Existing::Keep) => link(&file, path),
            (FileName::Unnamed, _) => match link(&file, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => replace(&file, path),
                linked => linked,
            },
            (FileName::Hidden(hidden), Existing::Keep) => {
                hidden.persist_noclobber(path).map_err(|error| error.error)
            }
            (FileName::Hidden(hidden), _) => hidden.persist(path).map_err(|error| error.error),
        };
        match named {
            Err(error) if existing == Existing::Overwrite && old.is_some() && is_irreplaceable(&error) => {
                overwrite(&file, path).map_err(SaveError::of_creating)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(SaveError::Exists),
            Err(error) => Err(SaveError::of_creating(error)),
            Ok(()) => sync_folder(&file, path).map_err(SaveError::of_creating),
        }
    }
}

/// Returns the permissions of a new file, which do not exceed those of the file that it will replace.
pub(super) fn mode(replaced: Option<&Metadata>) -> u32 {
    replaced.map_or(MODE, |replaced| replaced.mode() & MODE)
}

/// Creates an unnamed file. `None` if the file system does not support such files, or if `/proc`, through which
/// linkat(2) names the file, is not available.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path, mode: u32) -> Option<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).mode(mode).custom_flags(libc::O_TMPFILE).open(folder).ok()?;
    let (seen, own) = (fs::metadata(in_proc(&file)).ok()?, file.metadata().ok()?);
    ((seen.dev(), seen.ino()) == (own.dev(), own.ino())).then_some(file)
}

/// Returns `None` always: only Linux has unnamed files.
#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path, _: u32) -> Option<File> {
    None
}

fn in_proc(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Gives an unnamed file the path `path`, which must be free.
fn link(file: &File, path: &Path) -> io::Result<()> {
    Ok(linkat(CWD, in_proc(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Gives an unnamed file a path that another file has. The kernel links to free names only, so the file gets a hidden
/// name first and is then renamed.
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

/// Locks a hidden file, which marks the file as in use. On a file system without locks, only the age of the file
/// protects it from removal.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process has locked the new file")),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Gives `file` the permissions and the owner of the old file, as far as this process has the right.
pub(super) fn take_over(file: &File, old: &Metadata) {
    let Ok(own) = file.metadata() else { return };
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        let _ =
            fchown(file, Some(old.uid()), Some(old.gid())).or_else(|_| fchown(file, None, Some(old.gid())));
    }
    let _ = file.set_permissions(Permissions::from_mode(old.mode() & PERMISSIONS));
}

/// Returns whether an error means that a name cannot be given to another file. The name is then a mount point (EBUSY),
/// or its folder has the sticky bit or no write permission.
fn is_irreplaceable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::PermissionDenied)
}

/// Copies a whole body into an existing file, and flushes that file.
fn overwrite(mut body: &File, path: &Path) -> io::Result<()> {
    io::Seek::rewind(&mut body)?;
    let mut target =
        OpenOptions::new().write(true).truncate(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    io::copy(&mut body, &mut target)?;
    target.sync_all()
}

/// Flushes the folder of a named file. Without this flush, a power cut may lose the name. If the folder is not readable
/// and cannot be opened, the whole file system is flushed.
fn sync_folder(file: &File, path: &Path) -> io::Result<()> {
    match File::open(folder_of(path)) {
        Ok(folder) => match folder.sync_all() {
            // Some network file systems do not support flushing a folder, and need not do it.
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

/// Returns the folder of a path; `.` for a bare file name.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the absolute form of a path without reading the disk. A hidden file is then found again if the working
/// folder changes.
fn absolute(folder: &Path) -> io::Result<PathBuf> {
    std::path::absolute(folder)
}
