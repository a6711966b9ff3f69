//! A comparison as text of 80 columns and as JUnit XML.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{FormatError, junit};
use crate::{Change, ComparedCase, Comparison, MetricChange};

/// Differences of the circumstances, one block per case, and the counts.
pub fn comparison_text(comparison: &Comparison) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some([base, candidate]) = &comparison.machines {
        let _ =
            writeln!(text, "OTHER MACHINE  speed is not judged\n  base: {base}\n  candidate: {candidate}");
    }
    for circumstance in &comparison.circumstances {
        let _ = writeln!(text, "DIFFERENT  {circumstance}");
    }
    for case in &comparison.cases {
        text += &block(case);
    }
    for name in &comparison.missing {
        let _ = writeln!(text, "MISSING  {name}: only the base has it");
    }
    for name in &comparison.new {
        let _ = writeln!(text, "NEW  {name}: only the candidate has it");
    }
    text + &summary(comparison)
}

fn block(case: &ComparedCase) -> String {
    let mut text = format!("{} ({} runs, {} now)\n", case.name, case.runs.0, case.runs.1);
    let (before, now) = case.failed;
    if before + now > 0 {
        let _ = writeln!(text, "  FAILED  {before} runs of the base, {now} of the candidate");
    }
    for change in &case.changes {
        let _ = writeln!(text, "{}", line(change));
    }
    text
}

fn line(change: &MetricChange) -> String {
    let percent = |ratio: f64| format!("{:+.1}", 100.0 * (ratio - 1.0));
    let interval = change
        .ratio
        .interval
        .map_or("-".into(), |interval| format!("[{}, {}]", percent(interval.low), percent(interval.high)));
    format!(
        "  {:<23} {:>7} {:>7} {:>7} % {interval:>17}  {}",
        change.metric.name,
        change.metric.show(change.base),
        change.metric.show(change.candidate),
        percent(change.ratio.estimate),
        word(change.change),
    )
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Better => "better",
        Change::Worse => "WORSE",
        Change::Same => "same",
        Change::Unclear => "unclear",
        Change::Incomparable => "not judged",
    }
}

fn summary(comparison: &Comparison) -> String {
    let count = |change| comparison.changes().filter(|other| other.change == change).count();
    let mut text = format!(
        "{} figures, {} cases: {} worse, {} better, {} same, {} unclear\nall intervals hold in {:.0} of 100 such comparisons\n",
        comparison.changes().count(),
        comparison.cases.len(),
        count(Change::Worse),
        count(Change::Better),
        count(Change::Same),
        count(Change::Unclear),
        100.0 * (1.0 - comparison.alpha),
    );
    if comparison.machines.is_some() {
        let not_judged = count(Change::Incomparable);
        let _ = writeln!(text, "{not_judged} figures of speed not judged: they are of different machines");
    }
    if comparison.changes().any(|change| change.ratio.interval.is_none()) {
        let enough =
            comparison.fewest_runs.map_or_else(String::new, |runs| format!(", {runs} on each side suffice"));
        let _ = writeln!(text, "without an interval: too few runs for one{enough} (--rounds)");
    }
    text
}

/// One test per case: worse is a failure, a new kind of failed run an error.
///
/// # Errors
/// The text cannot be written as XML.
pub fn comparison_junit(comparison: &Comparison) -> Result<String, FormatError> {
    let mut suite = TestSuite::new("comparison");
    suite.add_test_cases(comparison.cases.iter().map(test));
    junit::xml("longhaul compare", std::iter::once(suite))
}

fn test(case: &ComparedCase) -> TestCase {
    let worse: Vec<String> = case
        .changes
        .iter()
        .filter(|change| change.change == Change::Worse)
        .map(|change| line(change).trim().to_owned())
        .collect();
    let status = match (worse.is_empty(), case.new_failures.is_empty()) {
        (true, true) => TestCaseStatus::success(),
        (false, _) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("worse").set_message(worse.join("; "));
            status
        }
        (true, false) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("failed").set_message(format!("new failures: {:?}", case.new_failures));
            status
        }
    };
    let mut test = TestCase::new(case.name.as_str(), status);
    test.set_classname("longhaul.compare");
    test
}

#[cfg(test)]
mod tests {
    use record::Record;

    use super::*;
    use crate::{
        Thresholds,
        tests::{runs, with},
    };

    #[test]
    fn the_text_fits_80_columns_and_says_changes_in_words() {
        let base = runs("h2", &[3000.0, 3010.0, 3020.0, 3030.0, 3040.0, 3050.0, 3060.0]);
        let candidate = runs("h2", &[300.0, 301.0, 302.0, 303.0, 304.0, 305.0, 306.0]);
        let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
        let text = comparison_text(&comparison);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let line = text.lines().find(|line| line.contains("goodput")).unwrap();
        let fields: Vec<_> = line.split_whitespace().collect();
        assert_eq!(fields[..6], ["goodput", "MiB/s", "3030", "303", "-90.0", "%"]);
        assert_eq!(fields.last(), Some(&"WORSE"));
        assert!(text.contains("3 figures, 1 cases: 1 worse, 0 better, 2 same"), "{text}");
        let xml = comparison_junit(&comparison).unwrap();
        assert!(xml.contains("failures=\"1\"") && xml.contains("h2/up/64KiB/2GiB"), "{xml}");
    }

    #[test]
    fn another_machine_is_named_and_not_called_worse() {
        let base = runs("h2", &[3000.0, 3010.0, 3020.0, 3030.0, 3040.0, 3050.0, 3060.0]);
        let mut candidate = runs("h2", &[300.0, 301.0, 302.0, 303.0, 304.0, 305.0, 306.0]);
        let named = |records: &[Record], name: &str| -> Vec<Record> {
            records.iter().cloned().map(|r| with(r, |r| r.host.name = Some(name.into()))).collect()
        };
        candidate = named(&candidate, "laptop");
        let comparison = Comparison::of(&named(&base, "server"), &candidate, &Thresholds::default());
        let text = comparison_text(&comparison);
        assert!(
            text.starts_with("OTHER MACHINE  speed is not judged\n  base: server\n  candidate: laptop\n")
        );
        assert!(text.contains("not judged") && !text.contains("WORSE"), "{text}");
        assert!(comparison_junit(&comparison).unwrap().contains("failures=\"0\""));
    }

    #[test]
    fn too_few_runs_are_pointed_out_with_the_number_that_suffices() {
        let base = runs("h2", &[3000.0, 3010.0, 3020.0]);
        let text = comparison_text(&Comparison::of(&base, &base, &Thresholds::default()));
        assert!(text.contains("too few runs for one, 4 on each side suffice"), "{text}");
    }
}
