//! The writer of a folder of results. Each record is on disk before the next run starts.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use crate::{ReadError, Record, read, read_undamaged, reader::RECORD_FILES};

/// A folder of results that is being written, with its file of records.
#[derive(Debug)]
pub struct Results {
    folder: PathBuf,
    records: File,
    written: u64,
    /// The length of all whole lines, in bytes.
    length: u64,
}

/// A folder of results that was opened again for further records.
#[derive(Debug)]
#[non_exhaustive]
pub struct Resumed {
    /// The folder.
    pub results: Results,
    /// The records that the folder holds.
    pub records: Vec<Record>,
    /// The torn last line that was cut off, described as a reader reports it.
    pub torn: Option<String>,
}

/// The failure to open a folder of results again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeFileError {
    /// The records cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The records are compressed.
    #[error("{} is compressed, and cannot be continued; decompress it", path.display())]
    Compressed {
        /// The path of the compressed file.
        path: PathBuf,
    },
}

/// The failure to write results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The folder holds results already.
    #[error("{} exists already; use another folder", path.display())]
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
        // With a position of its own, a write after `set_len` would leave a gap of null bytes.
        let records = OpenOptions::new().read(true).append(true).create_new(true).open(&path);
        let records = records.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => WriteError::Exists { path },
            _ => unwritable(error),
        })?;
        Ok(Self { folder: folder.into(), records, written: 0, length: 0 })
    }

    /// Opens the file of records in a folder to append further records, and returns it with its records. A torn last
    /// line is cut off. A last record without a line break gets one.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written, has no record, or has a damaged line that is not the last.
    pub fn resume(folder: &Path) -> Result<Resumed, ResumeFileError> {
        let path = folder.join(RECORD_FILES[0]);
        let compressed = RECORD_FILES.iter().skip(1).map(|name| folder.join(name)).find(|path| path.exists());
        if let Some(path) = compressed.filter(|_| !path.exists()) {
            return Err(ResumeFileError::Compressed { path });
        }
        let (records, damage) = {
            let read = read_undamaged(&path)?;
            (read.records, read.damage)
        };
        let torn = damage.torn.as_ref().map(ToString::to_string);
        damage.none()?;
        let unwritable = |source| WriteError::Unwritable { path: path.clone(), source };
        let mut file = OpenOptions::new().read(true).append(true).open(&path).map_err(unwritable)?;
        let ends = line_ends(&file).map_err(unwritable)?;
        let length = match torn {
            Some(_) => {
                file.set_len(ends.whole).map_err(unwritable)?;
                ends.whole
            }
            None if ends.whole < ends.all => {
                file.write_all(b"\n").map_err(unwritable)?;
                ends.all + 1
            }
            None => ends.all,
        };
        let written = records.len() as u64;
        let results = Self { folder: folder.into(), records: file, written, length };
        Ok(Resumed { results, records, torn })
    }

    /// Appends a record. The operating system has the record when the function returns. After a failure, the file still
    /// holds the whole lines before the record, and further records can be appended.
    ///
    /// # Errors
    /// Fails if the record cannot be written as JSON, or the file cannot be written.
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

/// The lengths of a file of lines, in bytes.
struct LineEnds {
    /// The length of all whole lines.
    whole: u64,
    /// The length of the file.
    all: u64,
}

fn line_ends(file: &File) -> io::Result<LineEnds> {
    let (mut reader, mut line, mut ends) = (BufReader::new(file), Vec::new(), LineEnds { whole: 0, all: 0 });
    while reader.read_until(b'\n', &mut line)? > 0 {
        ends.all += line.len() as u64;
        if line.ends_with(b"\n") {
            ends.whole = ends.all;
        }
        line.clear();
    }
    Ok(ends)
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

    #[test]
    fn further_records_follow_the_last_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RECORD_FILES[0]);
        let [line, other] = ["h1", "h2"].map(|name| Record::new("run", Case::new(name)).to_line().unwrap());
        for (written, records, is_torn) in [
            (format!("{line}{other}"), 2, false),
            (format!("{line}{}", &other[..other.len() / 2]), 1, true),
            (format!("{line}{}", other.trim_end()), 2, false),
        ] {
            fs::write(&path, written).unwrap();
            let mut resumed = Results::resume(folder.path()).unwrap();
            assert_eq!((resumed.records.len(), resumed.torn.is_some()), (records, is_torn));
            resumed.results.write(&Record::new("run", Case::new("h3"))).unwrap();
            assert_eq!(resumed.results.read_back().unwrap().len(), records + 1);
            assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), records + 1);
        }
    }

    /// The variable that names the folder of a process whose files cannot exceed 16 KiB.
    const LIMITED: &str = "LONGHAUL_TEST_RECORDS";

    #[test]
    fn a_record_that_could_not_be_written_leaves_no_trace() {
        let name = "writer::tests::a_record_that_could_not_be_written_leaves_no_trace";
        let Some(folder) = std::env::var_os(LIMITED) else {
            let folder = tempfile::tempdir().unwrap();
            let limited = "trap '' XFSZ; ulimit -f 32; exec \"$0\" --exact \"$1\" --nocapture";
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", limited]).arg(std::env::current_exe().unwrap()).arg(name);
            let output = shell.env(LIMITED, folder.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(read(folder.path()).unwrap().len(), 2);
            return;
        };
        let mut results = Results::create(Path::new(&folder)).unwrap();
        let [first, mut large, next] = ["h1", "h2", "h3"].map(|name| Record::new("run", Case::new(name)));
        large.command = Some("x".repeat(64 << 10));
        results.write(&first).unwrap();
        assert!(matches!(results.write(&large), Err(WriteError::Unwritable { .. })));
        results.write(&next).unwrap();
        assert_eq!(results.read_back().unwrap(), [first, next]);
    }

    #[test]
    fn a_folder_without_whole_records_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Results::resume(folder.path()).is_err());
        let path = folder.path().join(RECORD_FILES[0]);
        let line = Record::new("run", Case::new("h2")).to_line().unwrap();
        for written in [String::new(), "{\"half".into(), format!("{line}rubbish\n{line}")] {
            fs::write(&path, &written).unwrap();
            assert!(Results::resume(folder.path()).is_err(), "{written}");
            assert_eq!(fs::read_to_string(&path).unwrap(), written);
        }
    }
}
