//! JUnit XML, which CI systems show as tests: a case is a test, a breach its failure.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    Render, Set,
    finding::{Finding, FindingKind},
    summary::Row,
};
use crate::{
    distinct::distinct,
    size::{gbit_per_s, mib_per_s},
};

/// `junit.xml`.
pub(super) struct Junit;

impl Render for Junit {
    fn file(&self) -> &'static str {
        "junit.xml"
    }

    fn render(&self, set: &Set) -> anyhow::Result<String> {
        let mut report = Report::new(set.title);
        for protocol in distinct(set.summary.rows.iter().map(|row| row.case.protocol.as_str())) {
            let mut suite = TestSuite::new(protocol);
            let rows = set.summary.rows.iter().filter(|row| row.case.protocol == protocol);
            suite.add_test_cases(rows.map(|row| test(set, row)));
            report.add_test_suite(suite);
        }
        Ok(report.to_string()?)
    }
}

fn test(set: &Set, row: &Row) -> TestCase {
    let findings: Vec<&Finding> = set.findings_of(&row.case.name).collect();
    let mut test = TestCase::new(row.case.name.as_str(), status(&findings));
    test.set_classname(format!("longhaul.{}", row.case.protocol));
    let elapsed: f64 = set.runs(&row.case.name).iter().filter_map(|run| run.elapsed_s).sum();
    test.set_time(Duration::try_from_secs_f64(elapsed).unwrap_or_default());
    if let Some(goodput) = row.goodput {
        let (mib, gbit) = (mib_per_s(goodput.median), gbit_per_s(goodput.median));
        test.set_system_out(format!("goodput {mib:.0} MiB/s, {gbit:.2} Gbit/s, median of {} runs", row.runs));
    }
    test
}

/// What was measured and is not as it should be is a failure; what could not be measured is an error.
fn status(findings: &[&Finding]) -> TestCaseStatus {
    let Some(worst) = findings.iter().map(|finding| finding.kind).min() else {
        return TestCaseStatus::success();
    };
    let kind = if worst == FindingKind::Failed { NonSuccessKind::Error } else { NonSuccessKind::Failure };
    let mut status = TestCaseStatus::non_success(kind);
    let told: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
    status.set_type(worst.word()).set_message(told.join("; "));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::bad_day;

    #[test]
    fn a_breach_is_a_failure_and_a_failed_run_an_error() {
        let records = bad_day();
        let text = Junit.render(&Set::of("A run", &records, None)).unwrap();
        let report = Report::deserialize_from_str(&text).unwrap();
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
