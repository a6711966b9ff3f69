//! Findings as text, equal ones once.

use std::collections::HashMap;

use crate::{Finding, FindingKind};

/// Returns findings as text, each once and in the order of their first appearance. A text that holds for several runs
/// states their number.
pub(super) fn with_numbers<'f>(
    findings: impl IntoIterator<Item = &'f Finding>,
) -> Vec<(FindingKind, String)> {
    let mut runs: HashMap<String, usize> = HashMap::new();
    let mut first: Vec<(FindingKind, String)> = Vec::new();
    for finding in findings {
        let text = finding.to_string();
        let count = runs.entry(text.clone()).or_default();
        if *count == 0 {
            first.push((finding.kind, text));
        }
        *count += 1;
    }
    let with_number = |(kind, text): (FindingKind, String)| match runs.get(&text) {
        Some(runs) if *runs > 1 => (kind, format!("{text} ({runs} runs)")),
        _ => (kind, text),
    };
    first.into_iter().map(with_number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_failures_are_one_text_with_their_number() {
        let failed = |case: &str, detail: &str| {
            let mut finding = Finding::new(FindingKind::Failed, case);
            finding.detail = Some(detail.into());
            finding
        };
        let findings =
            [failed("a", "x"), failed("b", "x"), failed("a", "x"), failed("a", "y"), failed("a", "x")];
        let texts: Vec<String> = with_numbers(&findings).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["a failed: x (3 runs)", "b failed: x", "a failed: y"]);
    }
}
