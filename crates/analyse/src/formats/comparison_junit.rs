//! A comparison as JUnit XML.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{FormatError, comparison, comparison_groups::failures, junit};
use crate::{Change, ComparedCase, Comparison, MetricFamily};

/// Returns a comparison as JUnit XML with one test per case. A worse case is a failure. A new kind of failed run, and the
/// failure of all runs, are errors. A case whose slowdown by the threshold could have been missed is skipped, also if only
/// the base has it: such a slowdown is not decided, and would not be found with a probability of 80 %.
///
/// # Errors
/// Fails if the text cannot be written as XML.
pub fn comparison_junit(comparison: &Comparison) -> Result<String, FormatError> {
    let mut suite = TestSuite::new("comparison");
    suite.add_test_cases(comparison.cases.iter().map(|case| test(&case.name, status(case))));
    let missing = || skipped("only the base has this case");
    suite.add_test_cases(comparison.missing.iter().map(|name| test(name, missing())));
    junit::xml("longhaul compare", std::iter::once(suite))
}

fn test(name: &str, status: TestCaseStatus) -> TestCase {
    let mut test = TestCase::new(name, status);
    test.set_classname("longhaul.compare");
    test
}

fn status(case: &ComparedCase) -> TestCaseStatus {
    let worse: Vec<String> = case
        .changes
        .iter()
        .filter(|change| change.change == Change::Worse)
        .map(|change| comparison::line(change).trim().to_owned())
        .collect();
    if !worse.is_empty() {
        return non_success(NonSuccessKind::Failure, "worse", &worse.join("; "));
    }
    if case.verdict().is_some() {
        return non_success(NonSuccessKind::Error, "failed", &failures(case).unwrap_or_default());
    }
    let goodput = case.changes.iter().find(|change| change.metric.family == MetricFamily::Goodput);
    match goodput {
        Some(goodput) if goodput.is_conclusive => TestCaseStatus::success(),
        Some(goodput) if goodput.change == Change::Incomparable => {
            skipped("goodput is not judged: the conditions of the sides differ")
        }
        Some(_) => skipped("a slowdown by the threshold could have been missed"),
        None => skipped("no goodput on both sides"),
    }
}

fn non_success(kind: NonSuccessKind, name: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name).set_message(message);
    status
}

fn skipped(reason: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(reason);
    status
}

#[cfg(test)]
mod tests {
    use record::{FaultKind, Record};

    use super::*;
    use crate::{
        Thresholds,
        tests::{STEADY, failed, run, runs},
    };

    /// Returns the attributes of the only suite and the content of all its tests.
    fn xml(base: &[Record], candidate: &[Record]) -> String {
        comparison_junit(&Comparison::of(base, candidate, &Thresholds::default())).unwrap()
    }

    #[test]
    fn tests_fail_or_are_skipped_as_the_verdict_says() {
        let steady = runs("h2", &STEADY);
        let counts = |failures: u8, errors: u8, skipped: u8| {
            format!("skipped=\"{skipped}\" failures=\"{failures}\" errors=\"{errors}\"")
        };
        let same = xml(&steady, &steady);
        assert!(same.contains(&counts(0, 0, 0)), "{same}");
        let slow = xml(&steady, &runs("h2", &STEADY.map(|goodput| goodput / 2.0)));
        assert!(slow.contains(&counts(1, 0, 0)) && slow.contains("WORSE"), "{slow}");
        let lost = xml(
            &[steady.clone(), vec![failed("h2", FaultKind::Timeout)]].concat(),
            &[failed("h2", FaultKind::Timeout)],
        );
        assert!(lost.contains(&counts(0, 1, 0)) && lost.contains("all of them"), "{lost}");
        let few = xml(&[run("h2")], &[run("h2")]);
        assert!(few.contains(&counts(0, 0, 1)) && few.contains("could have been missed"), "{few}");
        let missing = xml(&[steady.clone(), runs("h1", &STEADY)].concat(), &steady);
        assert!(missing.contains("only the base has this case"), "{missing}");
    }
}
