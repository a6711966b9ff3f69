//! The failure to save a body, or to read a saved one.

use std::io;

use super::NameError;

/// The failure to save a body, or to read a saved file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The name is not safe.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name belongs to a symbolic link.
    #[error("the name belongs to a symbolic link")]
    Symlink,
    /// The name belongs to a folder, a device or a pipe.
    #[error("the name belongs to something that is not a regular file")]
    NotAFile,
    /// A file with the name exists, and must not be replaced.
    #[error("a file of that name exists already, and is not replaced")]
    Exists,
    /// The file is no longer the version that was to be replaced.
    #[error("the file has changed meanwhile")]
    Changed,
    /// The disk is full, or the user's quota in the system is exhausted.
    #[error("the disk is full")]
    Full,
    /// The quota of the folder is exhausted.
    #[error("the storage quota of the folder is used up")]
    QuotaReached,
    /// The file is larger than the system allows (RLIMIT_FSIZE in getrlimit(2), or the file system's own limit).
    #[error("the file is larger than the system allows")]
    TooLarge,
    /// No file has the name.
    #[error("no file has that name")]
    Missing,
    /// An earlier failure has lost bytes of a partial body.
    #[error("bytes of the partial upload were lost")]
    Lost,
    /// The operating system reported another error.
    #[error("cannot save or read the file: {0}")]
    Io(#[source] io::Error),
}

impl SaveError {
    /// Converts the error of creating a file. Here `NotFound` means that the folder no longer exists, which is not the
    /// fault of the name.
    pub(super) fn of_creating(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Io(error) } else { error.into() }
    }
}

impl From<io::Error> for SaveError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::FileTooLarge => Self::TooLarge,
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_folder_that_is_gone_is_not_a_missing_file() {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        assert!(matches!(SaveError::from(gone()), SaveError::Missing));
        assert!(matches!(SaveError::of_creating(gone()), SaveError::Io(_)));
        assert!(matches!(SaveError::of_creating(io::ErrorKind::StorageFull.into()), SaveError::Full));
    }

    #[test]
    fn a_full_disk_and_a_file_that_is_too_large_are_distinguished() {
        let of = |errno| SaveError::from(io::Error::from_raw_os_error(errno));
        assert!(matches!(of(libc::ENOSPC), SaveError::Full));
        assert!(matches!(of(libc::EDQUOT), SaveError::Full));
        assert!(matches!(of(libc::EFBIG), SaveError::TooLarge));
    }

    #[test]
    fn the_error_of_the_operating_system_is_the_source() {
        let error = SaveError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(error.to_string(), "cannot save or read the file: permission denied");
        assert!(error.source().is_some_and(|source| source.is::<io::Error>()));
    }
}
