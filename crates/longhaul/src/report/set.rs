//! The records of a report, and what they amount to.

use super::{
    Summary,
    finding::{Finding, FindingKind},
    sample::Sample,
};
use crate::{check::Ceilings, exit::Verdict, record::Record};

/// What all formats are made from.
pub(crate) struct Set<'a> {
    pub(super) title: &'a str,
    pub(super) records: &'a [Record],
    pub(super) ceilings: Option<&'a Ceilings>,
    pub(super) summary: Summary,
    pub(super) findings: Vec<Finding>,
    pub(super) conclusion: Option<Conclusion>,
}

/// What a command that looked for something else than goodput has concluded of its records.
#[derive(Clone, Debug)]
pub(crate) struct Conclusion {
    /// Its own table, in Markdown.
    pub(crate) markdown: String,
    /// The same in short lines.
    pub(crate) notes: Vec<String>,
}

impl<'a> Set<'a> {
    /// Records of at least one run.
    pub(crate) fn of(title: &'a str, records: &'a [Record], ceilings: Option<&'a Ceilings>) -> Self {
        let samples: Vec<Sample> = records.iter().map(Sample::from).collect();
        let summary = Summary::of(&samples);
        let findings = summary.rows.iter().flat_map(|row| Finding::all_of(row, ceilings)).collect();
        Self { title, records, ceilings, summary, findings, conclusion: None }
    }

    pub(crate) fn concluding(self, conclusion: Conclusion) -> Self {
        Self { conclusion: Some(conclusion), ..self }
    }

    /// Whether not even one run came to its end.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What the runs amount to.
    pub(crate) fn exit(&self) -> Verdict {
        self.summary.verdict()
    }

    /// The runs of a case, in their order.
    pub(super) fn runs(&self, name: &str) -> Vec<&'a Record> {
        self.records.iter().filter(|record| record.case.name == name).collect()
    }

    /// What is wrong with a case.
    pub(super) fn findings_of(&self, name: &str) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.case == name)
    }

    /// A case's verdict in a word or two.
    pub(super) fn verdict_of(&self, name: &str) -> &'static str {
        self.findings_of(name).map(|finding| finding.kind).min().map_or("ok", FindingKind::word)
    }

    /// The worst that was found.
    pub(super) fn worst(&self) -> Option<FindingKind> {
        self.findings.iter().map(|finding| finding.kind).min()
    }

    /// What all of it amounts to, as a sentence.
    pub(super) fn verdict(&self) -> String {
        if self.findings.is_empty() {
            return "Every run ended well, and every end kept within its memory budget.".into();
        }
        let count = |kind| self.findings.iter().filter(|finding| finding.kind == kind).count();
        let told = |kind, one: &str, many: &str| match count(kind) {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let parts = [
            told(FindingKind::WrongBytes, "run delivered wrong bytes", "runs delivered wrong bytes"),
            told(
                FindingKind::OverBudget,
                "end took more memory than its budget",
                "ends took more memory than their budgets",
            ),
            told(
                FindingKind::OverCeiling,
                "end took more memory than its ceiling",
                "ends took more memory than their ceilings",
            ),
            told(FindingKind::Failed, "run failed", "runs failed"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ") + "."
    }

    /// The command lines that made the records, each once.
    pub(super) fn commands(&self) -> Vec<&'a str> {
        distinct(self.records.iter().filter_map(|record| record.command.as_deref()))
    }
}

/// Each item once, in the order of its first appearance.
pub(super) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.fold(Vec::new(), |mut unique, item| {
        if !unique.contains(&item) {
            unique.push(item);
        }
        unique
    })
}
