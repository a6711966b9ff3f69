//! The resolution of an output's path: through symbolic links, to a file that is replaced or written to.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The largest number of symbolic links that are followed, as in the kernel (MAXSYMLINKS in linux/namei.h).
const MAX_LINKS: u32 = 40;

/// The mode bits of a shared folder: the sticky bit, and write permission for everybody (S_ISVTX and S_IWOTH in
/// inode(7)).
const SHARED: u32 = 0o1002;

/// The way in which the file at a path is written.
#[derive(Debug)]
pub(crate) enum Route {
    /// The file is replaced. The path has no symbolic links, and leads to a regular file or to nothing.
    Replace(PathBuf),
    /// The bytes are dropped, because the file is the null device.
    Null,
    /// The pipe or device is written to.
    Stream(File),
    /// The file is appended to, because this process already has it open, as with `/dev/fd/3`.
    Append(File),
}

impl Route {
    /// Finds the way in which the file at a path is written. Waits for the disk, and for the reader of a pipe.
    ///
    /// # Errors
    /// Fails if the path does not lead to a file that can be written.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Some(metadata),
            Ok(metadata) if is_null(&metadata) => return Ok(Self::Null),
            Ok(_) => return OpenOptions::new().write(true).open(path).map(Self::Stream),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let target = resolve(path)?;
        match found {
            // The links in /proc lead to open files, whatever the names of these files.
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

/// Follows the symbolic links at the end of a path, and returns a path that may not exist. A path in `/proc` is
/// returned unchanged.
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

/// Refuses a link that another user may have created, as fs.protected_symlinks in proc_sys_fs(5) does. In a folder
/// where everybody may create files, a link must belong to this user or to the owner of the folder.
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

/// Returns whether a file is the null device, whose number depends on the system.
fn is_null(metadata: &Metadata) -> bool {
    let null = fs::metadata("/dev/null");
    let of_device = |of: &Metadata| (of.file_type().is_char_device(), of.rdev());
    metadata.file_type().is_char_device() && null.is_ok_and(|null| of_device(&null) == of_device(metadata))
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
    fn an_open_file_is_appended_to_and_a_device_written_unless_it_is_the_null_device() {
        let file = tempfile::tempfile().unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert!(matches!(Route::of(Path::new(&path)).unwrap(), Route::Append(_)));
        assert!(matches!(Route::of(Path::new("/dev/zero")).unwrap(), Route::Stream(_)));
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/dev/null", &link).unwrap();
        for path in [Path::new("/dev/null"), &link] {
            assert!(matches!(Route::of(path).unwrap(), Route::Null));
        }
    }
}
