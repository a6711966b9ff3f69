//! The outcome of a gate as text and as JUnit XML.

use std::collections::HashMap;

use quick_junit::{TestCase, TestCaseStatus, TestSuite};

use super::{FormatError, distinct, junit};
use crate::{Finding, FindingKind, Gate, Verdict};

/// Returns the outcome of a gate as text: one line per finding, then the counts.
pub fn gate_text(gate: &Gate) -> String {
    let lines: String = gate.findings.iter().map(|finding| format!("{}\n", line(finding))).collect();
    let drift = if gate.compared > 0 {
        let outside = gate.count(&[FindingKind::Drifted]);
        format!("; drift: {} compared, {outside} outside the band", gate.compared)
    } else {
        String::new()
    };
    format!(
        "{lines}ceilings: {} held, {} exceeded, {} unclear, {} without a counterpart; {} failed runs{drift}\n",
        gate.held,
        gate.count(&[FindingKind::OverBudget, FindingKind::OverCeiling, FindingKind::OverSlope]),
        gate.count(&[FindingKind::Unclear]),
        gate.count(&[FindingKind::NoCeiling, FindingKind::UnusedCeiling]),
        gate.count(&[FindingKind::Failed, FindingKind::WrongBytes]),
    )
}

fn line(finding: &Finding) -> String {
    let (case, end) = (&finding.case, finding.end.map_or_else(String::new, |end| format!(" {end}")));
    let [expected, measured] = finding.figures();
    let detail = finding.detail.as_deref().unwrap_or_default();
    match finding.kind {
        FindingKind::OverCeiling => {
            format!("OVER  {case}{end}: expected at most {expected}, measured {measured}{detail}")
        }
        FindingKind::OverBudget => {
            format!("OVER  {case}{end}: expected to grow by at most {expected}, measured {measured}{detail}")
        }
        FindingKind::OverSlope => {
            format!("OVER  {case}{end}: expected at most {expected} MiB per GiB of body, measured {measured}")
        }
        FindingKind::Unclear => {
            format!("UNCLEAR  {case}{end}: expected at most {expected} MiB per GiB of body, {detail}")
        }
        FindingKind::Drifted => format!("DRIFT  {case}{end}: {detail}"),
        FindingKind::New => format!("NEW  {case}{end}: {detail}"),
        FindingKind::Missing => format!("MISSING  {case}{end}: {detail}"),
        FindingKind::NoCeiling => format!("NO CEILING  {case}{end}"),
        FindingKind::UnusedCeiling => format!("NO CASE  {case} {detail}"),
        FindingKind::BeatsCeiling => format!("NOTE  {case}: {detail}"),
        FindingKind::Failed | FindingKind::WrongBytes => format!("FAILED  {case}{end}: {detail}"),
    }
}

/// Returns the outcome of a gate as JUnit XML: one test per case with findings that fail the gate, and one test for the
/// bounds that held.
///
/// # Errors
/// Fails if the text cannot be written as XML.
pub fn gate_junit(gate: &Gate) -> Result<String, FormatError> {
    let failing: Vec<&Finding> =
        gate.findings.iter().filter(|finding| finding.kind.verdict() != Verdict::Good).collect();
    let mut suite = TestSuite::new("ceilings");
    let mut held = TestCase::new("bounds that held", TestCaseStatus::success());
    held.set_system_out(gate.held.to_string());
    suite.add_test_case(held);
    let mut by_case: HashMap<&str, Vec<&Finding>> = HashMap::new();
    for finding in &failing {
        by_case.entry(finding.case.as_str()).or_default().push(finding);
    }
    for case in distinct(failing.iter().map(|finding| finding.case.as_str())) {
        let findings = by_case.remove(case).unwrap_or_default();
        let mut test = TestCase::new(case, junit::status(&findings));
        test.set_classname("longhaul.check");
        suite.add_test_case(test);
    }
    junit::xml("longhaul check", std::iter::once(suite))
}
