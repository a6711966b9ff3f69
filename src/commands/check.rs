//! `longhaul check`: checks records against memory ceilings, and against earlier records.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use analyse::{Ceilings, Gate, Verdict};
use record::Record;

use super::report::{json, write_file};
use crate::{cli::CheckArgs, exit::Usage, input::read, output::print};

/// Runs the command.
pub(super) fn main(args: &CheckArgs) -> anyhow::Result<Verdict> {
    let records = read(&args.records)?;
    if let Some(path) = &args.write_ceilings {
        return suggest(path, &records);
    }
    let path = args.ceilings.as_ref().ok_or_else(|| Usage::new("--ceilings is missing"))?;
    let ceilings = Ceilings::read(path, &records).map_err(Usage::new)?;
    let earlier = match &ceilings.drift {
        Some(drift) => {
            let folder = path.parent().unwrap_or(path);
            Some((read(&folder.join(&drift.records))?, drift.band))
        }
        None => None,
    };
    let gate =
        Gate::of(&records, &ceilings, earlier.as_ref().map(|(records, band)| (records.as_slice(), *band)));
    if let Some(junit) = &args.junit {
        write_file(junit, &analyse::gate_junit(&gate)?)?;
    }
    print(&if args.json { json(gate.verdict(), &gate)? } else { analyse::gate_text(&gate) })?;
    Ok(gate.verdict())
}

/// Writes a first file of ceilings.
fn suggest(path: &Path, records: &[Record]) -> anyhow::Result<Verdict> {
    let (text, ceilings) = analyse::suggest(records);
    if ceilings == 0 {
        return Err(Usage::new("no run went well that is no control: there is no peak to learn from").into());
    }
    let unwritable =
        |error: io::Error| Usage::new(format!("cannot write ceilings {}: {error}", path.display()));
    let mut file = File::create_new(path).map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)?;
    eprintln!("{}: {ceilings} ceilings, a quarter above the peaks seen", path.display());
    Ok(Verdict::Good)
}
