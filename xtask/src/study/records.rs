//! A file of records that grows from bench to bench.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use record::{EndRecord, RECORD_FILES, Record};

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

    /// Compresses the file for a folder of results, without timelines and distributions, if there is the program `zstd`.
    pub(crate) fn compress(self) -> Result<()> {
        let Self { path, file } = self;
        drop(file);
        let mut lines = String::new();
        for mut record in record::read(&path)? {
            record.sender.iter_mut().chain(&mut record.receiver).for_each(EndRecord::drop_details);
            lines += &record.to_line()?;
        }
        fs::write(&path, lines).with_context(|| format!("cannot write {}", path.display()))?;
        match Command::new("zstd").args(["-19", "-q", "--rm"]).arg(&path).status() {
            Ok(status) => ensure!(status.success(), "zstd failed ({status})"),
            Err(error) => eprintln!("{} stays as it is: zstd: {error}", path.display()),
        }
        Ok(())
    }
}
