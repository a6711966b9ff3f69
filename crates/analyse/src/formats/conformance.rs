//! The outcome of a conformance suite as text and as JUnit XML.

use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use record::mib;

use super::{FormatError, distinct, junit};
use crate::{Conduct, Conformance, Trial};

/// Returns the lines of a case. The first line has the conduct, the name, and the figure beside the bound. The note has
/// a line of its own. If the conduct is not [`Conduct::Bounded`], another line has the command that runs the case
/// alone. A case that does not apply has a single line with the reason.
pub fn trial_text(trial: &Trial) -> String {
    let name = format!("{} {}/{}", trial.case, trial.protocol, trial.direction);
    if trial.conduct == Conduct::NotApplicable {
        let reason = trial.note.as_deref().unwrap_or_default();
        return format!("{:<14}  {name:<34}  {reason}\n", trial.conduct);
    }
    let figure = trial.figure.map_or_else(String::new, |figure| {
        format!("{} {:.1} of {:.0} MiB", figure.kind(), mib(figure.bytes()), mib(trial.bound_bytes))
    });
    let line = format!("{:<14}  {name:<34}  {figure:<28}  {}", trial.conduct, trial.section);
    let mut text = format!("{}\n", line.trim_end());
    if let Some(note) = &trial.note {
        text += &format!("{:16}{note}\n", "");
    }
    if !matches!(trial.conduct, Conduct::Bounded) {
        text += &format!("{:16}alone: {}\n", "", trial.command);
    }
    text
}

/// Returns the number of cases with each conduct, in one line.
pub fn conformance_text(conformance: &Conformance) -> String {
    let counts = Conduct::ALL.iter().rev().map(|conduct| (conduct, conformance.count(*conduct)));
    let counts: Vec<String> =
        counts.filter(|(_, count)| *count > 0).map(|(conduct, count)| format!("{count} {conduct}")).collect();
    format!(
        "{}: {}\n",
        conformance.subject,
        if counts.is_empty() { "no cases".into() } else { counts.join(", ") }
    )
}

/// Returns the outcome as JUnit XML, with a suite for each protocol. A case that does not apply is skipped.
///
/// # Errors
/// Fails if the text cannot be written as XML.
pub fn conformance_junit(conformance: &Conformance) -> Result<String, FormatError> {
    let protocols = distinct(conformance.trials.iter().map(|trial| trial.protocol.as_str()));
    let suites = protocols.into_iter().map(|protocol| {
        let mut suite = TestSuite::new(protocol);
        let trials = conformance.trials.iter().filter(|trial| trial.protocol == protocol);
        suite.add_test_cases(trials.map(test));
        suite
    });
    junit::xml(&format!("longhaul conform {}", conformance.subject), suites)
}

fn test(trial: &Trial) -> TestCase {
    let note = trial.note.clone().unwrap_or_default();
    let mut status = match trial.conduct {
        Conduct::Bounded => TestCaseStatus::success(),
        Conduct::NotApplicable => TestCaseStatus::skipped(),
        Conduct::Died | Conduct::Stalled => TestCaseStatus::non_success(NonSuccessKind::Error),
        Conduct::Growing | Conduct::Corrupted => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if trial.conduct != Conduct::Bounded {
        status.set_type(trial.conduct.to_string()).set_message(note);
    }
    let mut test = TestCase::new(format!("{}/{}", trial.case, trial.direction), status);
    test.set_classname(format!("longhaul.conform.{}", trial.protocol));
    test.set_time(Duration::try_from_secs_f64(trial.elapsed_s).unwrap_or_default());
    test.set_system_out(trial_text(trial));
    test
}

#[cfg(test)]
mod tests {
    use record::Direction;

    use super::*;
    use crate::TrialFigure;

    fn conformance() -> Conformance {
        let trial = |conduct, note: Option<&str>| Trial {
            case: "stalled-reader".into(),
            protocol: "h2".into(),
            direction: Direction::Down,
            conduct,
            figure: Some(TrialFigure::Growth(3 << 20)),
            bound_bytes: 64 << 20,
            elapsed_s: 10.5,
            section: "RFC 9113 section 5.2".into(),
            note: note.map(Into::into),
            command: "longhaul conform URL --case stalled-reader".into(),
        };
        let trials = vec![
            trial(Conduct::Bounded, None),
            trial(Conduct::Growing, Some("a reason")),
            trial(Conduct::NotApplicable, Some("no URL")),
        ];
        Conformance { subject: "http://x/".into(), trials }
    }

    #[test]
    fn a_line_has_the_figure_the_bound_and_the_section_and_says_how_to_run_it_alone() {
        let conformance = conformance();
        let [bounded, growing] = [0, 1].map(|index| trial_text(&conformance.trials[index]));
        assert!(bounded.starts_with("BOUNDED         stalled-reader h2/down"), "{bounded}");
        assert!(bounded.contains("growth 3.0 of 64 MiB") && bounded.ends_with("RFC 9113 section 5.2\n"));
        assert!(growing.contains("a reason\n") && growing.contains("alone: longhaul conform URL --case"));
        let counts = conformance_text(&conformance);
        assert_eq!(counts, "http://x/: 1 NOT APPLICABLE, 1 BOUNDED, 1 GROWING\n");
    }

    #[test]
    fn junit_has_a_failure_and_a_skipped_test() {
        let text = conformance_junit(&conformance()).unwrap();
        let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
        let tests = &report.test_suites[0].test_cases;
        assert!(matches!(tests[0].status, TestCaseStatus::Success { .. }));
        assert!(matches!(&tests[1].status, TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. }));
        assert!(matches!(tests[2].status, TestCaseStatus::Skipped { .. }));
    }
}
