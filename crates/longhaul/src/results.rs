//! Records on disk: written one by one, read back with every damage named.

use std::{
    cmp::Ordering,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    exit::Usage,
    record::{Record, SCHEMA_VERSION},
};

/// The file of records in a folder of results.
pub(crate) const RECORDS: &str = "records.jsonl";

/// A folder of results that is being filled.
pub(crate) struct Results {
    folder: PathBuf,
    records: File,
    written: u64,
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
        Ok(Self { folder: folder.into(), records, written: 0 })
    }

    /// Appends a record; it is with the operating system when this returns.
    pub(crate) fn write(&mut self, record: &Record) -> anyhow::Result<()> {
        let line = to_line(record)?;
        let written = self.records.write_all(line.as_bytes());
        written.with_context(|| format!("cannot write {}", self.folder.join(RECORDS).display()))?;
        self.written += 1;
        Ok(())
    }

    /// The records written so far, of which there may be none.
    pub(crate) fn read_back(&self) -> Result<Vec<Record>, Usage> {
        if self.written == 0 { Ok(Vec::new()) } else { read(&self.folder) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A record as its line of JSON.
pub(crate) fn to_line(record: &Record) -> serde_json::Result<String> {
    Ok(serde_json::to_string(record)? + "\n")
}

/// Records that were read, and what stood among them that is none.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) records: Vec<Record>,
    damaged: Vec<String>,
}

impl Read {
    /// # Errors
    /// [`Usage`], naming file and line of all that was damaged.
    pub(crate) fn assert_whole(&self) -> Result<(), Usage> {
        if self.damaged.is_empty() { Ok(()) } else { Err(told(&self.damaged)) }
    }
}

/// Reads the records of a file, or of the file in a folder of results; nothing of it may be damaged.
///
/// # Errors
/// [`Usage`], naming file and line, if the file cannot be read, is empty or is damaged.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>, Usage> {
    let read = read_what_is_whole(path)?;
    read.assert_whole()?;
    Ok(read.records)
}

/// The same, without the lines that are damaged.
///
/// # Errors
/// [`Usage`], if the file cannot be read, has no record, or has one of another schema version.
pub(crate) fn read_what_is_whole(path: &Path) -> Result<Read, Usage> {
    let path = if path.is_dir() { &path.join(RECORDS) } else { path };
    let unreadable = |error: io::Error| Usage(format!("cannot read records {}: {error}", path.display()));
    let lines = BufReader::new(File::open(path).map_err(unreadable)?).split(b'\n');
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    for (line, number) in lines.zip(1..) {
        let line = line.map_err(unreadable)?;
        let at = |what: String| format!("{}:{number}: {what}", path.display());
        assert_version(&line).map_err(|what| Usage(at(what)))?;
        match serde_json::from_slice(&line) {
            Ok(record) => records.push(record),
            Err(error) => damaged.push(at(format!("not a record: {error}"))),
        }
    }
    match (records.is_empty(), damaged.is_empty()) {
        (true, true) => Err(Usage(format!("{} holds no records", path.display()))),
        (true, false) => Err(told(&damaged)),
        _ => Ok(Read { records, damaged }),
    }
}

/// How many damaged lines are told one by one.
const TOLD: usize = 5;

/// Damage, a line each; of much of it, how much more there is.
fn told(damaged: &[String]) -> Usage {
    let more = damaged.len().saturating_sub(TOLD);
    let mut lines: Vec<String> = damaged.iter().take(TOLD).cloned().collect();
    lines.extend((more > 0).then(|| format!("and {more} more lines are damaged")));
    Usage(lines.join("\nerror: "))
}

/// Refuses a record of another schema version; what is no record at all is told elsewhere.
fn assert_version(line: &[u8]) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let Ok(Version { schema_version }) = serde_json::from_slice(line) else { return Ok(()) };
    let remedy = match schema_version.cmp(&SCHEMA_VERSION) {
        Ordering::Equal => return Ok(()),
        Ordering::Less => "measure again, or read it with the longhaul that made it (its build.version)",
        Ordering::Greater => "read it with a newer longhaul",
    };
    Err(format!(
        "a record of schema version {schema_version}, and this longhaul reads {SCHEMA_VERSION}: {remedy}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

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
    fn what_is_whole_beside_damage_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RECORDS);
        let good = to_line(&record("h2")).unwrap();
        fs::write(&path, format!("{good}{{\"half\": \n{good}\u{0}\u{fffd}\n")).unwrap();
        let read = read_what_is_whole(folder.path()).unwrap();
        assert_eq!(read.records.len(), 2);
        let told = read.assert_whole().unwrap_err().to_string();
        assert!(
            told.contains("records.jsonl:2: not a record") && told.contains("records.jsonl:4: "),
            "{told}"
        );
        assert_eq!(super::read(folder.path()).unwrap_err().to_string(), told);
    }

    #[test]
    fn a_record_of_before_a_field_was_there_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RECORDS);
        let mut value = serde_json::to_value(record("h3")).unwrap();
        value.as_object_mut().unwrap().remove("command");
        value["limits"].as_object_mut().unwrap().remove("h3-recv");
        fs::write(&path, format!("{value}\n")).unwrap();
        let read = super::read(&path).unwrap().remove(0);
        assert_eq!((read.command, read.limits.h3_recv), (None, transport::H3Recv::Stock));
    }

    #[test]
    fn much_damage_is_told_in_few_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RECORDS);
        fs::write(&path, "rubbish\n".repeat(100)).unwrap();
        let told = super::read(&path).unwrap_err().to_string();
        assert!(
            told.lines().count() == TOLD + 1 && told.ends_with("and 95 more lines are damaged"),
            "{told}"
        );
    }

    #[test]
    fn another_schema_version_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RECORDS);
        for (version, remedy) in [(0, "measure again"), (SCHEMA_VERSION + 1, "a newer longhaul")] {
            let other = Record { schema_version: version, ..record("h2") };
            fs::write(&path, to_line(&record("h2")).unwrap() + &to_line(&other).unwrap()).unwrap();
            let told = read_what_is_whole(&path).unwrap_err().to_string();
            assert!(
                told.contains("records.jsonl:2: a record of schema version") && told.contains(remedy),
                "{told}"
            );
        }
    }

    #[test]
    fn results_are_never_mixed_with_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        drop(Results::create(folder.path()).unwrap());
        assert!(Results::create(folder.path()).is_err());
    }
}
