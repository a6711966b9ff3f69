//! The destination of uploads: their bytes are discarded, verified or saved, or kept by a control.

use std::{io, path::Path};

use receiver::{
    Sink,
    save::{Existing, Folder, NameError, Quota, SafeName, SaveError, Saver},
};
use record::{ChunkSize, SinkKind};

use crate::ServeError;

/// The destination of all uploads of a server.
#[derive(Debug)]
pub(crate) enum Destination {
    /// Drops the bytes.
    Discard,
    /// Digests the bytes and drops them.
    Verify,
    /// Digests the bytes and saves them in a folder.
    Save(Folder),
    /// Keeps the bytes in memory: the control whose growth a memory proof must find.
    Collect,
    /// Digests the bytes, and leaks as many bytes as stated for each 64 KiB: the control whose slope is known.
    Keep(u64),
}

impl Destination {
    /// Opens the folder of a destination that saves, and removes the unfinished files of killed processes.
    ///
    /// # Errors
    /// Fails if the folder does not exist, or cannot be read or written.
    pub(crate) fn open(kind: &SinkKind, quota: Quota) -> Result<Self, ServeError> {
        Ok(match kind {
            SinkKind::Discard => Self::Discard,
            // `Burn` adds work for measured receivers; a server treats it like `Verify`.
            SinkKind::Verify | SinkKind::Burn(_) => Self::Verify,
            SinkKind::Collect => Self::Collect,
            SinkKind::Keep(bytes) => Self::Keep(*bytes),
            SinkKind::Save(path) => {
                let folder = open_folder(path, quota);
                Self::Save(folder.map_err(|source| ServeError::Folder { path: path.clone(), source })?)
            }
        })
    }

    /// Returns the sink of one body, whose length may have been announced. Only a folder uses `name`.
    ///
    /// # Errors
    /// Fails if the name is refused, the folder has no room, or no file can be created.
    pub(crate) async fn sink(
        &self,
        name: Result<SafeName, NameError>,
        existing: Existing,
        announced: Option<u64>,
    ) -> Result<Sink, SaveError> {
        Ok(match self {
            Self::Discard => Sink::discard(),
            Self::Verify => Sink::verify(),
            Self::Collect => Sink::collect(),
            Self::Keep(bytes) => Sink::keep(*bytes, ChunkSize::DEFAULT.into()),
            Self::Save(folder) => Sink::save(Saver::begin(folder, &name?, existing, announced).await?),
        })
    }

    /// Returns the folder of saved bodies, if there is one.
    pub(crate) fn folder(&self) -> Option<&Folder> {
        match self {
            Self::Save(folder) => Some(folder),
            Self::Discard | Self::Verify | Self::Collect | Self::Keep(_) => None,
        }
    }
}

fn open_folder(path: &Path, quota: Quota) -> io::Result<Folder> {
    let folder = Folder::open(path)?;
    folder.remove_abandoned()?;
    folder.with_quota(quota)
}
