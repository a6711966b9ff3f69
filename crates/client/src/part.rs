//! The unfinished file of a download that can be resumed: `NAME.part`, with its validator in `NAME.part.json`.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use payload::Hasher;
use serde::{Deserialize, Serialize};

use crate::{checksum::Checksum, part_writer::PartWriter};

/// The bytes that are read at once to digest a file.
const READ: usize = 256 << 10;

/// The facts that a later run needs to complete a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartFacts {
    /// The URL without query and user information: a presigned URL changes while its object stays.
    pub(crate) url: String,
    /// The strong validator of the representation, the value of If-Range.
    pub(crate) if_range: String,
    /// The length of the whole representation in bytes, if the server stated it.
    pub(crate) length: Option<u64>,
}

/// The unfinished file of one download. It is locked while it is open, and stays when this is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    /// The file that the download is for.
    target: PathBuf,
    file: Arc<File>,
    facts: Option<PartFacts>,
    /// The bytes that were received before.
    held: u64,
    /// The digest of these bytes.
    hasher: Hasher,
}

impl Part {
    /// Opens or creates the part for `target`, and digests its bytes. Those of another URL, or without a validator, are
    /// dropped. Blocks the thread.
    ///
    /// # Errors
    /// The file cannot be opened, or another process has it open.
    pub(crate) fn open(target: &Path, url: &str) -> io::Result<Self> {
        // The part lies beside the file that a link leads to, so that it can be renamed.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let path = beside(&target, ".part");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process is writing it")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let facts = fs::read(beside(&target, ".part.json")).ok();
        let facts = facts.and_then(|facts| serde_json::from_slice::<PartFacts>(&facts).ok());
        let facts = facts.filter(|facts| facts.url == url);
        if facts.is_none() {
            file.set_len(0)?;
        }
        let mut part = Self { target, file: Arc::new(file), facts, held: 0, hasher: Hasher::new() };
        let mut hasher = Hasher::new();
        part.held = part.each_block(|block| hasher.update(block))?;
        part.hasher = hasher;
        Ok(part)
    }

    /// The bytes that are there, and the facts to complete them by; `None` for a new part.
    pub(crate) fn resumable(&self) -> Option<(u64, &PartFacts)> {
        self.facts.as_ref().filter(|_| self.held > 0).map(|facts| (self.held, facts))
    }

    /// Starts anew, with the facts of another response. Blocks the thread.
    ///
    /// # Errors
    /// The disk is full, or the folder cannot be written.
    pub(crate) fn restart(&mut self, facts: PartFacts) -> io::Result<()> {
        self.file.set_len(0)?;
        // A later run that finds no whole text here starts anew as well.
        fs::write(beside(&self.target, ".part.json"), serde_json::to_vec(&facts)?)?;
        (self.held, self.hasher, self.facts) = (0, Hasher::new(), Some(facts));
        Ok(())
    }

    /// The digest of the bytes that are there, and a writer of those that follow.
    pub(crate) fn continuation(&self) -> (Hasher, PartWriter) {
        (self.hasher.clone(), PartWriter::new(self.file.clone(), self.held))
    }

    /// Removes the part. Blocks the thread.
    pub(crate) fn discard(&self) {
        // What cannot be removed has no validator, or is digested again.
        let _ = fs::remove_file(beside(&self.target, ".part.json"));
        let _ = fs::remove_file(beside(&self.target, ".part"));
    }

    /// The digest of the whole file by the algorithm of a checksum. Blocks the thread.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn digest(&self, checksum: &Checksum) -> io::Result<Vec<u8>> {
        let mut hasher = checksum.hasher();
        self.each_block(|block| hasher.update(block))?;
        Ok(hasher.digest())
    }

    /// Puts all bytes on the disk, and gives the file its name. Blocks the thread.
    ///
    /// # Errors
    /// The disk is full, or the folder cannot be written.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(beside(&self.target, ".part"), &self.target)?;
        let _ = fs::remove_file(beside(&self.target, ".part.json"));
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        // A folder that cannot be opened for reading keeps the name as well, but not in a power cut.
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Reads the whole file, and returns its length.
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

/// A path with a suffix on its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn facts(url: &str) -> PartFacts {
        PartFacts { url: url.into(), if_range: "\"1\"".into(), length: Some(6) }
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
        assert_eq!(Part::open(&target, "other").unwrap().resumable(), None);

        fs::write(folder.path().join("a.part"), "abc").unwrap();
        fs::write(folder.path().join("a.part.json"), "{\"url\":").unwrap();
        let part = Part::open(&target, "url").unwrap();
        assert_eq!((part.resumable(), fs::read(folder.path().join("a.part")).unwrap().len()), (None, 0));
        part.discard();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_part_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let _part = Part::open(&folder.path().join("a"), "url").unwrap();
        let error = Part::open(&folder.path().join("a"), "url").unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
    }
}
