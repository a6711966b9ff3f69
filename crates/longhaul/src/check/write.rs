//! The first file of ceilings, from what was seen.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use crate::{
    exit::Usage,
    record::{End, Record},
    size::ByteSize,
};

/// How much more than was seen is admitted: the program's own pages vary by a MiB between machines.
pub(super) const MARGIN: &str = "a quarter";

/// Ceilings are rounded up to this.
const STEP: u64 = 512 << 10;

/// Writes a ceiling for each end of each protocol, direction and chunk; tells how many.
///
/// # Errors
/// [`Usage`], if the file is there already or cannot be written.
pub(super) fn write(path: &Path, records: &[Record]) -> Result<usize, Usage> {
    let mut peaks: BTreeMap<(String, String, u64, &str), u64> = BTreeMap::new();
    for record in records {
        let case = &record.case;
        for (end, name) in [(End::Sender, "sender"), (End::Receiver, "receiver")] {
            if let Some(peak) = record.end(end).and_then(|end| end.memory.peak_rss_bytes) {
                let key = (case.protocol.clone(), case.direction.to_string(), case.chunk_bytes, name);
                peaks.entry(key).and_modify(|most| *most = peak.max(*most)).or_insert(peak);
            }
        }
    }
    let unwritable = |error: io::Error| Usage(format!("cannot write ceilings {}: {error}", path.display()));
    let mut file = File::create_new(path).map_err(unwritable)?;
    file.write_all(text(&peaks).as_bytes()).map_err(unwritable)?;
    Ok(peaks.len())
}

fn text(peaks: &BTreeMap<(String, String, u64, &str), u64>) -> String {
    let mut text = format!("# The highest peak RSS that was seen and {MARGIN}, rounded up to 512 KiB.\n");
    for ((protocol, direction, chunk, end), peak) in peaks {
        let ceiling = ByteSize((peak + peak / 4).next_multiple_of(STEP));
        let chunk = ByteSize(*chunk);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[[ceiling]]\nprotocol = \"{protocol}\"\ndirection = \"{direction}\"\nchunk = \"{chunk}\"\nend = \"{end}\"\npeak_rss = \"{ceiling}\"\n"
        );
    }
    text
}
