//! The files with the bodies that clients upload.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use futures_util::{FutureExt as _, StreamExt as _};
use payload::{Digest, Hasher, Payload};
use record::{ByteSize, ChunkSize, DEFAULT_SEED, PayloadKind};
use rustix::fs::statvfs;
use tempfile::TempDir;

/// The bytes of disk that stay free for records and the report.
const SPARE: u64 = 64 << 20;

/// A failure to make files with bodies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodiesError {
    /// The disk has too little room.
    #[error("the files with the bodies take {needed}, and {} has room for {free}; use smaller sizes (--size) or another folder (--output)", .folder.display())]
    NoRoom {
        /// The bytes that all files take.
        needed: ByteSize,
        /// The bytes that are free, less what records and the report take.
        free: ByteSize,
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write bodies below {}: {source}", .folder.display())]
    Write {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Files with generated bodies, one for each size. Dropping the value removes the files.
#[derive(Debug)]
pub struct Bodies {
    folder: TempDir,
    digests: HashMap<ByteSize, Digest>,
}

impl Bodies {
    /// Writes a file for each size, in a new folder below `parent`.
    ///
    /// # Errors
    /// Fails if the disk has too little room, and if a file cannot be written.
    pub fn write(parent: &Path, sizes: &[ByteSize]) -> Result<Self, BodiesError> {
        let failed = |source| BodiesError::Write { folder: parent.to_owned(), source };
        let needed = sizes.iter().fold(0_u64, |sum, size| sum.saturating_add(size.0));
        let free = free_bytes(parent).map_err(failed)?.saturating_sub(SPARE);
        if needed > free {
            let (needed, free) = (ByteSize(needed), ByteSize(free >> 20 << 20));
            return Err(BodiesError::NoRoom { needed, free, folder: parent.to_owned() });
        }
        let folder = tempfile::Builder::new().prefix("bodies-").tempdir_in(parent).map_err(failed)?;
        let mut bodies = Self { folder, digests: HashMap::new() };
        for size in sizes {
            let digest = write(&bodies.file(*size), *size).map_err(failed)?;
            bodies.digests.insert(*size, digest);
        }
        Ok(bodies)
    }

    /// Returns the digest of the body of a size; `None` for a size without a file.
    pub(crate) fn digest(&self, size: ByteSize) -> Option<Digest> {
        self.digests.get(&size).copied()
    }

    /// Returns the path of the file with the body of a size.
    pub(crate) fn file(&self, size: ByteSize) -> PathBuf {
        self.folder.path().join(format!("{}.bin", size.0))
    }
}

/// Writes the body of a size, and returns its digest.
fn write(path: &Path, size: ByteSize) -> io::Result<Digest> {
    let content = Payload::prepare(&PayloadKind::Random, DEFAULT_SEED, ChunkSize::DEFAULT);
    let mut file = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
    let mut source = content.open(size.0).map_err(io::Error::other)?;
    let mut hasher = Hasher::new();
    // A generated source is always ready, so the loop ends only at the end of the body.
    while let Some(Some(chunk)) = source.next().now_or_never() {
        let chunk = chunk.map_err(io::Error::other)?;
        hasher.update(&chunk);
        file.write_all(&chunk)?;
    }
    file.flush()?;
    Ok(hasher.digest())
}

fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_content_that_a_server_expects_and_go_with_their_owner() {
        let parent = tempfile::tempdir().unwrap();
        let sizes = [ByteSize(0), ByteSize(300_000)];
        let bodies = Bodies::write(parent.path(), &sizes).unwrap();
        let written = std::fs::read(bodies.file(sizes[1])).unwrap();
        let content = Payload::prepare(&PayloadKind::Random, DEFAULT_SEED, ChunkSize::DEFAULT);
        let mut hasher = Hasher::new();
        hasher.update(&written);
        assert_eq!((written.len(), Some(hasher.digest())), (300_000, content.digest(300_000)));
        assert_eq!(bodies.digest(sizes[1]), content.digest(300_000));
        assert_eq!(std::fs::read(bodies.file(sizes[0])).unwrap().len(), 0);
        drop(bodies);
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_disk_that_is_too_small_is_found_before_anything_is_written() {
        let parent = tempfile::tempdir().unwrap();
        let error = Bodies::write(parent.path(), &[ByteSize(u64::MAX)]).unwrap_err();
        assert!(matches!(error, BodiesError::NoRoom { .. }), "{error}");
        assert!(error.to_string().contains("use smaller sizes"), "{error}");
    }
}
