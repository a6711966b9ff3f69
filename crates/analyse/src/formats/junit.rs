//! JUnit XML, which CI systems show as tests: a case is a test, and a figure over its bound is a failure.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};
use record::speed;

use super::{Format, FormatError, Report, distinct, proof};
use crate::{Absorption, Analysis, Constancy, Finding, FindingKind, Judgement, Proof, Row, Verdict};

/// The format of `junit.xml`.
pub(super) struct Junit;

impl Format for Junit {
    fn name(&self) -> &'static str {
        "junit"
    }

    fn describe(&self) -> &'static str {
        "junit.xml, one test per case"
    }

    fn file(&self) -> &'static str {
        "junit.xml"
    }

    fn render(&self, report: &Report<'_>) -> Result<String, FormatError> {
        let rows = &report.analysis.rows;
        let protocols = distinct(rows.iter().map(|row| row.case.protocol.as_str()));
        let suites = protocols.into_iter().map(|protocol| {
            let mut suite = TestSuite::new(protocol);
            let rows = rows.iter().filter(|row| row.case.protocol == protocol);
            suite.add_test_cases(rows.map(|row| test(report, row)));
            suite
        });
        let suites = suites.chain(report.analysis.proof.as_ref().map(proof_suite));
        xml(report.title, suites.map(|suite| with_remarks(suite, report.analysis)))
    }
}

/// Adds the remarks on all runs to a suite as properties: an early end, warnings of the machine, and notes on the
/// conditions.
fn with_remarks(mut suite: TestSuite, analysis: &Analysis<'_>) -> TestSuite {
    let of = |name: &'static str, texts: &[String]| -> Vec<Property> {
        texts.iter().map(|text| Property::new(name, text.as_str())).collect()
    };
    let early = analysis.interruption.iter().map(|early| Property::new("interruption", early.as_str()));
    suite.add_properties(early);
    suite.add_properties(of("warning", &analysis.warnings));
    suite.add_properties(of("note", &analysis.notes));
    suite
}

/// Returns the XML of test suites under a title.
pub(super) fn xml(title: &str, suites: impl Iterator<Item = TestSuite>) -> Result<String, FormatError> {
    let mut report = quick_junit::Report::new(title);
    report.add_test_suites(suites);
    report.to_string().map_err(|error| FormatError::render("junit.xml", error))
}

/// Returns the suite of a proof: one test per end, one per series of absorbed bytes, and one per control. If all of them
/// pass, but the proof does not, the test "proof" fails with the reason.
fn proof_suite(proof: &Proof) -> TestSuite {
    let mut suite = TestSuite::new("proof");
    suite.add_test_cases(
        proof
            .judgements
            .iter()
            .map(|judgement| judged(judgement, "longhaul.proof", judgement.verdict() == Verdict::Good)),
    );
    suite.add_test_cases(proof.absorptions.iter().map(absorbed));
    suite.add_test_cases(
        proof
            .controls
            .iter()
            .map(|judgement| judged(judgement, "longhaul.proof.control", judgement.is_as_expected())),
    );
    let is_passed = |test: &TestCase| matches!(test.status, TestCaseStatus::Success { .. });
    if proof.verdict() != Verdict::Good && suite.test_cases.iter().all(is_passed) {
        suite.add_test_case(unproven(proof));
    }
    suite
}

/// Returns a failing test for a proof that lacks runs or controls.
fn unproven(proof: &Proof) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(Constancy::Inconclusive.to_string()).set_message(proof.sentence());
    let mut test = TestCase::new("proof", status);
    test.set_classname("longhaul.proof");
    test
}

fn absorbed(series: &Absorption) -> TestCase {
    let statement = proof::absorption(series);
    let mut status = TestCaseStatus::success();
    if series.verdict() != Verdict::Good {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type(series.constancy.to_string()).set_message(statement.clone());
    }
    let mut test = TestCase::new(format!("{} absorbed", series.key), status);
    test.set_classname("longhaul.proof.absorbed");
    test.set_system_out(statement);
    test
}

fn judged(judgement: &Judgement, class: &str, is_expected: bool) -> TestCase {
    let Judgement { series, reason, .. } = judgement;
    let mut status = TestCaseStatus::success();
    if !is_expected {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let reason = reason.as_deref().unwrap_or("memory stays constant");
        status.set_type(judgement.word()).set_message(reason);
    }
    let mut test = TestCase::new(format!("{} {}", series.key, series.end), status);
    test.set_classname(class);
    test.set_system_out(proof::statement(judgement, "; "));
    test
}

fn test(report: &Report<'_>, row: &Row<'_>) -> TestCase {
    let findings = report.analysis.findings_of(row);
    let (failing, remarkable): (Vec<&Finding>, Vec<&Finding>) =
        findings.partition(|finding| finding.kind.verdict() != Verdict::Good);
    let mut test = TestCase::new(row.key.to_string(), status(&failing));
    test.set_classname(format!("longhaul.{}", row.case.protocol));
    let elapsed: f64 = row.records.iter().filter_map(|run| run.elapsed_s).sum();
    test.set_time(Duration::try_from_secs_f64(elapsed).unwrap_or_default());
    let goodput = row
        .goodput
        .map(|goodput| format!("goodput {}, median of {} runs", speed(goodput.median), row.records.len()));
    let remarks = remarkable.iter().map(|finding| finding.describe());
    let output: Vec<String> = goodput.into_iter().chain(remarks).collect();
    if !output.is_empty() {
        test.set_system_out(output.join("\n"));
    }
    test
}

/// Returns the status of a test with the given findings, each of which fails a command. If the worst finding is a failed run, the test is an error.
/// With any other finding, the test is a failure.
pub(super) fn status(findings: &[&Finding]) -> TestCaseStatus {
    let Some(worst) = findings.iter().map(|finding| finding.kind).min() else {
        return TestCaseStatus::success();
    };
    let kind = if worst == FindingKind::Failed { NonSuccessKind::Error } else { NonSuccessKind::Failure };
    let mut status = TestCaseStatus::non_success(kind);
    let messages: Vec<String> = findings.iter().map(|finding| finding.describe()).collect();
    status.set_type(worst.word()).set_message(messages.join("; "));
    status
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use record::End;

    use super::*;
    use crate::{MemorySeries, SeriesKey, tests::bad_day};

    #[test]
    fn a_proof_has_a_test_for_each_end_and_each_control() {
        let of = |slope: u64| {
            let peaks = (1..=9).map(|n| (n << 30, (10 << 20) + n * slope)).collect();
            let series = MemorySeries::synthetic(End::Receiver, peaks, 4 << 20);
            Judgement::of(series.with_heap((1..=64).map(|n| (n * (9 << 24), (1 << 20) + n * slope))))
        };
        let count = |judgements: &[Judgement], controls: &[Judgement]| {
            let (judgements, controls) = (judgements.to_vec(), controls.to_vec());
            let proof = Proof {
                judgements,
                absorptions: Vec::new(),
                controls,
                lacks_controls: false,
                lacks_runs: false,
            };
            let suite = proof_suite(&proof);
            let failed = |test: &&TestCase| matches!(test.status, TestCaseStatus::NonSuccess { .. });
            (suite.test_cases.len(), suite.test_cases.iter().filter(failed).count())
        };
        let (constant, growing) = (of(0), of(20 << 20));
        assert_eq!(count(from_ref(&constant), from_ref(&growing)), (2, 0));
        assert_eq!(count(&[growing], &[constant]), (2, 2));
    }

    #[test]
    fn a_proof_without_its_controls_or_all_its_runs_fails_a_test() {
        let peaks = (1..=9).map(|n| (n << 30, 10 << 20)).collect();
        let series = MemorySeries::synthetic(End::Receiver, peaks, 4 << 20);
        let constant = Judgement::of(series.with_heap((1..=64).map(|n| (n * (9 << 24), 1 << 20))));
        let failed = |lacks_controls: bool, lacks_runs: bool| -> Vec<String> {
            let (judgements, absorptions, controls) = (vec![constant.clone()], Vec::new(), Vec::new());
            let proof = Proof { judgements, absorptions, controls, lacks_controls, lacks_runs };
            let message = |test: TestCase| match test.status {
                TestCaseStatus::NonSuccess { message, .. } => message.map(|message| message.to_string()),
                _ => None,
            };
            proof_suite(&proof).test_cases.into_iter().filter_map(message).collect()
        };
        assert!(failed(false, false).is_empty());
        let unclear = "Whether memory stays constant is not clear";
        assert_eq!(failed(true, false), [format!("{unclear}: the controls were not run.")]);
        assert_eq!(failed(false, true), [format!("{unclear}: not all of its runs were made.")]);
    }

    #[test]
    fn absorbed_bytes_are_a_test_that_fails_if_they_grow() {
        let of = |constancy| {
            let key = SeriesKey::of(&crate::tests::run("h1c")).without_body();
            let runs = vec![(1 << 30, 6 << 20)];
            let absorption = Absorption { key, runs, slope: None, constancy, is_spooled: false, unknown: 0 };
            let (judgements, controls, absorptions) = (Vec::new(), Vec::new(), vec![absorption]);
            let proof = Proof { judgements, absorptions, controls, lacks_controls: false, lacks_runs: false };
            assert_eq!(proof::notes(&proof).len(), 1);
            proof_suite(&proof).test_cases.remove(0)
        };
        let (bounded, growing) = (of(Constancy::Constant), of(Constancy::Growing));
        assert!(matches!(bounded.status, TestCaseStatus::Success { .. }));
        assert!(bounded.system_out.unwrap().to_string().contains("at most 6.0 MiB"));
        let TestCaseStatus::NonSuccess { message: Some(message), .. } = growing.status else {
            panic!("it passes")
        };
        assert!(message.contains("GROWING: up to 6.0 MiB"), "{message:?}");
    }

    #[test]
    fn warnings_notes_and_an_early_end_are_properties_of_every_suite() {
        let records: Vec<record::Record> = bad_day()
            .into_iter()
            .map(|record| {
                crate::tests::with(record, |record| {
                    record.planned_runs = Some(99);
                    record.disturbed = Some(true);
                    record.warnings = vec![record::Warning::new("load", "others are at work", "noise")];
                })
            })
            .collect();
        let analysis = Analysis::of(&records);
        let text = Junit.render(&Report::new("A run", &records, &analysis)).unwrap();
        let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
        assert_eq!(report.test_suites.len(), 3);
        for suite in report.test_suites {
            let of = |name: &str| {
                let property = suite.properties.iter().find(|property| property.name.as_str() == name);
                property.map(|property| property.value.to_string()).unwrap_or_default()
            };
            assert_eq!(of("warning"), "others are at work. Expect noise.");
            assert!(of("note").contains("runs were disturbed"), "{text}");
            assert_eq!(of("interruption"), "Interrupted: 3 of 99 runs; bench --resume makes the others.");
        }
    }

    #[test]
    fn a_breach_is_a_failure_and_a_failed_run_an_error() {
        let records = bad_day();
        let analysis = Analysis::of(&records);
        let text = Junit.render(&Report::new("A run", &records, &analysis)).unwrap();
        let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
        let tests: Vec<TestCase> =
            report.test_suites.into_iter().flat_map(|suite| suite.test_cases).collect();
        let of = |protocol: &str| {
            let test =
                tests.iter().find(|test| test.name.as_str().starts_with(&format!("{protocol}/"))).unwrap();
            match &test.status {
                TestCaseStatus::NonSuccess { kind, message, .. } => {
                    Some((*kind, message.as_ref().unwrap().to_string()))
                }
                _ => None,
            }
        };
        assert_eq!(tests.len(), 3);
        assert_eq!(of("tcp"), None);
        let (kind, message) = of("h2").unwrap();
        assert!(kind == NonSuccessKind::Failure && message.contains("receiver over its budget"), "{message}");
        let (kind, message) = of("h3").unwrap();
        assert_eq!((kind, message), (NonSuccessKind::Error, "failed (sender): it said \"no\", twice".into()));
    }
}
