//! `longhaul compare`: compares two sets of records, figure by figure.

use analyse::{Comparison, Verdict};

use super::report::{json, write_file};
use crate::{cli::CompareArgs, exit::Usage, input::read_undamaged, output::print};

/// Runs the command. Damaged lines are left out of the comparison, and are an error after it.
pub(super) fn main(args: &CompareArgs) -> anyhow::Result<Verdict> {
    let base = read_undamaged(&args.base)?;
    let candidate = read_undamaged(&args.candidate)?;
    let comparison = Comparison::of(&base.records, &candidate.records, &args.threshold);
    if let Some(junit) = &args.junit {
        write_file(junit, &analyse::comparison_junit(&comparison)?)?;
    }
    let text = if args.json {
        json(comparison.verdict(), &comparison)?
    } else {
        analyse::comparison_text(&comparison)
    };
    print(&text)?;
    base.whole().map_err(Usage::new)?;
    candidate.whole().map_err(Usage::new)?;
    Ok(if args.fail_on.is_some() { comparison.verdict() } else { Verdict::Good })
}
