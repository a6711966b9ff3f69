//! `longhaul bench`: runs a matrix on this machine, and measures both ends.

use std::io::{self, IsTerminal as _};

use analyse::{Analysis, Verdict};
use record::{Case, Purpose};
use run::Budget;

use crate::{
    cli::{Defaults, RunArgs},
    expectation::Expectation,
    output::print,
    recording::Recording,
};

/// Runs `longhaul bench`.
pub(super) fn main(args: &RunArgs) -> anyhow::Result<Verdict> {
    let cases = args.cases(&Defaults::BENCH)?;
    if args.explain_memory {
        return explain_memory(&cases);
    }
    let rounds = args.rounds(&Defaults::BENCH);
    let expected = Expectation::of(&cases, rounds);
    if args.session.list {
        return list(&cases, expected);
    }
    let mut recording = Recording::begin(&args.session, &cases, expected)?;
    recording.run(&cases, rounds, Purpose::Measure)?;
    let records = recording.records()?;
    let analysis = Analysis::of(&records);
    let text =
        if args.session.json { String::new() } else { analyse::table(&analysis, io::stdout().is_terminal()) };
    recording.close("longhaul bench", &records, &analysis, &text, analysis.verdict())
}

/// Prints the names of the cases, and the expected time.
pub(super) fn list(cases: &[Case], expected: Expectation) -> anyhow::Result<Verdict> {
    cases.iter().try_for_each(|case| print(&format!("{}\n", case.key())))?;
    print(&format!("{} cases, {expected}\n", cases.len()))?;
    Ok(Verdict::Good)
}

/// Prints the budgets of both ends of each case, term by term.
pub(super) fn explain_memory(cases: &[Case]) -> anyhow::Result<Verdict> {
    cases.iter().try_for_each(|case| print(&Budget::explain(case)))?;
    Ok(Verdict::Good)
}
