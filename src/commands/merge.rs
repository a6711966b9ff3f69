//! `longhaul merge`: puts the records of several senders into one folder, with their sum.

use std::{
    collections::hash_map::DefaultHasher,
    fs::{self, File},
    hash::{Hash as _, Hasher as _},
    io::{BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use analyse::{Merge, Merged, Verdict};
use anyhow::Context as _;
use jiff::Timestamp;
use record::{Damage, Record, Results};

use crate::{
    cli::MergeArgs,
    exit::Usage,
    input::read_each,
    output::{note, print},
};

/// The file of the sum, beside the records.
const SUM: &str = "merged.json";

/// Runs `longhaul merge`. The folder appears whole, or not at all.
pub(super) fn main(args: &MergeArgs) -> anyhow::Result<Verdict> {
    if args.output.exists() {
        return Err(exists(&args.output).into());
    }
    let parent = args.output.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let unwritable = || format!("cannot write results into {}", args.output.display());
    fs::create_dir_all(parent).with_context(unwritable)?;
    let draft =
        tempfile::Builder::new().prefix(".longhaul-merge-").tempdir_in(parent).with_context(unwritable)?;
    let mut spool = Spool::new(tempfile::tempfile_in(draft.path()).with_context(unwritable)?);
    args.records.iter().try_for_each(|path| spool.read(path))?;

    let folder = draft.path().join("merged");
    let merged = spool.write(&folder)?;
    let sum = serde_json::to_string_pretty(&merged)? + "\n";
    fs::write(folder.join(SUM), &sum).with_context(unwritable)?;
    // A rename never replaces a folder that has files, so of two merges into one folder, one fails.
    fs::rename(&folder, &args.output).map_err(|error| match args.output.exists() {
        true => anyhow::Error::new(exists(&args.output)),
        false => anyhow::Error::new(error).context(unwritable()),
    })?;
    print(&described(&merged))?;
    eprintln!("results: {}", args.output.display());
    Ok(verdict(&merged, args.expect))
}

fn exists(output: &Path) -> Usage {
    Usage::new(format!("{} exists already; use another folder (--output)", output.display()))
}

/// Records as lines in a file without a name. Only their keys are in memory.
struct Spool {
    lines: BufWriter<File>,
    length: u64,
    keys: Vec<Key>,
}

/// The place of a record in the order of a merged file, which does not depend on the order of the inputs, and the place
/// of its line in the spool. Equal records are next to each other.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    start_us: i64,
    hash: u64,
    offset: u64,
    bytes: usize,
}

impl Spool {
    fn new(file: File) -> Self {
        Self { lines: BufWriter::new(file), length: 0, keys: Vec::new() }
    }

    /// Adds the records of a file or folder.
    fn read(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        let damage: Damage = read_each(path, |record| {
            if outcome.is_ok() {
                outcome = self.add(&record, path);
            }
        })?;
        outcome?;
        Ok(damage.none().map_err(Usage::new)?)
    }

    fn add(&mut self, record: &Record, path: &Path) -> anyhow::Result<()> {
        let start_us = started(record, path)?;
        let line = record.to_line()?;
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        self.lines.write_all(line.as_bytes()).context("cannot write the records")?;
        self.keys.push(Key { start_us, hash: hasher.finish(), offset: self.length, bytes: line.len() });
        self.length += line.len() as u64;
        Ok(())
    }

    /// Writes the records into a new folder in the order of their keys, each once, and returns their sum.
    fn write(mut self, folder: &Path) -> anyhow::Result<Merged> {
        self.keys.sort_unstable();
        let file = self.lines.into_inner().context("cannot write the records")?;
        let mut results = Results::create(folder)?;
        let (mut merge, mut last): (_, Option<(u64, Vec<u8>)>) = (Merge::default(), None);
        for key in &self.keys {
            let mut line = vec![0; key.bytes];
            file.read_exact_at(&mut line, key.offset).context("cannot read the records back")?;
            if last.as_ref().is_some_and(|(hash, known)| *hash == key.hash && *known == line) {
                continue;
            }
            let record = Record::from_json(&line)?;
            merge.add(&record, key.start_us);
            results.write(&record)?;
            last = Some((key.hash, line));
        }
        Ok(merge.finish())
    }
}

/// Returns the start of a run, in microseconds since 1970.
fn started(record: &Record, path: &Path) -> Result<i64, Usage> {
    let text = &record.started_at;
    let start: Timestamp = text.parse().map_err(|_| {
        Usage::new(format!("{}: '{text}' is not a time; started_at must be as in RFC 3339", path.display()))
    })?;
    if start > Timestamp::now() {
        let text = format!("{}: a run started at {text}, which is in the future", path.display());
        return Err(Usage::new(text + "; set the clock of its machine, or of this one"));
    }
    Ok(start.as_microsecond())
}

/// Returns the sum in a few lines.
fn described(merged: &Merged) -> String {
    let hosts: Vec<_> = merged.hosts.iter().map(String::as_str).collect();
    let (senders, hosts) = (merged.senders.len(), hosts.join(", "));
    let common = merged.common.map_or_else(
        || "none".to_owned(),
        |common| format!("{:.3} s", (common.end_us - common.start_us) as f64 / 1e6),
    );
    format!(
        "records   {} ({} failed)\nsenders   {senders} on {hosts}\nbytes     {}\ntogether  {common}\n",
        merged.records, merged.failed, merged.bytes
    )
}

/// Judges the sum, and notes what is wrong with it.
fn verdict(merged: &Merged, expected: Option<usize>) -> Verdict {
    let mut verdict = Verdict::Good;
    if merged.failed > 0 {
        note(&format!("{} of {} runs failed", merged.failed, merged.records));
        verdict = Verdict::RunFailed;
    }
    let found = merged.senders.len();
    if let Some(expected) = expected.filter(|expected| found != *expected) {
        note(&format!("{expected} senders were expected, but {found} have records"));
        verdict = Verdict::RunFailed;
    }
    if merged.distributions_left_out > 0 {
        note(&format!("{} distributions cannot be added up and are left out", merged.distributions_left_out));
    }
    if merged.common.is_none() {
        let starts = || merged.senders.iter().map(|sender| sender.span.start_us);
        let apart = starts().max().unwrap_or(0).saturating_sub(starts().min().unwrap_or(0));
        let apart = apart as f64 / 1e6;
        note(&format!(
            "the senders did not all run at the same time: their starts are {apart:.1} s apart, or their clocks differ"
        ));
        verdict = verdict.min(Verdict::Inconclusive);
    }
    verdict
}
