//! The state of a resumable upload between runs of this program: the URL of its upload resource.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use payload::Hasher;
use receiver::save::FileVersion;
use record::{ByteSize, PayloadKind};
use serde::{Deserialize, Serialize};

/// The largest file of a state, in bytes.
const MOST: u64 = 64 << 10;

/// The file with the state of one upload. The file is locked while it is open, and removed at the end if it has no
/// facts.
#[derive(Debug)]
pub(crate) struct UploadState {
    path: PathBuf,
    file: File,
    facts: Option<UploadFacts>,
}

/// The facts that a later run needs to continue an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadFacts {
    /// The target without secrets, as information for a person.
    pub(crate) url: String,
    /// The URL of the upload resource.
    pub(crate) resource: String,
    /// The identity of the content. Each version of a file has another identity.
    pub(crate) content: String,
}

impl UploadState {
    /// Opens or creates the state of the upload of `name` to `url` in a folder, which is created if it is missing. Blocks
    /// the thread.
    ///
    /// # Errors
    /// Fails if the file cannot be opened, or is open in another process.
    pub(crate) fn open(folder: &Path, url: &str, name: &str) -> io::Result<Self> {
        // The URL of an upload resource is a secret: whoever has it can continue the upload.
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(format!("{}.json", digest(&format!("{url}\n{name}"))));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process sends it")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut text = Vec::new();
        // An incompletely written text has no facts.
        let facts = match (&mut file).take(MOST).read_to_end(&mut text) {
            Ok(_) => serde_json::from_slice(&text).ok(),
            Err(_) => None,
        };
        Ok(Self { path, file, facts })
    }

    /// Returns the URL of the upload resource for this content; `None` if none is known.
    pub(crate) fn resource(&self, content: &str) -> Option<&str> {
        self.facts.as_ref().filter(|facts| facts.content == content).map(|facts| facts.resource.as_str())
    }

    /// Stores the facts of an upload. Blocks the thread.
    ///
    /// # Errors
    /// Fails if the disk is full.
    pub(crate) fn store(&mut self, facts: UploadFacts) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&serde_json::to_vec(&facts)?)?;
        self.facts = Some(facts);
        Ok(())
    }

    /// Forgets the upload: the file is removed when this value is dropped.
    pub(crate) fn forget(&mut self) {
        self.facts = None;
    }
}

impl Drop for UploadState {
    fn drop(&mut self) {
        if self.facts.is_none() {
            // If the file stays, a later run asks the server for its upload resource, which the server no longer knows.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Returns the name and the identity of the content of a payload. The identity of a file changes with its version.
///
/// # Errors
/// Fails if the payload is a file that cannot be read.
pub(crate) fn identity(
    payload: &PayloadKind,
    seed: u64,
    size: Option<ByteSize>,
) -> io::Result<(String, String)> {
    let PayloadKind::File(path) = payload else {
        let name = format!("{payload} {seed} {}", size.unwrap_or_default().0);
        return Ok((name.clone(), name));
    };
    let path = fs::canonicalize(path)?;
    let version = FileVersion::of(&fs::metadata(&path)?).to_bytes();
    let version = version.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((path.to_string_lossy().into_owned(), version))
}

fn digest(text: &str) -> String {
    let mut hasher = Hasher::new();
    hasher.update(text.as_bytes());
    hasher.digest().to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn facts(content: &str) -> UploadFacts {
        UploadFacts { url: "u".into(), resource: "http://x/r".into(), content: content.into() }
    }

    #[test]
    fn a_state_belongs_to_one_url_and_one_version_of_the_content() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("a/b");
        let mut state = UploadState::open(&folder, "http://x/", "file").unwrap();
        assert!(UploadState::open(&folder, "http://x/", "file").unwrap_err().to_string().contains("another"));
        assert_eq!(state.resource("1"), None);
        state.store(facts("1")).unwrap();
        drop(state);
        let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mut state = UploadState::open(&folder, "http://x/", "file").unwrap();
        assert_eq!((state.resource("1"), state.resource("2")), (Some("http://x/r"), None));
        assert_eq!(UploadState::open(&folder, "http://y/", "file").unwrap().resource("1"), None);
        state.store(facts("longer than before")).unwrap();
        state.store(facts("2")).unwrap();
        assert_eq!(state.resource("2"), Some("http://x/r"));
        state.forget();
        drop(state);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn another_version_of_a_file_is_another_content() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let of = || identity(&PayloadKind::File(file.path().into()), 1, None).unwrap();
        let before = of();
        assert_eq!(of(), before);
        fs::write(file.path(), "more").unwrap();
        assert!(of().0 == before.0 && of().1 != before.1);
        let random = |seed| identity(&PayloadKind::Random, seed, Some(ByteSize(5))).unwrap();
        assert_ne!(random(1), random(2));
    }
}
