//! The gate: the check of records against ceilings, and against the peaks of earlier records.

use record::{End, Record};
use serde::Serialize;

use crate::{
    Band, Ceiling, Ceilings, Constancy, Figure, Finding, FindingKind, Judgement, MemorySeries, Peaks, Row,
    Verdict, series::is_control,
};

/// The outcome of a gate: the number of bounds that held, and the findings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Gate {
    /// The number of bounds that held.
    pub held: usize,
    /// The number of peaks that were compared with peaks of other records.
    pub compared: usize,
    /// The findings, in the order in which they are shown.
    pub findings: Vec<Finding>,
}

impl Gate {
    /// Checks records against ceilings, and against the peaks of earlier records if there are any.
    pub fn of(records: &[Record], ceilings: &Ceilings, earlier: Option<(&Peaks, Band)>) -> Self {
        let mut gate = Self::over(&Row::all(records), records, ceilings);
        if let Some((earlier, band)) = earlier {
            gate.compare(earlier, &Peaks::of(records), band);
        }
        gate.findings.sort_by_key(|finding| finding.kind);
        gate
    }

    /// Checks rows against ceilings.
    pub(crate) fn over(rows: &[Row<'_>], records: &[Record], ceilings: &Ceilings) -> Self {
        let mut gate = Self::default();
        let mut used = Vec::new();
        for row in rows {
            let failed = row.findings().into_iter().filter(|finding| !finding.kind.is_memory());
            gate.findings.extend(failed);
            // Ceilings are for longhaul's own ends.
            for end in End::ALL.into_iter().filter(|end| !row.is_control && row.peer_end() != Some(*end)) {
                match ceilings.of(row.case, end) {
                    Some((number, ceiling)) => {
                        used.push(number);
                        gate.check_end(row, end, ceiling);
                    }
                    None => gate.findings.push(no_ceiling(row, end)),
                }
            }
        }
        gate.check_slopes(records, ceilings);
        for line in ceilings.unused(&used) {
            let mut finding = Finding::new(FindingKind::UnusedCeiling, format!("the ceiling of line {line}"));
            finding.detail = Some("matches nothing".into());
            gate.findings.push(finding);
        }
        gate
    }

    pub(crate) fn find(
        &mut self,
        kind: FindingKind,
        case: impl std::fmt::Display,
        end: End,
        detail: impl Into<String>,
    ) {
        let mut finding = Finding::new(kind, case);
        (finding.end, finding.detail) = (Some(end), Some(detail.into()));
        self.findings.push(finding);
    }

    /// Checks the peak of one end against its ceiling, and the growth of the end against its budget.
    fn check_end(&mut self, row: &Row<'_>, end: End, ceiling: &Ceiling) {
        let well: Vec<_> = row.records.iter().filter(|record| record.is_ok()).collect();
        if well.is_empty() {
            return;
        }
        // Nothing bounds the memory of a library with its own defaults, so such a case has no budget.
        let has_budget = ceiling.budget && !row.case.is_stock();
        if !has_budget && ceiling.peak_rss.is_none() && ceiling.slope.is_none() {
            self.findings.push(no_ceiling(row, end));
        }
        let memory = || well.iter().map(|record| record.end(end).map(|end| &end.memory));
        if let Some(most) = ceiling.peak_rss {
            let highest = row.ends[end].peak_rss.map(|peak| peak.most as u64);
            let over = memory()
                .filter(|memory| memory.and_then(|m| m.peak_rss_bytes).is_none_or(|peak| peak > most.0));
            self.judge(row, end, FindingKind::OverCeiling, over.count(), most.0, highest);
        }
        if has_budget {
            let share = |memory: &&record::MemoryRecord| {
                Some(memory.growth()? as f64 / memory.budget_bytes.filter(|budget| *budget > 0)? as f64)
            };
            let worst = memory()
                .flatten()
                .max_by(|a, b| share(a).partial_cmp(&share(b)).unwrap_or(std::cmp::Ordering::Equal));
            let is_over = |memory: Option<&record::MemoryRecord>| {
                memory.is_none_or(|memory| {
                    memory.growth().zip(memory.budget_bytes).is_none() || memory.over_budget().is_some()
                })
            };
            let over = memory().filter(|memory| is_over(*memory)).count();
            let budget = worst.and_then(|memory| memory.budget_bytes).unwrap_or(0);
            self.judge(
                row,
                end,
                FindingKind::OverBudget,
                over,
                budget,
                worst.and_then(|memory| memory.growth()),
            );
        }
    }

    fn judge(
        &mut self,
        row: &Row<'_>,
        end: End,
        kind: FindingKind,
        over: usize,
        most: u64,
        measured: Option<u64>,
    ) {
        if over == 0 {
            self.held += 1;
            return;
        }
        let mut finding = Finding::new(kind, &row.key);
        finding.end = Some(end);
        (finding.expected, finding.measured) = (Some(Figure::bytes(most)), measured.map(Figure::bytes));
        finding.detail = row.rounds(over);
        self.findings.push(finding);
    }

    /// Checks the slope of peak RSS of each case over all sizes of its body.
    fn check_slopes(&mut self, records: &[Record], ceilings: &Ceilings) {
        for series in MemorySeries::all(records.iter().filter(|record| !is_control(record, records))) {
            let ceiling = ceilings.of(&series.case, series.end);
            let Some(most) = ceiling.and_then(|(_, ceiling)| ceiling.slope) else { continue };
            let most = Figure { unit: crate::Unit::MibPerGib, ..Figure::bytes(most.0) };
            let (name, end) = (series.key.clone(), series.end);
            let slope = Judgement::of(series).over_sizes;
            let kind = match slope.map_or(Constancy::Inconclusive, |slope| Constancy::of(slope, most.value)) {
                Constancy::Constant => {
                    self.held += 1;
                    continue;
                }
                Constancy::Growing => FindingKind::OverSlope,
                Constancy::Inconclusive | Constancy::GrowingSlowly => FindingKind::Unclear,
            };
            let mut finding = Finding::new(kind, name);
            (finding.end, finding.expected) = (Some(end), Some(most));
            finding.measured = slope.map(Figure::slope);
            finding.detail = Some(slope.map_or("too few sizes and rounds for a slope".into(), |slope| {
                format!("measured {}", Figure::slope(slope))
            }));
            self.findings.push(finding);
        }
    }

    /// Returns the number of findings whose kind is among `kinds`.
    pub fn count(&self, kinds: &[FindingKind]) -> usize {
        self.findings.iter().filter(|finding| kinds.contains(&finding.kind)).count()
    }

    /// Returns the verdict of the gate.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.kind.verdict()).min().unwrap_or(Verdict::Good)
    }
}

fn no_ceiling(row: &Row<'_>, end: End) -> Finding {
    let mut finding = Finding::new(FindingKind::NoCeiling, &row.key);
    finding.end = Some(end);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{run, with_peak};

    fn ceilings(text: &str) -> Ceilings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ceilings.toml");
        std::fs::write(&path, text).unwrap();
        Ceilings::read(&path, &[]).unwrap()
    }

    fn kinds(gate: &Gate) -> Vec<(FindingKind, Option<End>)> {
        gate.findings.iter().map(|finding| (finding.kind, finding.end)).collect()
    }

    #[test]
    fn each_end_is_checked_against_its_most_exact_ceiling() {
        let text =
            "[[ceiling]]\nprotocol = \"h2\"\nend = \"receiver\"\npeak_rss = \"10MiB\"\nbudget = true\n";
        let records = [run("h2"), with_peak(run("h2"), End::Receiver, 30 << 20)];
        let gate = Gate::of(&records, &ceilings(text), None);
        let (receiver, sender) = (Some(End::Receiver), Some(End::Sender));
        assert_eq!(
            kinds(&gate),
            [
                (FindingKind::OverBudget, receiver),
                (FindingKind::OverCeiling, receiver),
                (FindingKind::NoCeiling, sender)
            ]
        );
        assert_eq!((gate.held, gate.verdict()), (0, Verdict::MemoryOver));
        assert_eq!(gate.findings[0].detail.as_deref(), Some(" in 1 of 2 runs"));
        let gate = Gate::of(&records[..1], &ceilings(text), None);
        assert_eq!((gate.held, gate.verdict()), (2, Verdict::Good));
    }

    #[test]
    fn an_end_without_figures_does_not_pass() {
        let mut record = run("h2");
        record.receiver = None;
        let gate =
            Gate::of(&[record], &ceilings("[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"1GiB\"\n"), None);
        assert_eq!(kinds(&gate), [(FindingKind::OverCeiling, Some(End::Receiver))]);
    }

    #[test]
    fn a_stock_library_is_checked_against_a_peak_but_not_against_a_budget() {
        let mut record = with_peak(run("h2"), End::Receiver, 30 << 20);
        record.case.limits = record::Limits::of(record::Profile::Stock);
        for end in [&mut record.sender, &mut record.receiver].into_iter().flatten() {
            (end.memory.budget_bytes, end.memory.within_budget) = (None, None);
        }
        let gate = |text: &str| Gate::of(std::slice::from_ref(&record), &ceilings(text), None);
        let budget = gate("[[ceiling]]\nprotocol = \"*\"\nbudget = true\n");
        let no_ceiling = |end| (FindingKind::NoCeiling, Some(end));
        assert_eq!(kinds(&budget), [no_ceiling(End::Sender), no_ceiling(End::Receiver)]);
        let peak = gate("[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"10MiB\"\nbudget = true\n");
        assert_eq!(kinds(&peak), [(FindingKind::OverCeiling, Some(End::Receiver))]);
    }
}
