//! The records of a session of `bench` or `prove`, and the report beside them.

use std::{
    fs::{self, File, TryLockError},
    io::Write as _,
    path::{Path, PathBuf},
};

use analyse::{FORMATS, Format, Report};
use anyhow::Context as _;
use record::{Host, RECORD_FILES, Record, Results, ResumeFileError, WriteError};

use crate::{
    exit::Usage,
    flags::SessionArgs,
    output::{note, stderr_line},
};

/// The file of the page.
const PAGE: &str = "report.html";

/// The sizes of the reserve of disk for the report, in bytes: room for a page with its charts, or else only for the
/// summary. With a reserve, the report can be written even if records have filled the disk.
const RESERVES: [usize; 2] = [1 << 20, 64 << 10];

/// The most sessions that begin in one second and one folder.
const MOST_AT_ONCE: u32 = 1000;

/// The place where the records of a session are kept.
pub(crate) enum Kept {
    /// In a folder of results.
    Folder(Folder),
    /// Records printed on standard output only, if no folder can be written. They stay in memory for the verdict.
    Printed(Vec<Record>),
}

/// A folder of results that no other process writes.
pub(crate) struct Folder {
    results: Results,
    /// The disk space that is reserved for the report.
    reserve: Option<File>,
    /// The locked file of records. `None` on a file system without locks.
    _lock: Option<File>,
}

impl Folder {
    fn of(results: Results, lock: Option<File>) -> Self {
        let reserve = reserve(results.folder());
        Self { results, reserve, _lock: lock }
    }
}

impl Kept {
    /// Creates the folder of results. With `--json`, the default folder is optional.
    pub(crate) fn begin(args: &SessionArgs, host: &Host) -> anyhow::Result<Self> {
        let created = match &args.output {
            Some(folder) => Results::create(folder),
            None => create_by_time(host),
        };
        match created {
            Ok(results) => {
                let lock = lock(results.folder())?;
                Ok(Self::Folder(Folder::of(results, lock)))
            }
            Err(error) if args.json && args.output.is_none() => {
                note(&format!("{error}; the records go to stdout only"));
                Ok(Self::Printed(Vec::new()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the folder of an interrupted session, and returns it with the records that it holds. A torn last line is cut off,
    /// and noted on stderr.
    ///
    /// # Errors
    /// Fails if another process writes the folder, if its records cannot be read, or if it cannot be written.
    pub(crate) fn resume(folder: &Path) -> anyhow::Result<(Self, Vec<Record>)> {
        let lock = lock(folder)?;
        let resumed = Results::resume(folder).map_err(|error| match error {
            ResumeFileError::Write(error) => anyhow::Error::new(error),
            error => Usage::new(error).into(),
        })?;
        if let Some(torn) = &resumed.torn {
            note(&format!("the last line is torn and cut off, and its run is made again: {torn}"));
        }
        Ok((Self::Folder(Folder::of(resumed.results, lock)), resumed.records))
    }

    /// Returns the folder of results, if there is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder.results.folder()),
            Self::Printed(_) => None,
        }
    }

    pub(crate) fn keep(&mut self, record: &Record) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => folder.results.write(record)?,
            Self::Printed(records) => records.push(record.clone()),
        }
        Ok(())
    }

    pub(crate) fn records(&self) -> anyhow::Result<Vec<Record>> {
        match self {
            Self::Folder(folder) => folder.results.read_back().map_err(|error| Usage::new(error).into()),
            Self::Printed(records) => Ok(records.clone()),
        }
    }

    /// Writes a further text beside the records, if they are in a folder.
    pub(crate) fn keep_text(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let Self::Folder(folder) = self else { return Ok(()) };
        let path = folder.results.folder().join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the report beside the records, and returns the path of its page, if records are in a folder.
    pub(crate) fn report(self, report: &Report<'_>, is_csv_wanted: bool) -> anyhow::Result<Option<PathBuf>> {
        let Self::Folder(Folder { results, reserve, _lock }) = self else { return Ok(None) };
        drop(reserve);
        let is_csv = |format: &dyn Format| format.file().ends_with(".csv");
        let is_wanted = |format: &&dyn Format| format.is_default() || (is_csv_wanted && is_csv(*format));
        let formats: Vec<_> = FORMATS.iter().copied().filter(is_wanted).collect();
        analyse::write(report, &formats, results.folder())?;
        stderr_line(format_args!("results: {}", results.folder().display()));
        Ok(Some(results.folder().join(PAGE)))
    }
}

/// Locks the file of records of a folder, until the returned file is closed or the process ends, however it ends.
/// Returns `None` on a file system without locks, or if the file cannot be opened.
///
/// # Errors
/// Fails if another process has locked the file.
fn lock(folder: &Path) -> anyhow::Result<Option<File>> {
    let path = folder.join(RECORD_FILES[0]);
    let file = match File::open(&path) {
        Ok(file) => file,
        // The reader of the records fails next, with a better message.
        Err(_) => return Ok(None),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let reason = format!("{}: another longhaul is writing these results", folder.display());
            Err(Usage::new(reason).into())
        }
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Reserves disk for the report, by a file without a name that exists until the report is written.
fn reserve(folder: &Path) -> Option<File> {
    RESERVES.iter().find_map(|bytes| {
        let mut file = tempfile::tempfile_in(folder).ok()?;
        file.write_all(&vec![0; *bytes]).ok()?;
        Some(file)
    })
}

/// Creates `results/<UTC time>-<host>`, or that name with a number if another session has begun in the same second.
fn create_by_time(host: &Host) -> Result<Results, WriteError> {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let name = host.name.as_deref().unwrap_or("host");
    create_first(&format!("results/{time}-{name}"))
}

/// Creates the first folder of `path`, `path-2`, `path-3` and so on that holds no results.
fn create_first(path: &str) -> Result<Results, WriteError> {
    let mut number = 1;
    loop {
        let folder = if number == 1 { path.to_owned() } else { format!("{path}-{number}") };
        match Results::create(Path::new(&folder)) {
            Err(WriteError::Exists { .. }) if number < MOST_AT_ONCE => number += 1,
            created => return created,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_one_second_have_folders_of_their_own() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("20260101T000000Z-host");
        let create = || create_first(path.to_str().unwrap()).unwrap().folder().to_owned();
        assert_eq!(create(), path);
        assert_eq!(create().file_name().unwrap(), "20260101T000000Z-host-2");
        assert_eq!(create().file_name().unwrap(), "20260101T000000Z-host-3");
    }
}
