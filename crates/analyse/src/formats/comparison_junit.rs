//! A comparison as JUnit XML.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{FormatError, comparison, comparison_groups::failures, junit};
use crate::{Change, ComparedCase, Comparison, MetricFamily, Verdict};

/// Returns a comparison as JUnit XML with one test per case. A worse case is a failure. A new kind of failed run, and the
/// failure of all runs, are errors, unless more memory decides the verdict on the case. A case whose slowdown by the threshold could have been missed is skipped, also if only
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
    if let Some(verdict) = case.verdict() {
        let failures = failures(case).map(|failures| format!("failed: {failures}"));
        let message = worse.into_iter().chain(failures).collect::<Vec<_>>().join("; ");
        let (kind, name) = match verdict {
            Verdict::IntegrityFailed | Verdict::RunFailed => (NonSuccessKind::Error, "failed"),
            _ => (NonSuccessKind::Failure, "worse"),
        };
        return non_success(kind, name, &message);
    }
    let goodput = case.changes.iter().find(|change| change.metric.family == MetricFamily::Goodput);
    match goodput {
        Some(goodput) if goodput.is_conclusive => TestCaseStatus::success(),
        Some(goodput) if goodput.change == Change::Incomparable => {
            skipped("goodput is not judged: the conditions of the sides differ")
        }
        Some(_) => skipped("a slowdown by the threshold could have been missed"),
        None if case.lacks_goodput => skipped("the goodput of the base has no counterpart"),
        None => skipped("the base has no goodput"),
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

    #[test]
    fn failed_runs_of_a_slower_case_are_an_error_that_names_both() {
        let steady = runs("h2", &STEADY);
        let slow = runs("h2", &STEADY.map(|goodput| goodput / 2.0));
        for (kind, word) in [(FaultKind::Integrity, "integrity"), (FaultKind::Timeout, "timeout")] {
            let candidate = [slow.clone(), vec![failed("h2", kind)]].concat();
            let text = xml(&steady, &candidate);
            assert!(text.contains("failures=\"0\" errors=\"1\"") && text.contains("WORSE"), "{text}");
            let failures = format!("0 runs of the base, 1 of the candidate, of a new kind ({word})");
            assert!(text.contains(&failures), "{text}");
        }
    }
}
