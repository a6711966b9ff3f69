//! The way to the file that a path names: through symbolic links, to something that is replaced or written to.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The most symbolic links that are followed, as in the kernel (MAXSYMLINKS in linux/namei.h).
const MAX_LINKS: u32 = 40;

/// The sticky bit, and the permission of everybody to write (S_ISVTX and S_IWOTH in inode(7)).
const SHARED: u32 = 0o1002;

/// The way to write a file.
#[derive(Debug)]
pub(crate) enum Route {
    /// The path of a regular file, or of none, without symbolic links.
    Replace(PathBuf),
    /// A pipe or a device.
    Stream(File),
    /// A file that this process has open already, such as `/dev/fd/3`.
    Append(File),
}

impl Route {
    /// Finds the way to a file. Waits for the disk, and for the reader of a pipe.
    ///
    /// # Errors
    /// Fails if the path does not lead to a file that can be written.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Some(metadata),
            Ok(_) => return OpenOptions::new().write(true).open(path).map(Self::Stream),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let target = resolve(path)?;
        match found {
            // The links of /proc lead to open files, whatever name they have.
            Some(found) if !is_same(&target, &found) || target.starts_with("/proc") => {
                OpenOptions::new().append(true).open(path).map(Self::Append)
            }
            _ => Ok(Self::Replace(target)),
        }
    }

    /// Opens an existing regular file, and empties it.
    pub(crate) fn overwrite(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).truncate(true).custom_flags(libc::O_NOFOLLOW).open(path)
    }
}

/// Follows the symbolic links at the end of a path, to a path that may not exist. A path that leads through `/proc`
/// stays there.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let link = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => metadata,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(path),
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        if fs::canonicalize(folder).is_ok_and(|folder| folder.starts_with("/proc")) {
            return Ok(Path::new("/proc").join("self"));
        }
        check_owner(&link, folder)?;
        path = folder.join(fs::read_link(&path)?);
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

/// Refuses a link that somebody else may have laid, as fs.protected_symlinks in proc_sys_fs(5) does: in a folder where
/// everybody may create files, it must belong to this user or to the owner of the folder.
fn check_owner(link: &Metadata, folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = fs::metadata(folder)?;
    let own = rustix::process::geteuid().as_raw();
    let is_shared = folder.mode() & SHARED == SHARED;
    if is_shared && link.uid() != own && link.uid() != folder.uid() {
        let reason = "the symbolic link belongs to another user";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    Ok(())
}

fn is_same(path: &Path, metadata: &Metadata) -> bool {
    fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::{fd::AsRawFd as _, unix::fs::symlink};

    use super::*;

    #[test]
    fn links_lead_to_the_file_or_the_place_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        symlink("file", path("link")).unwrap();
        symlink(path("link"), path("chain")).unwrap();
        symlink("missing", path("dangling")).unwrap();
        symlink("loop", path("loop")).unwrap();
        for (name, target) in [("file", "file"), ("chain", "file"), ("dangling", "missing"), ("none", "none")]
        {
            let Route::Replace(found) = Route::of(&path(name)).unwrap() else { panic!("{name}") };
            assert_eq!(found, path(target));
        }
        assert!(Route::of(&path("loop")).is_err());
    }

    #[test]
    fn an_open_file_is_appended_to_and_a_device_written() {
        let file = tempfile::tempfile().unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert!(matches!(Route::of(Path::new(&path)).unwrap(), Route::Append(_)));
        assert!(matches!(Route::of(Path::new("/dev/null")).unwrap(), Route::Stream(_)));
    }
}
