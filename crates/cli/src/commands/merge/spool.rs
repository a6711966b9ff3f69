//! The records of a merge on disk, of which only the keys are in memory.

use std::{
    collections::hash_map::DefaultHasher,
    fs::File,
    hash::{Hash as _, Hasher as _},
    io::{BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    time::Duration,
};

use analyse::{Merge, Merged, Spans};
use anyhow::Context as _;
use jiff::Timestamp;
use record::{Record, Results, quoted};

use super::Stop;
use crate::{exit::Usage, input::read_each_as_is};

/// The most by which the clock of another machine may be ahead of this one. Clocks that are set by NTP differ by
/// milliseconds, and others by seconds. If a run seems to start further in the future, its clock is wrong.
const AHEAD: Duration = Duration::from_secs(60);

/// Records as lines in a file without a name.
pub(super) struct Spool {
    lines: BufWriter<File>,
    length: u64,
    keys: Vec<Key>,
    spans: Spans,
}

/// The place of a record in a merged file, and the place of its line in the spool. The order in the merged file does
/// not depend on the order of the inputs, and equal records are next to each other.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    start_us: i64,
    hash: u64,
    offset: u64,
    bytes: usize,
}

/// The sum of the records that were written.
pub(super) struct Written {
    pub(super) merged: Merged,
    /// The number of records that were left out, because the inputs have them more than once.
    pub(super) repeated: u64,
}

impl Spool {
    pub(super) fn new(file: File) -> Self {
        Self { lines: BufWriter::new(file), length: 0, keys: Vec::new(), spans: Spans::default() }
    }

    /// Adds the records of a file or folder. Returns whether it has any.
    pub(super) fn read(&mut self, path: &Path) -> anyhow::Result<bool> {
        let mut outcome = Ok(());
        let has_any = read_each_as_is(path, |record| {
            if outcome.is_ok() {
                outcome = self.add(&record, path);
            }
        })?;
        outcome.map(|()| has_any)
    }

    fn add(&mut self, record: &Record, path: &Path) -> anyhow::Result<()> {
        let start_us = started(record, path)?;
        let line = record.to_line()?;
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        self.lines.write_all(line.as_bytes()).context("cannot write the records")?;
        self.keys.push(Key { start_us, hash: hasher.finish(), offset: self.length, bytes: line.len() });
        self.length += line.len() as u64;
        self.spans.add(record, start_us);
        Ok(())
    }

    /// Writes the records into a new folder in the order of their keys, each once, and returns their sum.
    pub(super) fn write(mut self, folder: &Path, stop: &Stop) -> anyhow::Result<Written> {
        self.keys.sort_unstable();
        let file = self.lines.into_inner().context("cannot write the records")?;
        let mut results = Results::create(folder)?;
        let mut merge = Merge::over(self.spans);
        let (mut repeated, mut last): (_, Option<(u64, Vec<u8>)>) = (0, None);
        for key in &self.keys {
            stop.check()?;
            let mut line = vec![0; key.bytes];
            file.read_exact_at(&mut line, key.offset).context("cannot read the records back")?;
            if last.as_ref().is_some_and(|(hash, known)| *hash == key.hash && *known == line) {
                repeated += 1;
                continue;
            }
            let record = Record::from_json(&line)?;
            merge.add(&record, key.start_us);
            results.write(&record)?;
            last = Some((key.hash, line));
        }
        Ok(Written { merged: merge.finish(), repeated })
    }
}

/// Returns the start of a run, in microseconds since 1970.
fn started(record: &Record, path: &Path) -> Result<i64, Usage> {
    let text = &record.started_at;
    let start: Timestamp = text.parse().map_err(|_| {
        let text = quoted(text);
        Usage::new(format!("{}: '{text}' is not a time; started_at must be as in RFC 3339", path.display()))
    })?;
    let ahead = Duration::try_from(start.duration_since(Timestamp::now())).unwrap_or_default();
    if ahead > AHEAD {
        let (path, ahead, most) = (path.display(), ahead.as_secs(), AHEAD.as_secs());
        return Err(Usage::new(format!(
            "{path}: a run started at {text}, {ahead} s in the future, and clocks may differ by {most} s; \
             set the clock of its machine, or of this one"
        )));
    }
    Ok(start.as_microsecond())
}
