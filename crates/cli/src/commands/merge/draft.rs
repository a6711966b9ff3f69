//! The folder in which a merge is written before it appears under its name.
//!
//! The draft stands beside the result, so that a rename moves it, and is locked while its process lives. The lock
//! distinguishes the draft of a running merge from that of a killed process, which the next merge into the same folder
//! takes over.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::exit::Usage;

/// A draft of a folder of results. It is removed when the value is dropped.
pub(super) struct Draft<'a> {
    output: &'a Path,
    path: PathBuf,
    _lock: File,
}

impl<'a> Draft<'a> {
    /// Creates the draft of a folder, which must not exist.
    pub(super) fn of(output: &'a Path) -> anyhow::Result<Self> {
        let path = beside(output);
        fs::create_dir_all(parent(output)).with_context(|| unwritable(output))?;
        loop {
            let lock = locked(&path, output)?;
            // Since the draft was opened, another merge may have removed or replaced it.
            if is_at(&lock, &path) {
                let draft = Self { output, path, _lock: lock };
                draft.check_output()?;
                remove(&draft.folder()).with_context(|| unwritable(output))?;
                return Ok(draft);
            }
        }
    }

    /// Returns the path of the folder before it has its name.
    pub(super) fn folder(&self) -> PathBuf {
        self.path.join("merged")
    }

    /// Moves the folder to its name.
    pub(super) fn publish(self) -> anyhow::Result<()> {
        self.check_output()?;
        fs::rename(self.folder(), self.output).with_context(|| unwritable(self.output))
    }

    fn check_output(&self) -> Result<(), Usage> {
        check_free(self.output)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // If this fails, the next merge into the same folder removes the draft.
        let _ = remove(&self.path);
    }
}

/// Checks that nothing exists at the path of the output.
pub(super) fn check_free(output: &Path) -> Result<(), Usage> {
    // A symbolic link without a target counts as well.
    match fs::symlink_metadata(output) {
        Err(_) => Ok(()),
        Ok(_) => {
            let text = format!("{} exists already; use another folder (--output)", output.display());
            Err(Usage::new(text))
        }
    }
}

/// Returns the folder that holds a path.
pub(super) fn parent(output: &Path) -> &Path {
    output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the message of a result that cannot be written.
pub(super) fn unwritable(output: &Path) -> String {
    format!("cannot write results into {}", output.display())
}

/// Returns the path of the draft of a folder: a hidden name beside it.
fn beside(output: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(output.file_name().unwrap_or_default());
    name.push(".merging");
    parent(output).join(name)
}

/// Opens and locks the folder of a draft, and creates it if there is none.
fn locked(path: &Path, output: &Path) -> anyhow::Result<File> {
    let opened = || match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(path),
    };
    let folder = loop {
        match opened() {
            // Another merge removed its draft meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound && parent(output).exists() => {}
            folder => break folder.with_context(|| unwritable(output))?,
        }
    };
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => {
            let text = format!(
                "another merge is writing {}; wait for it, or use another folder (--output)",
                output.display()
            );
            Err(Usage::new(text).into())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| unwritable(output)),
    }
}

/// Returns whether an open folder still has this path.
fn is_at(folder: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let [opened, named] = [folder.metadata(), fs::symlink_metadata(path)].map(|found| found.map(identity));
    opened.is_ok_and(|opened| named.is_ok_and(|named| opened == named))
}

/// Removes a folder, which need not exist.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_locked_while_it_lives_and_taken_over_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        let draft = Draft::of(&output).unwrap();
        fs::create_dir(draft.folder()).unwrap();
        let refused = Draft::of(&output).err().unwrap();
        assert!(
            refused.is::<Usage>() && refused.to_string().starts_with("another merge is writing "),
            "{refused}"
        );
        assert!(Draft::of(&folder.path().join("other")).is_ok());
        drop(draft);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // A killed process leaves its files, but no lock.
        fs::create_dir_all(beside(&output).join("merged/part")).unwrap();
        let draft = Draft::of(&output).unwrap();
        assert!(!draft.folder().exists());
        fs::create_dir(draft.folder()).unwrap();
        draft.publish().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Draft::of(&output).err().unwrap().to_string().contains("exists already"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_in_the_place_of_a_draft_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        fs::write(beside(&output), "").unwrap();
        let error = Draft::of(&output).err().unwrap();
        assert!(!error.is::<Usage>(), "{error}");
    }
}
