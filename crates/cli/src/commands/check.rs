//! `longhaul check`: checks records against memory ceilings, and against earlier records.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use analyse::{Band, Ceilings, Gate, Peaks, Verdict};
use record::Record;

use super::report::{json, write_file};
use crate::{
    exit::Usage,
    flags::CheckArgs,
    input::{read_each, read_figures},
    output::{conclude, stderr_line, stdout_screen},
};

/// Runs `longhaul check`.
pub(super) fn main(args: &CheckArgs) -> anyhow::Result<Verdict> {
    let records = read_figures(&args.records)?;
    if let Some(path) = &args.write_ceilings {
        return suggest(path, &records);
    }
    let path = args.ceilings.as_ref().ok_or_else(|| Usage::new("--ceilings is missing"))?;
    let ceilings = Ceilings::read(path, &records).map_err(Usage::new)?;
    let earlier = earlier(&ceilings, path)?;
    let gate = Gate::of(&records, &ceilings, earlier.as_ref().map(|(peaks, band)| (peaks, *band)));
    if let Some(junit) = &args.junit {
        write_file(junit, &analyse::gate_junit(&gate)?)?;
    }
    conclude(&if args.json {
        json(gate.verdict(), &gate)?
    } else {
        stdout_screen().with_verdicts(&analyse::gate_text(&gate))
    })?;
    Ok(gate.verdict())
}

/// Returns the peaks of the earlier records that the file of ceilings names, with the band around them. `None` if it
/// names none.
fn earlier(ceilings: &Ceilings, path: &Path) -> anyhow::Result<Option<(Peaks, Band)>> {
    let Some(drift) = &ceilings.drift else { return Ok(None) };
    let mut peaks = Peaks::default();
    let records = path.parent().unwrap_or(path).join(&drift.records);
    read_each(&records, |record| peaks.add(&record))?.none().map_err(Usage::new)?;
    Ok(Some((peaks, drift.band)))
}

/// Writes a first file of ceilings.
fn suggest(path: &Path, records: &[Record]) -> anyhow::Result<Verdict> {
    let (text, ceilings) = analyse::suggest(records);
    if ceilings == 0 {
        return Err(Usage::new("no run but controls succeeded: there is no peak to base a ceiling on").into());
    }
    let unwritable =
        |error: io::Error| Usage::new(format!("cannot write ceilings {}: {error}", path.display()));
    let mut file = File::create_new(path).map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)?;
    stderr_line(format_args!("{}: {ceilings} ceilings, a quarter above the peaks seen", path.display()));
    Ok(Verdict::Good)
}
