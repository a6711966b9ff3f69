//! `longhaul check`: holds records against ceilings of memory, and against records of another day.

mod drift;
mod findings;
mod write;

use std::io::{self, Write as _};

use crate::{
    ceilings::Ceilings,
    cli::CheckArgs,
    exit::{Usage, Verdict},
    results,
};
use findings::Findings;

/// Runs the command.
pub(crate) fn main(args: &CheckArgs) -> anyhow::Result<Verdict> {
    let Some(path) = &args.ceilings else {
        let records = results::read(&args.records)?;
        let path = args.write_ceilings.as_ref().ok_or_else(|| Usage("--ceilings is missing".into()))?;
        let written = write::write(path, &records)?;
        eprintln!("{}: {written} ceilings, {} over the peaks seen", path.display(), write::MARGIN);
        return Ok(Verdict::Good);
    };
    let ceilings = Ceilings::read(path)?;
    let records = results::read(&args.records)?;
    let mut findings = Findings::of(&records, &ceilings);
    if let Some(drift) = &ceilings.drift {
        let before = results::read(&path.parent().unwrap_or(path).join(&drift.records))?;
        findings.add_drift(drift::compare(&before, &records, drift.band));
    }
    io::stdout().write_all(findings.to_string().as_bytes())?;
    Ok(findings.verdict())
}
