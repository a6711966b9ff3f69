//! The records of a session of `bench` or `prove`, and the report beside them.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use analyse::{FORMATS, Format, Report};
use anyhow::Context as _;
use record::{Host, Record, Results, WriteError};

use crate::{cli::SessionArgs, exit::Usage, output::note};

/// The file of the page.
const PAGE: &str = "report.html";

/// The sizes of the reserve of disk for the report, in bytes: room for a page with its charts, or else only for the
/// summary. With a reserve, the report can be written even if records have filled the disk.
const RESERVES: [usize; 2] = [1 << 20, 64 << 10];

/// The most sessions that begin in one second and one folder.
const MOST_AT_ONCE: u32 = 1000;

/// The place where the records of a session are kept.
pub(crate) enum Kept {
    /// In a folder of results, with disk held back for the report.
    Folder(Results, Option<File>),
    /// Records printed on standard output only, if no folder can be written. They stay in memory for the verdict.
    Printed(Vec<Record>),
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
                let reserve = reserve(results.folder());
                Ok(Self::Folder(results, reserve))
            }
            Err(error) if args.json && args.output.is_none() => {
                note(&format!("{error}; the records go to stdout only"));
                Ok(Self::Printed(Vec::new()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The folder of results, if there is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(results, _) => Some(results.folder()),
            Self::Printed(_) => None,
        }
    }

    pub(crate) fn keep(&mut self, record: &Record) -> anyhow::Result<()> {
        match self {
            Self::Folder(results, _) => results.write(record)?,
            Self::Printed(records) => records.push(record.clone()),
        }
        Ok(())
    }

    pub(crate) fn records(&self) -> anyhow::Result<Vec<Record>> {
        match self {
            Self::Folder(results, _) => results.read_back().map_err(|error| Usage::new(error).into()),
            Self::Printed(records) => Ok(records.clone()),
        }
    }

    /// Writes a further text beside the records, if they are in a folder.
    pub(crate) fn keep_text(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let Self::Folder(results, _) = self else { return Ok(()) };
        let path = results.folder().join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the report beside the records, and returns the path of its page, if records are in a folder.
    pub(crate) fn report(self, report: &Report<'_>, is_csv_wanted: bool) -> anyhow::Result<Option<PathBuf>> {
        let Self::Folder(results, reserve) = self else { return Ok(None) };
        drop(reserve);
        let is_csv = |format: &dyn Format| format.file().ends_with(".csv");
        let is_wanted = |format: &&dyn Format| format.is_default() || (is_csv_wanted && is_csv(*format));
        let formats: Vec<_> = FORMATS.iter().copied().filter(is_wanted).collect();
        analyse::write(report, &formats, results.folder())?;
        eprintln!("results: {}", results.folder().display());
        Ok(Some(results.folder().join(PAGE)))
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
