//! What is wrong with a case, in words.

use super::summary::Row;
use crate::{
    ceilings::Ceilings,
    record::{End, FaultKind},
    size::mib,
};

/// One thing that is wrong with a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(super) kind: FindingKind,
    pub(super) case: String,
    /// Without the name of the case.
    pub(super) what: String,
}

/// The worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FindingKind {
    WrongBytes,
    OverBudget,
    OverCeiling,
    Failed,
}

impl FindingKind {
    /// As a verdict on the case.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::WrongBytes => "wrong bytes",
            Self::OverBudget => "over budget",
            Self::OverCeiling => "over ceiling",
            Self::Failed => "failed",
        }
    }
}

impl Finding {
    /// Everything that is wrong with a case: its failed runs, and its ends over budget or ceiling.
    pub(super) fn all_of(row: &Row, ceilings: Option<&Ceilings>) -> Vec<Self> {
        let finding = |kind, what| Self { kind, case: row.case.name.clone(), what };
        let faults = row.faults.iter().map(|fault| {
            let end = fault.end.map_or(String::new(), |end| format!(" ({end})"));
            let kind = if fault.kind == FaultKind::Integrity {
                FindingKind::WrongBytes
            } else {
                FindingKind::Failed
            };
            finding(kind, format!("failed{end}: {}", fault.message))
        });
        let budgets = row.over.iter().map(|(end, growth, budget)| {
            let (growth, budget) = (mib(*growth), mib(*budget));
            finding(
                FindingKind::OverBudget,
                format!(
                    "{end} over its budget: grew by {growth:.1} MiB, {budget:.1} MiB were expected at most"
                ),
            )
        });
        let ceilings = [(End::Sender, row.sender_rss), (End::Receiver, row.receiver_rss)]
            .into_iter()
            .filter_map(|(end, peak)| {
                let (peak, ceiling) = (peak?, ceilings?.peak_rss(&row.case, end)?);
                let told = format!(
                    "{end} over its ceiling: peak RSS of {:.1} MiB, {:.1} MiB are allowed",
                    mib(peak),
                    mib(ceiling)
                );
                (peak > ceiling).then(|| finding(FindingKind::OverCeiling, told))
            });
        faults.chain(budgets).chain(ceilings).collect()
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.case, self.what)
    }
}
