//! The reader of records on disk, from plain and compressed files. Errors name every damaged line.

use std::{
    cmp::Ordering,
    io::{self, BufRead as _},
    path::{Path, PathBuf},
};

use crate::{
    Build, Host, Limits, Record, SCHEMA_VERSION, Shared, compressed::open, printable, record::OLDEST_VERSION,
    seen_lines::SeenLines,
};

/// The possible names of the file of records in a folder of results. The first file that exists is read.
pub const RECORD_FILES: [&str; 3] = ["records.jsonl", "records.jsonl.zst", "records.jsonl.gz"];

/// The largest number of damaged lines that an error lists one by one.
const LISTED: usize = 5;

/// The records that were read, and the damaged lines between them.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ReadRecords {
    /// The records, in the order of the file.
    pub records: Vec<Record>,
    /// The lines that are not records.
    pub damage: Damage,
}

/// The lines of a file that are not records, or that repeat one.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Damage {
    /// The damaged lines.
    pub lines: Vec<DamagedLine>,
    /// A last line without a line break that is not a record, as a full disk or a killed process leaves it. Such a line
    /// does not count as damage if the file has a record.
    pub torn: Option<DamagedLine>,
    /// The number of lines that equal an earlier line. They do not count as damage.
    pub repeated: usize,
}

/// A line of a file that is not a record. The reason may quote the line, so it is in [`printable()`] form.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}:{line}: {}: {}",
    path.display(),
    in_words(newer.as_deref()),
    printable(&source.to_string())
)]
pub struct DamagedLine {
    /// The path of the file.
    path: PathBuf,
    /// The number of the line, from 1.
    line: u64,
    /// The reason why the line cannot be parsed.
    source: serde_json::Error,
    /// The version of longhaul that wrote the line, if it is newer than this one.
    newer: Option<String>,
}

/// The failure to read records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened, read or decompressed.
    #[error("cannot read records {}: {source}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The operating system's or the decoder's reason.
        source: io::Error,
    },
    /// The file has no record.
    #[error("{} holds no records", path.display())]
    Empty {
        /// The path of the file.
        path: PathBuf,
    },
    /// A record has a schema version that this version of longhaul cannot read.
    #[error(
        "{}:{line}: a record of schema version {found}, but this version of longhaul reads {OLDEST_VERSION} to {SCHEMA_VERSION}: {}",
        path.display(),
        remedy(*found)
    )]
    Version {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: u64,
        /// The schema version that the record states.
        found: u32,
    },
    /// The only line is torn, as a process leaves it that was killed while it wrote its first record.
    #[error(transparent)]
    Torn(DamagedLine),
    /// Some lines are not records.
    #[error("{}", listed(.0))]
    Damaged(Vec<DamagedLine>),
}

impl ReadRecords {
    /// Creates the result of reading from `records` and the damaged lines between them.
    pub fn new(records: Vec<Record>, damage: Damage) -> Self {
        Self { records, damage }
    }

    /// Returns the records if no line was damaged.
    ///
    /// # Errors
    /// Fails with [`ReadError::Damaged`] if a line is damaged. The error names file and line of all damage.
    pub fn whole(self) -> Result<Vec<Record>, ReadError> {
        self.damage.none().map(|()| self.records)
    }
}

impl Damage {
    /// Checks that no line was damaged.
    ///
    /// # Errors
    /// Fails with [`ReadError::Damaged`] if a line is damaged. The error names file and line of all damage.
    pub fn none(self) -> Result<(), ReadError> {
        if self.lines.is_empty() { Ok(()) } else { Err(ReadError::Damaged(self.lines)) }
    }
}

/// Reads the records of a file, or of the file in a folder of results. A torn last line is skipped: one that has no
/// line break and is not a record. Files that end in `.gz` or `.zst` are decompressed.
///
/// # Errors
/// Fails if the file cannot be read, has no record, has a damaged line, or has a record of another schema version.
pub fn read(path: &Path) -> Result<Vec<Record>, ReadError> {
    read_undamaged(path)?.whole()
}

/// Reads the records of a file, or of the file in a folder of results, and skips damaged lines.
///
/// # Errors
/// Fails if the file cannot be read, has no record, or has a record of another schema version.
pub fn read_undamaged(path: &Path) -> Result<ReadRecords, ReadError> {
    let mut records = Vec::new();
    let damage = read_each(path, |record| records.push(record))?;
    Ok(ReadRecords { records, damage })
}

/// Calls `each` with each record of a file, or of the file in a folder of results. Damaged lines and lines that equal an
/// earlier one are skipped. At most one record is in memory at a time.
///
/// # Errors
/// Fails if the file cannot be read, has no record, or has a record of another schema version.
pub fn read_each(path: &Path, each: impl FnMut(Record)) -> Result<Damage, ReadError> {
    read_each_unseen(path, &mut SeenLines::default(), each)
}

/// Calls `each` as [`read_each`] does, but not with records that are in `seen`. So a record in several files counts
/// once. `seen` takes up the lines of this file.
///
/// # Errors
/// Fails if the file cannot be read, has no record, or has a record of another schema version.
pub fn read_each_unseen(
    path: &Path,
    seen: &mut SeenLines,
    mut each: impl FnMut(Record),
) -> Result<Damage, ReadError> {
    let path = records_file(path);
    let unreadable = |source| ReadError::Unreadable { path: path.clone(), source };
    let mut damage = Damage::default();
    let (mut file, mut line, mut number) = (open(&path).map_err(unreadable)?, Vec::new(), 0);
    let mut last = None;
    while file.read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
        number += 1;
        let text = line.strip_suffix(b"\n");
        match parse(text.unwrap_or(&line)) {
            Ok(mut record) => {
                share_facts(&mut record, &mut last);
                match seen.add(text.unwrap_or(&line)) {
                    true => each(record),
                    false => damage.repeated += 1,
                }
            }
            Err(NoRecord::Version(found)) => return Err(ReadError::Version { path, line: number, found }),
            Err(NoRecord::Damage(source)) => {
                let newer = newer_writer(text.unwrap_or(&line));
                let damaged = DamagedLine { path: path.clone(), line: number, source, newer };
                if text.is_some() { damage.lines.push(damaged) } else { damage.torn = Some(damaged) }
            }
        }
        line.clear();
    }
    if last.is_some() {
        return Ok(damage);
    }
    Err(without_record(path, damage))
}

/// Returns the error for a file without a record.
fn without_record(path: PathBuf, damage: Damage) -> ReadError {
    let Damage { mut lines, torn, .. } = damage;
    match torn {
        Some(torn) if lines.is_empty() => ReadError::Torn(torn),
        torn => {
            lines.extend(torn);
            if lines.is_empty() { ReadError::Empty { path } } else { ReadError::Damaged(lines) }
        }
    }
}

/// Lets a record share the memory of its limits, machine and build with the previous record if these are equal.
fn share_facts(record: &mut Record, last: &mut Option<(Limits, Shared<Host>, Shared<Build>)>) {
    if let Some((limits, host, build)) = last {
        share(&mut record.limits, limits);
        share(&mut record.host, host);
        share(&mut record.build, build);
        record.case.limits = record.limits.clone();
    }
    *last = Some((record.limits.clone(), record.host.clone(), record.build.clone()));
}

/// Replaces `value` by a copy of `known` if both are equal, so that they share memory.
fn share<T: PartialEq + Clone>(value: &mut T, known: &T) {
    if *value == *known {
        *value = known.clone();
    }
}

/// Returns the path of the file of records in a folder. A path that is not a folder is returned unchanged.
pub fn records_file(path: &Path) -> PathBuf {
    if !path.is_dir() {
        return path.to_owned();
    }
    let candidates = RECORD_FILES.map(|name| path.join(name));
    let existing = candidates.iter().find(|file| file.exists());
    existing.unwrap_or(&candidates[0]).clone()
}

/// The reason why a line cannot be read as a record.
enum NoRecord {
    Version(u32),
    Damage(serde_json::Error),
}

/// Parses a line. The schema version is checked first, since a line of another version may have other fields.
fn parse(line: &[u8]) -> Result<Record, NoRecord> {
    #[derive(serde::Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let (found, parsed) = match Record::from_json(line) {
        Ok(record) => (record.schema_version, Ok(record)),
        Err(error) => {
            let version = serde_json::from_slice(line).map(|Version { schema_version }| schema_version);
            (version.unwrap_or(SCHEMA_VERSION), Err(NoRecord::Damage(error)))
        }
    };
    if (OLDEST_VERSION..=SCHEMA_VERSION).contains(&found) { parsed } else { Err(NoRecord::Version(found)) }
}

/// The version of this longhaul.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// Returns the version of longhaul that a line of JSON states, if it is newer than this one. Later versions may use
/// words that this one does not know, such as a new kind of failure.
fn newer_writer(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Line {
        build: Written,
    }
    #[derive(serde::Deserialize)]
    struct Written {
        version: String,
    }
    let version = serde_json::from_slice::<Line>(line).ok()?.build.version;
    (numbers(&version)? > numbers(OWN)?).then_some(version)
}

/// Returns the numbers of a version; `None` for a text of another form.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let (numbers, _) = version.split_once(['-', '+']).unwrap_or((version, ""));
    let numbers: Vec<u64> = numbers.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

fn in_words(newer: Option<&str>) -> String {
    match newer {
        None => "not a record".to_owned(),
        Some(version) => format!(
            "a newer longhaul ({}) wrote this line, and this one ({OWN}) cannot read it; read it with a newer longhaul",
            printable(version)
        ),
    }
}

fn remedy(found: u32) -> &'static str {
    match found.cmp(&OLDEST_VERSION) {
        Ordering::Less => "measure again, or read it with the longhaul that made it (its build.version)",
        _ => "read it with a newer longhaul",
    }
}

/// Returns one line of text for each damaged line, up to [`LISTED`], then the number of further damaged lines.
fn listed(damage: &[DamagedLine]) -> String {
    let more = damage.len().saturating_sub(LISTED);
    let mut lines: Vec<String> = damage.iter().take(LISTED).map(ToString::to_string).collect();
    lines.extend((more > 0).then(|| format!("and {more} more lines are damaged")));
    lines.join("\nerror: ")
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use flate2::{Compression, write::GzEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;
    use crate::{Case, Fault, FaultKind};

    fn line(protocol: &str) -> String {
        Record::new("run", Case::new(protocol)).to_line().unwrap()
    }

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
    fn records_beside_damage_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let (good, other) = (line("h2"), line("h3"));
        fs::write(folder.path().join(RECORD_FILES[0]), format!("{good}{{\"half\": \n{other}\u{0}\u{fffd}\n"))
            .unwrap();
        let undamaged = read_undamaged(folder.path()).unwrap();
        assert_eq!(undamaged.records.len(), 2);
        let mut each = Vec::new();
        let damage = read_each(folder.path(), |record| each.push(record)).unwrap();
        assert_eq!((each, damage.lines.len()), (undamaged.records.clone(), undamaged.damage.lines.len()));
        let error = undamaged.whole().unwrap_err().to_string();
        assert!(
            error.contains("records.jsonl:2: not a record") && error.contains("records.jsonl:4: "),
            "{error}"
        );
        assert_eq!(read(folder.path()).unwrap_err().to_string(), error);
    }

    #[test]
    fn a_record_counts_once_within_a_file_and_over_several() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.jsonl"), line("h1") + &line("h2") + &line("h1")).unwrap();
        fs::write(path("b.jsonl"), line("h3") + line("h2").trim_end()).unwrap();
        let (mut seen, mut protocols) = (SeenLines::default(), Vec::new());
        let repeated = ["a.jsonl", "b.jsonl"].map(|name| {
            let each = |record: Record| protocols.push(record.case.protocol);
            read_each_unseen(&path(name), &mut seen, each).unwrap().repeated
        });
        assert_eq!((protocols, repeated), (["h1", "h2", "h3"].map(Into::into).to_vec(), [1, 1]));
        assert_eq!(read(&path("a.jsonl")).unwrap().len(), 2);
    }

    #[test]
    fn a_torn_last_line_is_skipped_and_any_other_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let (path, good, other) = (folder.path().join(RECORD_FILES[0]), line("h2"), line("h3"));
        let torn = &good[..good.len() / 2];
        fs::write(&path, format!("{good}{other}{torn}")).unwrap();
        let undamaged = read_undamaged(&path).unwrap();
        let torn_line = undamaged.damage.torn.as_ref().unwrap().to_string();
        assert!(torn_line.contains("records.jsonl:3: not a record"), "{torn_line}");
        assert_eq!(undamaged.whole().unwrap().len(), 2);
        assert_eq!(read(&path).unwrap().len(), 2);
        fs::write(&path, format!("{good}{torn}\n{good}")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("records.jsonl:2: not a record"));
        fs::write(&path, torn).unwrap();
        let only = read(&path).unwrap_err();
        assert!(matches!(only, ReadError::Torn(_)), "{only:?}");
        assert!(only.to_string().contains("records.jsonl:1: not a record"));
        fs::write(&path, format!("{torn}\n{torn}")).unwrap();
        let lines = read(&path).unwrap_err();
        assert!(matches!(&lines, ReadError::Damaged(lines) if lines.len() == 2), "{lines:?}");
        fs::write(&path, good.trim_end()).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1, "whole, but for its end");
    }

    #[test]
    fn much_damage_is_listed_in_few_lines() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(RECORD_FILES[0]), "rubbish\n".repeat(100)).unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(
            error.lines().count() == LISTED + 1 && error.ends_with("and 95 more lines are damaged"),
            "{error}"
        );
    }

    #[test]
    fn a_damaged_line_that_is_quoted_does_not_control_the_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let hostile = line("h2").replacen("\"up\"", "\"up\\u001b[2J\"", 1);
        fs::write(folder.path().join(RECORD_FILES[0]), hostile).unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("`up\\u{1b}[2J`") && !error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn a_word_of_a_newer_version_is_said_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let written_by = |version: &str| {
            let mut record = Record::new("run", Case::new("h2"));
            record.build.version = version.into();
            record.error = Some(Fault::new(FaultKind::Timeout, "full"));
            let line = record.to_line().unwrap().replacen("\"timeout\"", "\"quota\"", 1);
            fs::write(folder.path().join(RECORD_FILES[0]), line).unwrap();
            read(folder.path()).unwrap_err().to_string()
        };
        for newer in ["1000.0.0", "1000.2.1-rc.1"] {
            let error = written_by(newer);
            let expected = format!("records.jsonl:1: a newer longhaul ({newer}) wrote this line");
            assert!(error.contains(&expected) && error.contains("unknown variant `quota`"), "{error}");
        }
        for other in [OWN, "0.0.1", "", "1000", "new.er.er"] {
            let error = written_by(other);
            assert!(error.contains("records.jsonl:1: not a record: unknown variant `quota`"), "{error}");
        }
    }

    #[test]
    fn another_schema_version_is_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        for (version, remedy) in [(0, "measure again"), (SCHEMA_VERSION + 1, "a newer longhaul")] {
            let other = line("h2").replacen(&format!(":{SCHEMA_VERSION}"), &format!(":{version}"), 1);
            fs::write(folder.path().join(RECORD_FILES[0]), line("h2") + &other).unwrap();
            let error = read_undamaged(folder.path()).unwrap_err().to_string();
            assert!(
                error.contains("records.jsonl:2: a record of schema version") && error.contains(remedy),
                "{error}"
            );
        }
    }

    #[test]
    fn records_of_one_machine_and_build_share_their_memory() {
        let on = |name: &str| {
            let mut record = Record::new("run", Case::new("h2"));
            record.host.name = Some(name.into());
            record.build.versions.insert("h2".into(), "0.4".into());
            record.to_line().unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let again = on("a").replacen("\"run\"", "\"another\"", 1);
        fs::write(folder.path().join(RECORD_FILES[0]), on("a") + &again + &on("b")).unwrap();
        let records = read(folder.path()).unwrap();
        let is_one = |a: usize, b: usize| {
            let (a, b) = (&records[a], &records[b]);
            (std::ptr::eq(&*a.host, &*b.host), std::ptr::eq(&*a.build, &*b.build))
        };
        assert_eq!((is_one(0, 1), is_one(1, 2)), ((true, true), (false, true)));
        assert_eq!(records[2].host.name.as_deref(), Some("b"));
    }

    #[test]
    fn compressed_files_are_read_like_plain_ones() {
        let text = line("h1") + &line("h3");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        let zstd = compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
        for (file, bytes) in [
            (RECORD_FILES[0], text.clone().into_bytes()),
            (RECORD_FILES[2], gzip.finish().unwrap()),
            (RECORD_FILES[1], zstd),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(file), &bytes).unwrap();
            for path in [folder.path().to_owned(), folder.path().join(file)] {
                let protocols: Vec<_> =
                    read(&path).unwrap().into_iter().map(|record| record.case.protocol).collect();
                assert_eq!(protocols, ["h1", "h3"], "{file}");
            }
        }
    }
}
