//! The writer of a folder of results. Each record is on disk before the next run starts.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{ReadError, Record, read, reader::RECORD_FILES};

/// A folder of results that is being written, with its file of records.
#[derive(Debug)]
pub struct Results {
    folder: PathBuf,
    records: File,
    written: u64,
    /// The length of all whole lines, in bytes.
    length: u64,
}

/// The failure to write results.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder holds results already.
    #[error("{} exists already; use another folder (--output)", path.display())]
    Exists {
        /// The path of the file of records.
        path: PathBuf,
    },
    /// The folder cannot be created or written.
    #[error("cannot write results into {}: {source}", path.display())]
    Folder {
        /// The path of the folder.
        path: PathBuf,
        /// The reason of the operating system.
        source: io::Error,
    },
    /// A record cannot be appended.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The path of the file of records.
        path: PathBuf,
        /// The reason of the operating system.
        source: io::Error,
    },
    /// A record cannot be written as JSON.
    #[error("cannot write a record as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Results {
    /// Creates the folder and an empty file of records in it.
    ///
    /// # Errors
    /// Fails if the folder holds results already, or cannot be written.
    pub fn create(folder: &Path) -> Result<Self, WriteError> {
        let unwritable = |source| WriteError::Folder { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(unwritable)?;
        let path = folder.join(RECORD_FILES[0]);
        let records = File::create_new(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => WriteError::Exists { path },
            _ => unwritable(error),
        })?;
        Ok(Self { folder: folder.into(), records, written: 0, length: 0 })
    }

    /// Appends a record. The operating system has the record when the function returns. After a failure, the file still
    /// holds the whole lines before the record.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write(&mut self, record: &Record) -> Result<(), WriteError> {
        let line = record.to_line()?;
        if let Err(source) = self.records.write_all(line.as_bytes()) {
            // If truncation fails, the line stays torn, and readers skip it.
            let _ = self.records.set_len(self.length);
            return Err(WriteError::Unwritable { path: self.folder.join(RECORD_FILES[0]), source });
        }
        self.length += line.len() as u64;
        self.written += 1;
        Ok(())
    }

    /// Returns the number of records written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Reads back the records written so far.
    ///
    /// # Errors
    /// Fails if the file cannot be read back.
    pub fn read_back(&self) -> Result<Vec<Record>, ReadError> {
        if self.written == 0 { Ok(Vec::new()) } else { read(&self.folder) }
    }

    /// Returns the path of the folder of results.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Case;

    #[test]
    fn results_are_never_mixed_with_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = Results::create(folder.path()).unwrap();
        assert!(results.read_back().unwrap().is_empty());
        results.write(&Record::new("run", Case::new("h2"))).unwrap();
        assert_eq!(results.read_back().unwrap().len(), 1);
        assert!(matches!(Results::create(folder.path()), Err(WriteError::Exists { .. })));
        assert!(matches!(Results::create(Path::new("/proc/none")), Err(WriteError::Folder { .. })));
    }
}
