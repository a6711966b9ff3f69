//! A body that arrives in several pieces, with pauses of any length between them.

#[cfg(test)]
mod tests;

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
    Open(Box<Open>),
    /// An error or a cancelled call has lost bytes.
    Lost,
}

/// A body that takes bytes.
#[derive(Debug)]
struct Open {
    saver: Saver,
    /// The body at its last pause, to which it returns if the disk is full.
    kept: Kept,
}

/// The bytes that a body had at a pause.
#[derive(Debug)]
struct Kept {
    bytes: u64,
    hasher: Hasher,
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
    /// Fails if the piece cannot be saved. If the quota has no room for it, the body stays as it was. If the disk is full,
    /// the body is as it was at the last pause, and [`bytes`](Self::bytes) returns fewer bytes than before. After any
    /// other error the body is lost.
    pub async fn take(&mut self, piece: Bytes) -> Result<(), SaveError> {
        let mut open = self.open()?;
        let bytes = self.bytes.saturating_add(piece.len() as u64);
        if let Err(error) = self.activity.during(open.saver.claim(bytes)).await {
            self.stage = Stage::Open(open);
            return Err(error);
        }
        self.hasher.update(&piece);
        self.bytes = bytes;
        match self.activity.during(open.saver.take(piece)).await {
            Ok(()) => {
                self.stage = Stage::Open(open);
                Ok(())
            }
            Err(error) => Err(self.return_to_pause(*open, error).await),
        }
    }

    /// Returns the body with memory for further bytes. The body is lost unless it is put back.
    fn open(&mut self) -> Result<Box<Open>, SaveError> {
        match mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Open(open) => Ok(open),
            Stage::Paused(paused) => {
                let saver = paused.resume(&self.folder, self.announced)?;
                let kept = Kept { bytes: self.bytes, hasher: (*self.hasher).clone() };
                Ok(Box::new(Open { saver, kept }))
            }
            Stage::Lost => Err(SaveError::Lost),
        }
    }

    /// Returns to the last pause if the disk is full, because room may come. After any other error the body is lost.
    async fn return_to_pause(&mut self, open: Open, error: SaveError) -> SaveError {
        let Open { saver, kept } = open;
        if matches!(error, SaveError::Full | SaveError::QuotaReached)
            && let Ok(paused) = self.activity.during(saver.rewind(kept.bytes)).await
        {
            self.bytes = kept.bytes;
            *self.hasher = kept.hasher;
            self.stage = Stage::Paused(Box::new(paused));
        }
        error
    }

    /// Writes all bytes to the file, and releases the memory in which they waited. If this future is dropped before its
    /// end, the body is lost.
    ///
    /// # Errors
    /// Fails if the bytes cannot be written. If the disk is full, the body is as it was at the last pause. After any other
    /// error the body is lost.
    pub async fn pause(&mut self) -> Result<(), SaveError> {
        match mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Open(mut open) => match self.activity.during(open.saver.pause()).await {
                Ok(()) => self.stage = Stage::Paused(Box::new(open.saver.into_paused())),
                Err(error) => return Err(self.return_to_pause(*open, error).await),
            },
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
            Stage::Open(mut open) => {
                open.saver.pause().await?;
                open.saver.into_paused().discard().await
            }
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
            Stage::Open(open) => open.saver,
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
