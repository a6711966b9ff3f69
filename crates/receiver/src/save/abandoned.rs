//! The removal of files that a killed process left behind.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use super::unfinished::{PREFIX, SUFFIX};

/// The least age of an unfinished file that counts as abandoned. A running process has locked such an old file, or has
/// written to it more recently, because transfers without progress are ended earlier.
const AGE: Duration = Duration::from_secs(60);

/// Removes the unfinished files of processes that have ended. Locked and young files stay. Files that cannot be removed
/// stay, too, and remain hidden.
///
/// # Errors
/// Fails if the folder cannot be read.
pub(super) fn remove_abandoned(folder: &Path) -> io::Result<()> {
    for_each_unfinished(folder, |path| {
        remove_if(path, |file| {
            file.metadata().is_ok_and(|metadata| is_old_file(&metadata)) && !is_locked(file)
        })
    })
}

/// Removes the partial bodies of processes that have ended, however young they are. Also removes the folder `hidden` if
/// it is empty then. Locked files stay. On file systems without locks, young files stay as well. A missing folder is no
/// error.
///
/// # Errors
/// Fails if the folder cannot be read.
pub(super) fn remove_partial(hidden: &Path) -> io::Result<()> {
    // A link is not followed.
    if !fs::symlink_metadata(hidden).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    for_each_unfinished(hidden, |path| {
        remove_if(path, |file| match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => file.metadata().is_ok_and(|metadata| is_old_file(&metadata)),
        })
    })?;
    // A folder with files of running processes stays.
    let _ = fs::remove_dir(hidden);
    Ok(())
}

/// Calls `remove` with the path of each unfinished file in a folder.
fn for_each_unfinished(folder: &Path, remove: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes()) {
            // A file that cannot be removed stays hidden, so a failure is ignored.
            let _ = remove(&entry.path());
        }
    }
    Ok(())
}

/// Removes a regular file for which `is_abandoned` is true.
fn remove_if(path: &Path, is_abandoned: impl Fn(&File) -> bool) -> io::Result<()> {
    // A pipe or a device is not opened. If one replaces the file after this check, opening it does not block.
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    let file = open(path)?;
    if file.metadata()?.is_file() && is_abandoned(&file) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Opens a file for its lock. On some network file systems, only a writer may lock a file. A file that was about to get
/// its name may already have the permissions of a replaced file, which cannot be written to.
fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    match OpenOptions::new().write(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            OpenOptions::new().read(true).custom_flags(flags).open(path)
        }
        opened => opened,
    }
}

fn is_old_file(metadata: &Metadata) -> bool {
    // A time in the future comes from another machine's clock: the file counts as young.
    let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
    metadata.is_file() && age.is_some_and(|age| age >= AGE)
}

/// Returns whether another process holds the lock of a file. False on file systems without locks, where the age alone
/// decides.
fn is_locked(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::MetadataExt as _, time::SystemTime};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::save::unfinished::Unfinished;

    fn left_behind(folder: &Path, name: &str, age: Duration) {
        let file = File::create(folder.join(name)).unwrap();
        let modified = SystemTime::UNIX_EPOCH.elapsed().unwrap() - age;
        file.set_modified(SystemTime::UNIX_EPOCH + modified).unwrap();
    }

    fn left(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn old_files_are_removed_and_young_locked_and_foreign_ones_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        let old = AGE + Duration::from_secs(5);
        left_behind(folder, ".longhaul-1-0.part", old);
        left_behind(folder, ".longhaul-1-1.part", Duration::ZERO);
        left_behind(folder, ".other", old);
        left_behind(folder, "visible", old);
        let running = Unfinished::hidden(folder, 0o600).unwrap();
        let past = SystemTime::UNIX_EPOCH + (SystemTime::UNIX_EPOCH.elapsed().unwrap() - old);
        running.file().set_modified(past).unwrap();
        remove_abandoned(folder).unwrap();
        let left = left(folder);
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(!left.contains(&".longhaul-1-0.part".to_owned()), "{left:?}");
        drop(running);
    }

    #[test]
    fn a_hidden_file_can_be_opened_by_a_later_process_whatever_it_replaces() {
        let temporary = tempfile::tempdir().unwrap();
        for mode in [0o444, 0o040, 0o666] {
            let unfinished = Unfinished::hidden(temporary.path(), mode).unwrap();
            let given = unfinished.file().metadata().unwrap().mode();
            assert_eq!(given & 0o600, 0o600, "{mode:o} became {given:o}");
            assert_eq!(given & 0o077 & !mode, 0, "{mode:o} became {given:o}");
        }
    }

    #[test]
    fn a_pipe_with_the_name_of_an_unfinished_file_is_neither_opened_nor_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let pipe = temporary.path().join(".longhaul-1-0.part");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        remove_abandoned(temporary.path()).unwrap();
        assert_eq!(left(temporary.path()), [".longhaul-1-0.part"]);
    }
}
