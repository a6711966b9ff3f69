//! `longhaul bench`: runs a matrix on this machine, and measures both ends.

use std::io::{self, IsTerminal as _};

use analyse::{Analysis, Verdict};
use record::{Case, Purpose};
use run::Budget;

use crate::{
    cli::{Defaults, RunArgs},
    output::print,
    recording::Recording,
};

/// Runs the command.
pub(super) fn main(args: &RunArgs) -> anyhow::Result<Verdict> {
    let cases = args.cases(&Defaults::BENCH)?;
    if args.explain_memory {
        return explain_memory(&cases);
    }
    let mut recording = Recording::begin(args, &cases, cases.len() as u64 * u64::from(args.rounds))?;
    recording.run(&cases, args.rounds, Purpose::Measure)?;
    let records = recording.records()?;
    let analysis = Analysis::of(&records);
    let text = if args.json { String::new() } else { analyse::table(&analysis, io::stdout().is_terminal()) };
    recording.close("longhaul bench", &records, &analysis, &text, analysis.verdict())
}

/// Prints the budgets of both ends of each case, term by term.
pub(super) fn explain_memory(cases: &[Case]) -> anyhow::Result<Verdict> {
    cases.iter().try_for_each(|case| print(&Budget::explain(case)))?;
    Ok(Verdict::Good)
}
