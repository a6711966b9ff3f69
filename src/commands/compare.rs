//! `longhaul compare`: compares two sets of records, figure by figure.

use analyse::{Comparing, Machines, Verdict};

use super::report::{json, write_file};
use crate::{
    cli::{CompareArgs, Inconclusive},
    exit::Usage,
    input::read_each,
    output::print,
};

/// Runs `longhaul compare`. Damaged lines are skipped, and reported as an error after the comparison.
pub(super) fn main(args: &CompareArgs) -> anyhow::Result<Verdict> {
    let mut comparing = Comparing::default();
    let base = read_each(&args.base, |record| comparing.add_base(&record))?;
    let candidate = read_each(&args.candidate, |record| comparing.add_candidate(&record))?;
    let machines = if args.across_machines { Machines::Any } else { Machines::One };
    let comparison = comparing.finish(&args.threshold, machines);
    if let Some(junit) = &args.junit {
        write_file(junit, &analyse::comparison_junit(&comparison)?)?;
    }
    let text = if args.json {
        json(comparison.verdict(), &comparison)?
    } else {
        analyse::comparison_text(&comparison)
    };
    print(&text)?;
    base.none().map_err(Usage::new)?;
    candidate.none().map_err(Usage::new)?;
    Ok(match comparison.verdict() {
        _ if args.fail_on.is_none() => Verdict::Good,
        Verdict::Inconclusive if args.inconclusive == Inconclusive::Pass => Verdict::Good,
        verdict => verdict,
    })
}
