//! The outcome of a gate as text and as JUnit XML.

use std::collections::HashMap;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::{FormatError, distinct, junit};
use crate::{Finding, FindingKind, Gate, Verdict};

/// The remark on a gate that checked nothing.
const NOTHING: &str = "no bound applies to a successful run of these records, and no peak has an earlier one";

/// Returns the outcome of a gate as text: one line per finding, remarks on the records as a whole, then the counts.
pub fn gate_text(gate: &Gate) -> String {
    let mut lines: String = gate.findings.iter().map(|finding| format!("{}\n", line(finding))).collect();
    lines.extend(gate.interruption.iter().map(|early| format!("{early}\n")));
    if gate.is_empty() {
        lines += &format!("NOTHING CHECKED  {NOTHING}\n");
    }
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
/// bounds that held. This test fails if nothing was checked. An early end of the runs is a property of the suite.
///
/// # Errors
/// Fails if the text cannot be written as XML.
pub fn gate_junit(gate: &Gate) -> Result<String, FormatError> {
    let failing: Vec<&Finding> =
        gate.findings.iter().filter(|finding| finding.kind.verdict() != Verdict::Good).collect();
    let mut suite = TestSuite::new("ceilings");
    suite.add_properties(gate.interruption.iter().map(|early| Property::new("interruption", early.as_str())));
    let mut status = TestCaseStatus::success();
    if gate.is_empty() {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type("nothing checked").set_message(NOTHING);
    }
    let mut held = TestCase::new("bounds that held", status);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Ceilings,
        tests::{run, with},
    };

    #[test]
    fn a_gate_that_checked_nothing_and_an_early_end_are_stated() {
        let records = [with(run("h2c"), |record| record.planned_runs = Some(8))];
        let of = |ceilings: &str| Gate::of(&records, &Ceilings::parse(ceilings, &[]).unwrap(), None);
        let early = "Interrupted: 1 of 8 runs";
        for (protocol, fails) in [("h3", true), ("h2c", false)] {
            let gate = of(&format!("[[ceiling]]\nprotocol = \"{protocol}\"\nbudget = true\n"));
            let (text, xml) = (gate_text(&gate), gate_junit(&gate).unwrap());
            assert_eq!(text.contains("NOTHING CHECKED  "), fails, "{text}");
            assert_eq!(xml.contains("nothing checked"), fails, "{xml}");
            assert!(text.contains(early) && xml.contains(early), "{text}{xml}");
        }
    }
}
