//! `longhaul merge`: puts the records of several senders into one folder, with their sum.

mod draft;
mod spool;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use analyse::{Merged, Verdict};
use anyhow::Context as _;
use record::{RECORD_FILES, printable, speed};

use self::{
    draft::{Draft, check_free, parent, unwritable},
    spool::{Spool, Written},
};
use super::signals::Signals;
use crate::{
    exit::Usage,
    flags::MergeArgs,
    output::{note, print, stderr_line},
};

/// The file of the sum, beside the records.
const SUM: &str = "merged.json";

/// Runs `longhaul merge`. The folder appears whole, or not at all.
pub(super) fn main(args: MergeArgs) -> anyhow::Result<Verdict> {
    static STOP: Stop = Stop { is_demanded: AtomicBool::new(false), is_published: Mutex::new(false) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::register()?;
        let mut merge = tokio::task::spawn_blocking(move || merge(&args, &STOP));
        tokio::select! {
            biased;
            outcome = &mut merge => outcome?,
            () = signals.end() => match STOP.demand() {
                Stopped::Before => {
                    stderr_line(format_args!("interrupted: nothing is written"));
                    Ok(Verdict::Interrupted)
                }
                Stopped::After => merge.await?,
            },
        }
    });
    // Do not wait for a thread that still waits for input.
    runtime.shutdown_background();
    outcome
}

fn merge(args: &MergeArgs, stop: &Stop) -> anyhow::Result<Verdict> {
    let output = &args.output;
    check_free(output)?;
    let spool = tempfile::tempfile_in(existing(parent(output))).with_context(|| unwritable(output))?;
    let mut spool = Spool::new(spool);
    let inputs: Vec<_> = args.records.iter().flat_map(|path| inputs(path)).collect();
    let mut unfinished = 0;
    for input in &inputs {
        if !spool.read(input)? {
            note(&format!("{} holds no records: its sender did not end", input.display()));
            unfinished += 1;
        }
    }
    if unfinished == inputs.len() {
        return Err(Usage::new("no input holds a record").into());
    }
    let written = write(spool, args, stop)?;
    if written.repeated > 0 {
        note(&format!("records that were given more than once count once: {} left out", written.repeated));
    }
    print(&described(&written.merged))?;
    stderr_line(format_args!("results: {}", output.display()));
    let ended = if unfinished > 0 { Verdict::RunFailed } else { Verdict::Good };
    Ok(verdict(&written.merged, args.expect).min(ended))
}

/// Returns the inputs that a path names: the path itself, or the folders of results in it, if it is a folder that holds
/// no records itself.
fn inputs(path: &Path) -> Vec<PathBuf> {
    let has_records = |folder: &Path| RECORD_FILES.iter().any(|name| folder.join(name).exists());
    let is_hidden =
        |folder: &Path| folder.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<_> = entries.filter(|folder| !is_hidden(folder) && has_records(folder)).collect();
    if folders.is_empty() || has_records(path) {
        return vec![path.to_owned()];
    }
    folders.sort();
    folders
}

/// Returns the nearest folder above a path that exists, or the path itself.
fn existing(path: &Path) -> &Path {
    let mut folders = path.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    folders.find(|folder| folder.exists()).unwrap_or(Path::new("."))
}

/// Writes the records and their sum. The draft exists only while this function runs, and the function waits for nothing
/// but the disk.
fn write(spool: Spool, args: &MergeArgs, stop: &Stop) -> anyhow::Result<Written> {
    let mut is_published = stop.writing()?;
    let draft = Draft::of(&args.output)?;
    let folder = draft.folder();
    let written = spool.write(&folder, stop)?;
    let sum = serde_json::to_string_pretty(&written.merged)? + "\n";
    fs::write(folder.join(SUM), &sum).with_context(|| unwritable(&args.output))?;
    draft.publish()?;
    *is_published = true;
    Ok(written)
}

/// The request to stop a merge, which a signal makes.
struct Stop {
    is_demanded: AtomicBool,
    /// True once the results have their final name. Locked while a draft exists.
    is_published: Mutex<bool>,
}

/// The time of a stop: before or after the results got their final name.
enum Stopped {
    Before,
    After,
}

impl Stop {
    /// Ends the merge before its next record, and waits until its draft is removed or published.
    fn demand(&self) -> Stopped {
        self.is_demanded.store(true, Ordering::Relaxed);
        if *self.locked() { Stopped::After } else { Stopped::Before }
    }

    /// Begins to write, unless the merge is to end.
    fn writing(&self) -> anyhow::Result<MutexGuard<'_, bool>> {
        let writing = self.locked();
        self.check()?;
        Ok(writing)
    }

    /// Fails if the merge is to end.
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.is_demanded.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, bool> {
        self.is_published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the sum in a few lines.
fn described(merged: &Merged) -> String {
    let hosts: Vec<_> = merged.hosts.iter().map(|host| printable(host)).collect();
    let (senders, hosts) = (merged.senders.len(), hosts.join(", "));
    let together = merged.together().map_or_else(
        || "none".to_owned(),
        |(bytes, seconds)| format!("{seconds:.3} s, {}", speed(bytes as f64 / seconds)),
    );
    format!(
        "records   {} ({} failed)\nsenders   {senders} on {hosts}\nbytes     {}\ntogether  {together}\n",
        merged.records, merged.failed, merged.bytes
    )
}

/// Judges the sum, and notes what is wrong with it.
fn verdict(merged: &Merged, expected: Option<usize>) -> Verdict {
    let mut verdict = Verdict::Good;
    if merged.failed > 0 {
        note(&format!("{} of {} runs failed", merged.failed, merged.records));
        verdict = if merged.corrupted > 0 { Verdict::IntegrityFailed } else { Verdict::RunFailed };
    }
    let found = merged.senders.len();
    if let Some(expected) = expected.filter(|expected| found != *expected) {
        note(&format!("{expected} senders were expected, but {found} have records"));
        verdict = verdict.min(Verdict::RunFailed);
    }
    for left_out in &merged.left_out {
        let (number, sender) = (left_out.distributions, printable(&left_out.sender));
        let reason = printable(&left_out.reason);
        note(&format!("{number} distributions are left out, first of {sender}: {reason}"));
    }
    if let Some(apart) = merged.apart() {
        let apart = printable(&apart.to_string());
        note(&format!("the senders did not all run at the same time, or their clocks differ: {apart}"));
        verdict = verdict.min(Verdict::Inconclusive);
    }
    verdict
}
