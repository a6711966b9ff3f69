//! A file of records that grows from bench to bench.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use record::{RECORD_FILES, Record};

/// A file of records, written exactly as programs print them.
#[derive(Debug)]
pub(crate) struct RecordFile {
    path: PathBuf,
    file: File,
}

impl RecordFile {
    /// Creates the file of records that readers expect in a folder.
    pub(crate) fn create_in(folder: &Path) -> Result<Self> {
        Self::create(folder.join(RECORD_FILES[0]))
    }

    /// Creates an empty file.
    pub(crate) fn create(path: PathBuf) -> Result<Self> {
        let file = File::create_new(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, file })
    }

    /// Appends lines of JSON, unless one of them is no record. Returns the records.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<Vec<Record>> {
        let records: Result<Vec<Record>, _> = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(Record::from_json)
            .collect();
        let records = records.context("longhaul printed a line that is no record")?;
        self.file.write_all(lines).with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(records)
    }
}
