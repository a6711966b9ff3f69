//! Records that a command reads, with a note on what it passes over.

use std::path::Path;

use record::{Damage, ReadRecords, Record};

use crate::exit::Usage;

/// Reads records, past damaged lines. A torn last line is noted on stderr.
///
/// # Errors
/// The file cannot be read, or has no record.
pub(crate) fn read_undamaged(path: &Path) -> Result<ReadRecords, Usage> {
    let read = record::read_undamaged(path).map_err(Usage::new)?;
    note_torn(&read.damage);
    Ok(read)
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
