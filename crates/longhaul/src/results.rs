//! Records on disk: written one by one, read back with every damage named.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{exit::Usage, record::Record};

/// The file of records in a folder of results.
pub(crate) const RECORDS: &str = "records.jsonl";

/// A folder of results that is being filled.
pub(crate) struct Results {
    folder: PathBuf,
    records: File,
}

impl Results {
    /// Makes the folder and an empty file of records in it.
    pub(crate) fn create(folder: &Path) -> anyhow::Result<Self> {
        let unwritable = || format!("cannot write results into {}", folder.display());
        fs::create_dir_all(folder).with_context(unwritable)?;
        let path = folder.join(RECORDS);
        if path.exists() {
            anyhow::bail!("{} is there already: name another folder with --out", path.display());
        }
        let records = File::create_new(&path).with_context(unwritable)?;
        Ok(Self { folder: folder.into(), records })
    }

    /// Appends a record; it is with the operating system when this returns.
    pub(crate) fn write(&mut self, record: &Record) -> anyhow::Result<()> {
        let line = to_line(record)?;
        let written = self.records.write_all(line.as_bytes());
        written.with_context(|| format!("cannot write {}", self.folder.join(RECORDS).display()))
    }

    /// Writes another file beside the records.
    pub(crate) fn write_file(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A record as its line of JSON.
pub(crate) fn to_line(record: &Record) -> serde_json::Result<String> {
    Ok(serde_json::to_string(record)? + "\n")
}

/// Reads the records of a file, or of the file in a folder of results.
///
/// # Errors
/// [`Usage`], naming file and line, if the file cannot be read, is empty or is damaged.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>, Usage> {
    let path = if path.is_dir() { &path.join(RECORDS) } else { path };
    let unreadable = |error: io::Error| Usage(format!("cannot read records {}: {error}", path.display()));
    let lines = BufReader::new(File::open(path).map_err(unreadable)?).lines();
    let mut records = Vec::new();
    for (number, line) in lines.enumerate() {
        let line = line.map_err(unreadable)?;
        let record = serde_json::from_str(&line)
            .map_err(|error| Usage(format!("{}:{}: not a record: {error}", path.display(), number + 1)))?;
        records.push(record);
    }
    if records.is_empty() {
        return Err(Usage(format!("{} holds no records", path.display())));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_named_by_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.jsonl");
        fs::write(&path, "{\"schema_version\":1}\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("some.jsonl:1: not a record: missing field"), "{error}");
        fs::write(&path, "").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("holds no records"));
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn results_are_never_mixed_with_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        drop(Results::create(folder.path()).unwrap());
        assert!(Results::create(folder.path()).is_err());
    }
}
