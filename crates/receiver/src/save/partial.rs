//! A body that arrives in several pieces, with pauses of any length between them.

use std::{mem, time::Duration};

use bytes::Bytes;
use payload::Hasher;

use super::{
    Existing, Folder, SafeName, SaveError, Saver,
    saver::{Complete, Paused},
};
use crate::{Receipt, SinkActivity};

/// The file of a body that arrives in pieces. Between the pieces, the bytes are in a file of the hidden folder
/// [`PARTIAL`](Folder::PARTIAL), and take no memory. Dropping this value removes the file.
#[derive(Debug)]
pub struct Partial {
    folder: Folder,
    announced: Option<u64>,
    hasher: Box<Hasher>,
    bytes: u64,
    stage: Stage,
    activity: SinkActivity,
}

/// The stage of a partial body.
#[derive(Debug)]
enum Stage {
    /// All bytes are in the file.
    Paused(Box<Paused>),
    /// Bytes wait in memory for the disk.
    Open(Box<Saver>),
    /// An error or a cancelled call has lost bytes.
    Lost,
}

impl Partial {
    /// Creates the file of a body without bytes, which gets the name `name` when the body is complete. `announced` is
    /// the length of the whole body, if its sender stated it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Fails as [`Saver::begin`] does.
    pub async fn begin(
        folder: &Folder,
        name: &SafeName,
        existing: Existing,
        announced: Option<u64>,
    ) -> Result<Self, SaveError> {
        let paused = Paused::begin(folder.clone(), name, existing, announced).await?;
        Ok(Self {
            folder: folder.clone(),
            announced,
            hasher: Box::default(),
            bytes: 0,
            stage: Stage::Paused(Box::new(paused)),
            activity: SinkActivity::default(),
        })
    }

    /// Returns the number of bytes that the body has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns whether bytes were lost, so that the body cannot be continued.
    pub fn is_lost(&self) -> bool {
        matches!(self.stage, Stage::Lost)
    }

    /// Returns a handle that tells whether the body waits for the disk.
    pub fn activity(&self) -> SinkActivity {
        self.activity.clone()
    }

    /// Appends a piece. If this future is dropped before its end, the body is lost.
    ///
    /// # Errors
    /// Fails if the piece cannot be saved. The body is then lost.
    pub async fn take(&mut self, piece: Bytes) -> Result<(), SaveError> {
        let mut saver = match mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Open(saver) => saver,
            Stage::Paused(paused) => Box::new(paused.resume(&self.folder, self.announced)?),
            Stage::Lost => return Err(SaveError::Lost),
        };
        self.hasher.update(&piece);
        self.bytes += piece.len() as u64;
        self.activity.during(saver.take(piece)).await?;
        self.stage = Stage::Open(saver);
        Ok(())
    }

    /// Writes all bytes to the file, and releases the memory in which they waited. If this future is dropped before its
    /// end, the body is lost.
    ///
    /// # Errors
    /// Fails if the bytes cannot be written. The body is then lost.
    pub async fn pause(&mut self) -> Result<(), SaveError> {
        match mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Open(saver) => {
                let paused = self.activity.during(saver.pause()).await?;
                self.stage = Stage::Paused(Box::new(paused));
            }
            Stage::Paused(paused) => self.stage = Stage::Paused(paused),
            Stage::Lost => return Err(SaveError::Lost),
        }
        Ok(())
    }

    /// Removes the file, and waits until it is gone. Dropping this value does not wait.
    ///
    /// # Errors
    /// Fails if the bytes that are still in memory cannot be written to the file before it is removed.
    pub async fn discard(self) -> Result<(), SaveError> {
        match self.stage {
            Stage::Open(saver) => saver.pause().await?.discard().await,
            Stage::Paused(paused) => paused.discard().await,
            Stage::Lost => Ok(()),
        }
    }

    /// Completes the body: flushes it to the disk, gives it its name, and confirms it. `elapsed` is the time in which its
    /// bytes arrived.
    ///
    /// # Errors
    /// Fails if the body cannot be written, or cannot get its name.
    pub async fn finish(self, elapsed: Duration) -> Result<Receipt, SaveError> {
        let saver = match self.stage {
            Stage::Open(saver) => *saver,
            Stage::Paused(paused) => paused.resume(&self.folder, self.announced)?,
            Stage::Lost => return Err(SaveError::Lost),
        };
        let complete: Complete = saver.complete().await?;
        Ok(Receipt {
            bytes: self.bytes,
            algorithm: payload::ALGORITHM.to_owned(),
            digest: Some(self.hasher.digest().to_string()),
            saved: Some(complete.name().await?),
            elapsed_s: elapsed.as_secs_f64(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use record::ByteSize;

    use super::*;
    use crate::save::Quota;

    fn hidden(folder: &Folder) -> usize {
        fs::read_dir(folder.path().join(Folder::PARTIAL)).map_or(0, Iterator::count)
    }

    async fn begin(folder: &Folder, announced: Option<u64>) -> Result<Partial, SaveError> {
        Partial::begin(folder, &SafeName::parse("a").unwrap(), Existing::Replace, announced).await
    }

    #[tokio::test]
    async fn a_body_of_several_pieces_is_named_and_digested_as_a_whole() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let mut partial = begin(&folder, None).await.unwrap();
        for piece in ["a", "b"] {
            partial.take(piece.into()).await.unwrap();
            partial.pause().await.unwrap();
        }
        assert_eq!((partial.bytes(), hidden(&folder)), (2, 1));
        assert!(!temporary.path().join("a").exists());
        partial.take("c".into()).await.unwrap();
        let receipt = partial.finish(Duration::from_secs(2)).await.unwrap();
        assert_eq!((receipt.bytes, receipt.saved.as_deref()), (3, Some("a")));
        assert_eq!(receipt.digest.as_deref(), Some("06b05ab6733a618578af5f94892f3950"));
        assert_eq!(fs::read(temporary.path().join("a")).unwrap(), b"abc");
        assert_eq!(hidden(&folder), 0);
    }

    #[tokio::test]
    async fn the_pieces_of_a_long_body_keep_their_order_over_pauses() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i ^ (i >> 9)) as u8).collect();
        let mut partial = begin(&folder, Some(content.len() as u64)).await.unwrap();
        for (index, piece) in content.chunks(70_001).enumerate() {
            partial.take(Bytes::copy_from_slice(piece)).await.unwrap();
            if index % 5 == 3 {
                partial.pause().await.unwrap();
            }
        }
        partial.finish(Duration::ZERO).await.unwrap();
        assert!(fs::read(temporary.path().join("a")).unwrap() == content);
    }

    #[tokio::test]
    async fn a_partial_body_counts_against_the_quota_until_it_is_discarded() {
        let temporary = tempfile::tempdir().unwrap();
        let quota = Quota { max_stored: Some(ByteSize(10)), min_free: Some(ByteSize(0)) };
        let folder = Folder::open(temporary.path()).unwrap().with_quota(quota).unwrap();
        let partial = begin(&folder, Some(8)).await.unwrap();
        assert!(matches!(begin(&folder, Some(3)).await, Err(SaveError::QuotaReached)));
        partial.discard().await.unwrap();
        assert_eq!(hidden(&folder), 0);
        let mut partial = begin(&folder, None).await.unwrap();
        partial.take(Bytes::from(vec![0; 11])).await.unwrap();
        assert!(matches!(partial.pause().await, Err(SaveError::QuotaReached)));
        assert!(partial.is_lost() && partial.take("a".into()).await.is_err());
    }

    #[tokio::test]
    async fn a_link_in_place_of_the_hidden_folder_is_not_followed() {
        let (temporary, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(other.path(), temporary.path().join(Folder::PARTIAL)).unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        assert!(matches!(begin(&folder, None).await, Err(SaveError::Io(_))));
        folder.remove_abandoned().unwrap();
    }

    #[tokio::test]
    async fn files_of_ended_processes_are_removed_and_those_of_running_ones_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let partial = begin(&folder, None).await.unwrap();
        fs::write(temporary.path().join(Folder::PARTIAL).join(".longhaul-abc.part"), "left").unwrap();
        assert_eq!(hidden(&folder), 2);
        folder.remove_abandoned().unwrap();
        assert_eq!(hidden(&folder), 1);
        partial.finish(Duration::ZERO).await.unwrap();
    }
}
