//! Records that a command reads, with a note on what it passes over.

use std::{fs, path::Path};

use record::{Damage, EndRecord, HeapPoint, ReadRecords, Record};

use crate::exit::Usage;

/// Reads records, past damaged lines. A torn last line is noted on stderr.
///
/// # Errors
/// The file cannot be read, or has no record.
pub(crate) fn read_undamaged(path: &Path) -> Result<ReadRecords, Usage> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    // A list that grows is copied, and then there are two of it. Without the room at once, it grows.
    let _ = records.try_reserve(most_records(path));
    let damage = read_each(path, |mut record| {
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
    })?;
    if bytes > DETAILS {
        let most = DETAILS >> 20;
        eprintln!(
            "note: {} has over {most} MiB of timelines and distributions, which are left out",
            path.display()
        );
    }
    Ok(ReadRecords::new(records, damage))
}

/// The most memory for timelines and distributions of all records, in bytes. Without them, some 35,000 records take 200
/// MiB.
const DETAILS: usize = 16 << 20;

/// The fewest bytes of a record's line.
const LEAST_LINE: u64 = 2 << 10;

/// The most records that room is taken for at once.
const MOST: usize = 1 << 20;

/// The most records that a file can have; 0 if its size is not known. Room that no record takes is no memory.
fn most_records(path: &Path) -> usize {
    let file = if path.is_dir() { path.join(record::RECORD_FILES[0]) } else { path.to_owned() };
    let bytes = fs::metadata(file).map_or(0, |metadata| metadata.len());
    usize::try_from(bytes / LEAST_LINE).unwrap_or(0).min(MOST)
}

/// The memory of the timelines and distributions of an end, in bytes.
fn detail_bytes(end: &EndRecord) -> usize {
    let heap = end.memory.heap_timeline.as_ref().map_or(0, Vec::len);
    end.detail_bytes() + heap * size_of::<HeapPoint>()
}

fn drop_details(end: &mut EndRecord) {
    end.drop_details();
    end.memory.heap_timeline = None;
}

/// The ends of a record, unless `prove` made it: its timelines are the proof.
fn measured_ends(record: &mut Record) -> impl Iterator<Item = &mut EndRecord> {
    let is_proof = record.slope_limit_bytes.is_some();
    ends(record).filter(move |_| !is_proof)
}

fn ends(record: &mut Record) -> impl Iterator<Item = &mut EndRecord> {
    record.sender.iter_mut().chain(&mut record.receiver)
}

/// Reads records without their timelines and distributions. No line may be damaged; a torn last line is noted on stderr.
///
/// # Errors
/// The file cannot be read, has no record, or is damaged.
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

/// Hands over records one after the other, past damaged lines. A torn last line is noted on stderr.
///
/// # Errors
/// The file cannot be read, or has no record.
pub(crate) fn read_each(path: &Path, each: impl FnMut(Record)) -> Result<Damage, Usage> {
    let damage = record::read_each(path, each).map_err(Usage::new)?;
    note_torn(&damage);
    Ok(damage)
}

fn note_torn(damage: &Damage) {
    if let Some(torn) = &damage.torn {
        eprintln!("note: the last line is torn and left out: {torn}");
    }
}

/// Reads records, of which no line may be damaged. A torn last line is noted on stderr.
///
/// # Errors
/// The file cannot be read, has no record, or is damaged.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>, Usage> {
    read_undamaged(path)?.whole().map_err(Usage::new)
}
