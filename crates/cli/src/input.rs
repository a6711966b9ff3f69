//! Records that a command reads, with notes on lines that are skipped. A command that shows them gets their texts in
//! printable form.

use std::{fs, path::Path};

use record::{Damage, DamagedLine, EndRecord, HeapPoint, ReadError, ReadRecords, Record, SeenLines, counted};

use crate::{exit::Usage, output::stderr_line};

/// Reads the records that are not in `seen`, and skips damaged lines. A torn last line and repeated records are noted on
/// stderr.
///
/// # Errors
/// Fails if the file cannot be read, or has no record.
pub(crate) fn read_undamaged(path: &Path, seen: &mut SeenLines) -> Result<ReadRecords, Usage> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    // A growing list is copied, and exists twice meanwhile, so its room is reserved at once. If that fails, the list
    // grows.
    let _ = records.try_reserve(most_records(path));
    let each = |record: Record| {
        let mut record = record.printable();
        if bytes <= DETAILS {
            bytes += measured_ends(&mut record).map(|end| detail_bytes(end)).sum::<usize>();
            if bytes > DETAILS {
                records.iter_mut().flat_map(measured_ends).for_each(drop_details);
            }
        }
        if bytes > DETAILS {
            measured_ends(&mut record).for_each(drop_details);
        }
        records.push(record);
    };
    let damage = record::read_each_unseen(path, seen, each).map_err(Usage::new)?;
    note_skipped(path, &damage);
    if bytes > DETAILS {
        let most = DETAILS >> 20;
        stderr_line(format_args!(
            "note: {} has over {most} MiB of timelines and distributions, which are left out",
            path.display()
        ));
    }
    Ok(ReadRecords::new(records, damage))
}

/// The most memory for timelines and distributions of all records, in bytes. Without them, some 35,000 records take 200
/// MiB.
const DETAILS: usize = 16 << 20;

/// The fewest bytes of a record's line.
const LEAST_LINE: u64 = 2 << 10;

/// The most records for which room is reserved at once.
const MOST: usize = 1 << 20;

/// Returns the most records that a file can have, or 0 if its size is unknown. Reserved room that is not used takes no
/// memory.
fn most_records(path: &Path) -> usize {
    let file = if path.is_dir() { path.join(record::RECORD_FILES[0]) } else { path.to_owned() };
    let bytes = fs::metadata(file).map_or(0, |metadata| metadata.len());
    usize::try_from(bytes / LEAST_LINE).unwrap_or(0).min(MOST)
}

/// Returns the memory of the timelines and distributions of an end, in bytes.
fn detail_bytes(end: &EndRecord) -> usize {
    let heap = end.memory.heap_timeline.as_ref().map_or(0, Vec::len);
    end.detail_bytes() + heap * size_of::<HeapPoint>()
}

fn drop_details(end: &mut EndRecord) {
    end.drop_details();
    end.memory.heap_timeline = None;
}

/// Returns the ends of a record. For a record of `prove`, returns none, since its timelines are the proof.
fn measured_ends(record: &mut Record) -> impl Iterator<Item = &mut EndRecord> {
    let is_proof = record.slope_limit_bytes.is_some();
    ends(record).filter(move |_| !is_proof)
}

fn ends(record: &mut Record) -> impl Iterator<Item = &mut EndRecord> {
    record.sender.iter_mut().chain(&mut record.receiver)
}

/// Reads records without their timelines and distributions. No line may be damaged; a torn last line is noted on
/// stderr.
///
/// # Errors
/// Fails if the file cannot be read, has no record, or is damaged.
pub(crate) fn read_figures(path: &Path) -> Result<Vec<Record>, Usage> {
    let mut records = Vec::new();
    let _ = records.try_reserve(most_records(path));
    let damage = read_each(path, |mut record| {
        ends(&mut record).for_each(drop_details);
        records.push(record);
    })?;
    damage.none().map_err(Usage::new)?;
    Ok(records)
}

/// Passes records to `each` one after the other, and skips damaged lines. A torn last line and repeated records are
/// noted on stderr.
///
/// # Errors
/// Fails if the file cannot be read, or has no record.
pub(crate) fn read_each(path: &Path, mut each: impl FnMut(Record)) -> Result<Damage, Usage> {
    read_each_noting(path, |record| each(record.printable())).map_err(Usage::new)
}

/// Passes records as they are to `each`, also if there are none. Returns whether there are any. A torn last line and
/// repeated records are noted on stderr.
///
/// # Errors
/// Fails if the file cannot be read, or is damaged.
pub(crate) fn read_each_as_is(path: &Path, each: impl FnMut(Record)) -> Result<bool, Usage> {
    match read_each_noting(path, each) {
        Err(ReadError::Empty { .. }) => Ok(false),
        Err(ReadError::Torn(torn)) => {
            note_torn(&torn);
            Ok(false)
        }
        read => read.and_then(Damage::none).map(|()| true).map_err(Usage::new),
    }
}

fn read_each_noting(path: &Path, each: impl FnMut(Record)) -> Result<Damage, ReadError> {
    let damage = record::read_each(path, each)?;
    note_skipped(path, &damage);
    Ok(damage)
}

fn note_skipped(path: &Path, damage: &Damage) {
    if let Some(torn) = &damage.torn {
        note_torn(torn);
    }
    if damage.repeated > 0 {
        let (records, path) = (counted(damage.repeated, "record"), path.display());
        stderr_line(format_args!("note: {path}: {records} left out, because they were given before"));
    }
}

fn note_torn(torn: &DamagedLine) {
    stderr_line(format_args!("note: the last line is torn and left out: {torn}"));
}

/// Reads records, of which no line may be damaged. A torn last line is noted on stderr.
///
/// # Errors
/// Fails if the file cannot be read, has no record, or is damaged.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>, Usage> {
    read_undamaged(path, &mut SeenLines::default())?.whole().map_err(Usage::new)
}
