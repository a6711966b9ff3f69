//! A file of records to which each bench appends.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use record::{EndRecord, RECORD_FILES, Record};

/// A file of records, in the exact form in which programs print them.
#[derive(Debug)]
pub(crate) struct RecordFile {
    path: PathBuf,
    file: File,
}

impl RecordFile {
    /// Creates the file of records, with the name that readers expect in a folder.
    pub(crate) fn create_in(folder: &Path) -> Result<Self> {
        Self::create(folder.join(RECORD_FILES[0]))
    }

    /// Creates an empty file.
    pub(crate) fn create(path: PathBuf) -> Result<Self> {
        let file = File::create_new(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, file })
    }

    /// Appends lines of JSON, unless one of them is not a record. Returns the records.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<Vec<Record>> {
        let records: Result<Vec<Record>, _> = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(Record::from_json)
            .collect();
        let records = records.context("longhaul printed a line that is not a record")?;
        self.file.write_all(lines).with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(records)
    }

    /// Compresses the file for a folder of results, without timelines and distributions. If the program `zstd` is
    /// missing, the file is not compressed.
    pub(crate) fn compress(self) -> Result<()> {
        let Self { path, file } = self;
        drop(file);
        let mut lines = String::new();
        for mut record in record::read(&path)? {
            record.sender.iter_mut().chain(&mut record.receiver).for_each(drop_details);
            lines += &record.to_line()?;
        }
        let mut compressed = path.clone().into_os_string();
        compressed.push(".zst");
        let mut zstd = Command::new("zstd");
        zstd.args(["-19", "-q", "-o"]).arg(&compressed).stdin(Stdio::piped());
        match zstd.spawn() {
            Ok(mut zstd) => {
                if let Some(mut input) = zstd.stdin.take() {
                    input.write_all(lines.as_bytes()).context("zstd ended early")?;
                }
                let status = zstd.wait().context("zstd is lost")?;
                ensure!(status.success(), "zstd failed ({status})");
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
            }
            Err(error) => {
                eprintln!("{} stays as it is: zstd: {error}", path.display());
                Ok(())
            }
        }
    }
}

/// Drops the largest parts of an end's record, which no study of goodput reads.
fn drop_details(end: &mut EndRecord) {
    end.drop_details();
    end.memory.heap_timeline = None;
}

#[cfg(test)]
mod tests {
    use record::{Case, TimelinePoint};

    use super::*;

    #[test]
    fn compressed_records_are_read_back_without_timelines() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RecordFile::create_in(folder.path()).unwrap();
        let mut record = Record::new("some run", Case::new("h2"));
        let mut end = EndRecord::default();
        let point = TimelinePoint { seconds: 0.1, rss_bytes: 7, anon_bytes: 3, body_bytes: 9 };
        end.memory.timeline = vec![point];
        (end.memory.heap_timeline, end.memory.peak_rss_bytes) = (Some(Vec::new()), Some(7));
        (record.sender, record.goodput_bytes_per_s) = (Some(end), Some(5.0));
        file.append(record.to_line().unwrap().as_bytes()).unwrap();
        file.compress().unwrap();
        let [back] = record::read(folder.path()).unwrap().try_into().unwrap();
        assert_eq!(back.goodput_bytes_per_s, Some(5.0));
        if !folder.path().join(RECORD_FILES[0]).exists() {
            let memory = back.sender.unwrap().memory;
            assert!(memory.timeline.is_empty() && memory.heap_timeline.is_none());
            assert_eq!(memory.peak_rss_bytes, Some(7));
        }
    }
}
