//! The unfinished file of a download that can be resumed: `NAME.part`, with its validator in `NAME.part.json`.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use payload::Hasher;
use receiver::{DigestAlgorithm, StatedDigest, save::inherit_permissions};
use serde::{Deserialize, Serialize};

use crate::part_writer::PartWriter;

/// The number of bytes that are read at once to digest a file.
const READ: usize = 256 << 10;

/// The permissions of a part that becomes a new file. The umask reduces them.
const NEW: u32 = 0o666;

/// The permissions of a part that replaces a file. Until it has the owner and the permissions of that file, only its own
/// owner may read it.
const REPLACING: u32 = 0o600;

/// The permissions of a file for its group and for others (inode(7)).
const GROUP_AND_OTHERS: u32 = 0o077;

/// The facts that a later run needs to complete a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartFacts {
    /// The URL without secrets, as information for a person.
    pub(crate) url: String,
    /// The digest of the whole URL, since the validator of one resource says nothing about another.
    pub(crate) resource: String,
    /// The strong validator of the representation: the value for If-Range.
    pub(crate) if_range: String,
    /// The length of the whole representation in bytes, if the server stated it.
    pub(crate) length: Option<u64>,
    /// The Repr-Digest of the representation, if the server stated one.
    pub(crate) repr_digest: Option<String>,
}

impl PartFacts {
    /// Returns the identity of the resource at a URL: the digest of the whole URL.
    pub(crate) fn resource_of(url: &str) -> String {
        let mut hasher = Hasher::new();
        hasher.update(url.as_bytes());
        hasher.digest().to_string()
    }
}

/// The unfinished file of one download. The file is locked while it is open. When this value is dropped, the file stays
/// unless it is empty.
#[derive(Debug)]
pub(crate) struct Part {
    /// The path of the file that the download will become.
    target: PathBuf,
    file: Arc<File>,
    facts: Option<PartFacts>,
    /// The number of bytes that were received before.
    held: u64,
    /// The digest of the bytes that were received before.
    hasher: Hasher,
}

impl Part {
    /// Opens or creates the part for `target`, and digests its bytes. Bytes of another resource, or without a
    /// validator, cannot be resumed. They stay until [`restart`](Self::restart), because a redirect may still lead to
    /// their resource. Blocks the thread.
    ///
    /// # Errors
    /// Fails if the file cannot be opened, is not a regular file, or is open in another process.
    pub(crate) fn open(target: &Path, resource: &str) -> io::Result<Self> {
        // The part lies beside the file to which a link leads, so that the part can be renamed.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let file = open_locked(&beside(&target, ".part"), fs::metadata(&target).ok().as_ref())?;
        let facts = read_facts(&beside(&target, ".part.json")).filter(|facts| facts.resource == resource);
        let mut part = Self { target, file: Arc::new(file), facts, held: 0, hasher: Hasher::new() };
        if part.facts.is_some() {
            let mut hasher = Hasher::new();
            part.held = part.each_block(|block| hasher.update(block))?;
            part.hasher = hasher;
        }
        Ok(part)
    }

    /// Returns the number of bytes in the part, and the facts that are needed to complete it; `None` for a new part.
    pub(crate) fn resumable(&self) -> Option<(u64, &PartFacts)> {
        self.facts.as_ref().filter(|_| self.held > 0).map(|facts| (self.held, facts))
    }

    /// Returns the Repr-Digest that the server stated when the part began; `None` if it stated none.
    pub(crate) fn repr_digest(&self) -> Option<String> {
        self.facts.as_ref()?.repr_digest.clone()
    }

    /// Empties the part, and stores the facts of another response. Blocks the thread.
    ///
    /// # Errors
    /// Fails if the disk is full, or the folder cannot be written.
    pub(crate) fn restart(&mut self, facts: PartFacts) -> io::Result<()> {
        self.file.set_len(0)?;
        let path = beside(&self.target, ".part.json");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // If this write is interrupted, a later run finds an incomplete text and starts anew.
        File::create_new(&path)?.write_all(&serde_json::to_vec(&facts)?)?;
        (self.held, self.hasher, self.facts) = (0, Hasher::new(), Some(facts));
        Ok(())
    }

    /// Returns the digest of the bytes in the part, and a writer for the bytes that follow.
    pub(crate) fn continuation(&self) -> (Hasher, PartWriter) {
        (self.hasher.clone(), PartWriter::new(self.file.clone(), self.held))
    }

    /// Removes the files of the part. Blocks the thread.
    pub(crate) fn discard(&self) {
        // If only the bytes remain, a later run has no validator and starts anew. If both files remain, it verifies
        // them again.
        let _ = fs::remove_file(beside(&self.target, ".part.json"));
        let _ = fs::remove_file(beside(&self.target, ".part"));
    }

    /// Returns the digest of the whole file by an algorithm of RFC 9530. Blocks the thread.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub(crate) fn digest(&self, algorithm: DigestAlgorithm) -> io::Result<StatedDigest> {
        let mut hasher = algorithm.hasher();
        self.each_block(|block| hasher.update(block))?;
        Ok(hasher.finish())
    }

    /// Waits until all bytes are on the disk, and gives the file its name. The file takes over the permissions and the
    /// owner of the file that it replaces. Blocks the thread.
    ///
    /// # Errors
    /// Fails if the disk is full, or the folder cannot be written.
    pub(crate) fn finish(&self) -> io::Result<()> {
        inherit_permissions(&self.file, &self.target);
        self.file.sync_all()?;
        fs::rename(beside(&self.target, ".part"), &self.target)?;
        let _ = fs::remove_file(beside(&self.target, ".part.json"));
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        // If the folder cannot be opened for reading, the new name may be lost in a power cut.
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Calls `take` with each block of the whole file, and returns the length of the file.
    fn each_block(&self, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
        let (mut file, mut block, mut length) = (&*self.file, vec![0; READ], 0);
        file.rewind()?;
        loop {
            match file.read(&mut block) {
                Ok(0) => return Ok(length),
                Ok(read) => {
                    take(block.get(..read).unwrap_or_default());
                    length += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Removes a part without a byte, which leaves nothing to complete.
impl Drop for Part {
    fn drop(&mut self) {
        if self.file.metadata().is_ok_and(|file| file.len() == 0) {
            self.discard();
        }
    }
}

/// Opens or creates a regular file for this process alone. If the file is to replace another one, no other user may read
/// it.
fn open_locked(path: &Path, replaced: Option<&Metadata>) -> io::Result<File> {
    let mode = replaced.map_or(NEW, |_| REPLACING);
    // Another user may have created a link or a pipe under this name.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(mode).custom_flags(flags);
    let file = options.open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process is writing it")),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The part may be older than the file that it is to replace. Some file systems have one mode for all files.
    if let Some(replaced) = replaced
        && found.mode() & GROUP_AND_OTHERS != 0
        && let Err(error) = file.set_permissions(Permissions::from_mode(REPLACING))
        && found.mode() & GROUP_AND_OTHERS & !replaced.mode() != 0
    {
        return Err(error);
    }
    Ok(file)
}

/// Returns the facts in a file; `None` if the file has no complete facts.
fn read_facts(path: &Path) -> Option<PartFacts> {
    fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Returns `path` with `suffix` appended to the file name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn facts(url: &str) -> PartFacts {
        let (resource, if_range) = (url.into(), "\"1\"".into());
        PartFacts { url: String::new(), resource, if_range, length: Some(6), repr_digest: None }
    }

    async fn write(part: &Part, text: &str) -> Hasher {
        let (mut hasher, mut writer) = part.continuation();
        hasher.update(text.as_bytes());
        writer.write_all(text.as_bytes()).await.unwrap();
        hasher
    }

    #[tokio::test]
    async fn a_part_is_completed_and_digested_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a");
        let mut part = Part::open(&target, "url").unwrap();
        assert_eq!(part.resumable(), None);
        part.restart(facts("url")).unwrap();
        write(&part, "abc").await;
        drop(part);

        let part = Part::open(&target, "url").unwrap();
        assert_eq!(part.resumable(), Some((3, &facts("url"))));
        let hasher = write(&part, "def").await;
        part.finish().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "abcdef");
        let mut whole = Hasher::new();
        whole.update(b"abcdef");
        assert_eq!(hasher.digest(), whole.digest());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_part_of_another_url_or_without_a_validator_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a");
        let mut part = Part::open(&target, "url").unwrap();
        part.restart(facts("url")).unwrap();
        write(&part, "abc").await;
        drop(part);
        let mut other = Part::open(&target, "other").unwrap();
        assert_eq!(other.resumable(), None);
        drop(other);
        assert_eq!(Part::open(&target, "url").unwrap().resumable(), Some((3, &facts("url"))));
        other = Part::open(&target, "other").unwrap();
        other.restart(facts("other")).unwrap();
        assert_eq!(fs::read(folder.path().join("a.part")).unwrap(), b"");
        drop(other);

        fs::write(folder.path().join("a.part"), "abc").unwrap();
        fs::write(folder.path().join("a.part.json"), "{\"url\":").unwrap();
        let part = Part::open(&target, "url").unwrap();
        assert_eq!(part.resumable(), None);
        part.discard();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_or_a_pipe_under_the_name_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("other"), "before").unwrap();
        std::os::unix::fs::symlink(path("other"), path("a.part")).unwrap();
        Part::open(&path("a"), "url").unwrap_err();
        std::os::unix::fs::symlink(path("other"), path("b.part.json")).unwrap();
        Part::open(&path("b"), "url").unwrap().restart(facts("url")).unwrap();
        assert_eq!(fs::read(path("other")).unwrap(), b"before");
        // No child process makes the pipe: until it calls exec, it would hold the locks of the other tests.
        mknodat(CWD, path("c.part"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(Part::open(&path("c"), "url").is_err());
    }

    #[tokio::test]
    async fn only_its_owner_reads_a_part_that_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a");
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().mode() & 0o7777;
        let mut part = Part::open(&target, "url").unwrap();
        part.restart(facts("url")).unwrap();
        write(&part, "abcdef").await;
        let new = mode("a.part");
        drop(part);
        fs::write(&target, "before").unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
        let part = Part::open(&target, "url").unwrap();
        assert_eq!(mode("a.part"), 0o600);
        part.finish().unwrap();
        assert_eq!((mode("a"), fs::read_to_string(&target).unwrap().as_str()), (0o640, "abcdef"));

        let mut part = Part::open(&target, "url").unwrap();
        part.restart(facts("url")).unwrap();
        write(&part, "abcdef").await;
        assert_eq!(mode("a.part"), 0o600);
        fs::remove_file(&target).unwrap();
        part.finish().unwrap();
        assert_eq!(mode("a"), new);
    }

    #[test]
    fn a_part_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let _part = Part::open(&folder.path().join("a"), "url").unwrap();
        let error = Part::open(&folder.path().join("a"), "url").unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
    }
}
