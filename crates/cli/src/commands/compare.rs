//! `longhaul compare`: compares two sets of records, figure by figure.

use std::{fs, path::Path};

use analyse::{COMPARISON_PAGE, Comparing, Comparison, Machines, Verdict};
use anyhow::Context as _;

use super::report::{json, write_file};
use crate::{
    exit::Usage,
    flags::{CompareArgs, Inconclusive},
    input::read_each,
    output::{conclude, file_url, stderr_line, stdout_screen},
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
    if let Some(folder) = &args.output {
        write_page(args, &comparison, folder)?;
    }
    let text = if args.json {
        json(comparison.verdict(), &comparison)?
    } else if args.markdown {
        let [base, candidate] = names(args);
        analyse::comparison_markdown(&comparison, &args.threshold, &base, &candidate)
    } else {
        stdout_screen().with_verdicts(&analyse::comparison_text(&comparison))
    };
    conclude(&text)?;
    base.none().map_err(Usage::new)?;
    candidate.none().map_err(Usage::new)?;
    Ok(match comparison.verdict() {
        _ if args.fail_on.is_none() => Verdict::Good,
        // Sets without a common case are no noise: they were not compared at all.
        Verdict::Inconclusive if args.inconclusive == Inconclusive::Pass && !comparison.cases.is_empty() => {
            Verdict::Good
        }
        verdict => verdict,
    })
}

/// Returns the names of both sets of records, as the user gave them.
fn names(args: &CompareArgs) -> [String; 2] {
    [&args.base, &args.candidate].map(|path| path.display().to_string())
}

/// Writes the page of a comparison into a folder, and prints its path.
fn write_page(args: &CompareArgs, comparison: &Comparison, folder: &Path) -> anyhow::Result<()> {
    let [base, candidate] = names(args);
    let page = analyse::comparison_page(comparison, &args.threshold, &base, &candidate);
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(COMPARISON_PAGE);
    write_file(&path, &page)?;
    stderr_line(format_args!("report: {}", file_url(&path)));
    Ok(())
}
