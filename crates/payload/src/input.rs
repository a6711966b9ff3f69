//! The origins of a body that is read: files, devices, pipes and standard input.

#[cfg(unix)]
use std::os::unix::fs::FileTypeExt as _;
use std::{
    fs::{self, File, FileType},
    io::{self, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use crate::PayloadError;

/// The origin of the bytes of a body that is read.
#[derive(Debug)]
pub(crate) enum Input {
    /// A regular file or a block device, which the kernel reads ahead into the page cache.
    File(File),
    /// A pipe or a character device that is opened at the first read, because opening a pipe waits for its writer.
    Unopened(PathBuf),
    /// An open pipe or character device.
    Stream(File),
    Stdin(io::Stdin),
}

impl Input {
    /// Returns the input at a path. Only a regular file or a block device is opened at once.
    pub(crate) fn open(path: &Path) -> Result<Self, PayloadError> {
        let unreadable = |source| PayloadError::Unreadable { path: path.to_owned(), source };
        let kind = fs::metadata(path).map_err(unreadable)?.file_type();
        if kind.is_dir() {
            return Err(PayloadError::Folder { path: path.to_owned() });
        }
        if kind.is_file() || is_block_device(kind) {
            Ok(Self::File(File::open(path).map_err(unreadable)?))
        } else {
            Ok(Self::Unopened(path.to_owned()))
        }
    }
}

#[cfg(unix)]
fn is_block_device(kind: FileType) -> bool {
    kind.is_block_device()
}

#[cfg(not(unix))]
fn is_block_device(_: FileType) -> bool {
    false
}

impl Input {
    /// Sets the position of the next read, from the start of the file at `path`.
    ///
    /// # Errors
    /// Fails if the input is no regular file and no block device.
    pub(crate) fn seek(&mut self, path: &Path, offset: u64) -> Result<(), PayloadError> {
        let Self::File(file) = self else { return Err(PayloadError::NoPositions { path: path.to_owned() }) };
        let sought = file.seek(SeekFrom::Start(offset));
        sought.map(drop).map_err(|source| PayloadError::Unreadable { path: path.to_owned(), source })
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Unopened(path) = self {
            *self = Self::Stream(File::open(path)?);
        }
        match self {
            Self::File(file) | Self::Stream(file) => file.read(buffer),
            Self::Stdin(stdin) => stdin.read(buffer),
            Self::Unopened(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Returns the length of a file or a block device in bytes. `None` for pipes, character devices, and files whose
/// content the kernel generates, whose length is unknown until their end.
///
/// # Errors
/// Fails if the path leads to a folder, or cannot be opened.
pub(crate) fn size(path: &Path) -> Result<Option<u64>, PayloadError> {
    let Input::File(mut file) = Input::open(path)? else { return Ok(None) };
    let mut size = || -> io::Result<Option<u64>> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return file.seek(SeekFrom::End(0)).map(Some);
        }
        if metadata.len() > 0 && !is_made_up(&file) {
            return Ok(Some(metadata.len()));
        }
        // Files in /proc state a length of 0, and files in /sys too large a length.
        let is_empty = file.read(&mut [0])? == 0;
        Ok(is_empty.then_some(0))
    };
    let unreadable = |source| PayloadError::Unreadable { path: path.to_owned(), source };
    size().map_err(unreadable)
}

/// Returns whether a file is on a file system whose content the kernel generates on reading (linux/magic.h).
#[cfg(target_os = "linux")]
fn is_made_up(file: &File) -> bool {
    /// The magic numbers of proc, sysfs, debugfs, tracefs and cgroup2.
    const MADE_UP: [u64; 5] = [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x6367_7270];
    rustix::fs::fstatfs(file)
        .is_ok_and(|system| u64::try_from(system.f_type).is_ok_and(|kind| MADE_UP.contains(&kind)))
}

#[cfg(not(target_os = "linux"))]
fn is_made_up(_: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_a_length_and_pipes_devices_and_made_up_files_have_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(size(file.path()).unwrap(), Some(0));
        file.as_file().set_len(123).unwrap();
        assert_eq!(size(file.path()).unwrap(), Some(123));
        for path in ["/dev/zero", "/proc/self/status"] {
            assert_eq!(size(Path::new(path)).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn a_pipe_is_not_opened_for_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        // Opening the pipe would wait for a writer.
        assert_eq!(size(&pipe).unwrap(), None);
        assert!(matches!(Input::open(&pipe).unwrap(), Input::Unopened(_)));
    }
}
