//! The gate: the check of records against ceilings, and against the peaks of earlier records.

use record::{End, MemoryRecord, Record};
use serde::Serialize;

use crate::{
    Band, Ceiling, Ceilings, Constancy, Figure, Finding, FindingKind, Judgement, MemorySeries, Peaks, Row,
    Verdict, series::is_control, session_facts,
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
    /// A sentence if the records hold fewer runs than their sessions planned; `None` otherwise.
    pub interruption: Option<String>,
}

impl Gate {
    /// Checks records against ceilings, and against the peaks of earlier records if there are any.
    pub fn of(records: &[Record], ceilings: &Ceilings, earlier: Option<(&Peaks, Band)>) -> Self {
        let mut gate = Self::over(&Row::all(records), records, ceilings);
        if let Some((earlier, band)) = earlier {
            gate.compare(earlier, &Peaks::of(records), band);
        }
        gate.findings.sort_by_key(|finding| finding.kind);
        gate.interruption = session_facts::interruption(records);
        gate
    }

    /// Checks rows against ceilings.
    pub(crate) fn over(rows: &[Row<'_>], records: &[Record], ceilings: &Ceilings) -> Self {
        let mut gate = Self::default();
        let mut used = Vec::new();
        for row in rows {
            let failed = row.findings().into_iter().filter(|finding| !finding.kind.is_memory());
            gate.findings.extend(failed);
            for end in row.judged_ends().into_iter().filter(|_| !row.is_control) {
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
        let runs: Vec<Run<'_>> = row.records.iter().filter_map(|record| Run::of(record, end)).collect();
        if runs.is_empty() {
            return;
        }
        // Nothing bounds the memory of a library with its own defaults, or of a program under proof, so such a case has
        // no budget.
        let has_budget = ceiling.budget && !row.case.is_stock() && !row.is_of_program();
        if !has_budget && ceiling.peak_rss.is_none() && ceiling.slope.is_none() {
            self.findings.push(no_ceiling(row, end));
        }
        if let Some(most) = ceiling.peak_rss {
            let highest = row.ends[end].peak_rss.map(|peak| peak.most as u64);
            let over = runs.iter().filter(|run| run.is_over_peak(most.0));
            self.judge(row, end, FindingKind::OverCeiling, over.count(), most.0, highest);
        }
        if has_budget {
            let share = |memory: &&MemoryRecord| {
                Some(memory.growth()? as f64 / memory.budget_bytes.filter(|budget| *budget > 0)? as f64)
            };
            let worst = runs
                .iter()
                .filter_map(|run| run.memory)
                .max_by(|a, b| share(a).partial_cmp(&share(b)).unwrap_or(std::cmp::Ordering::Equal));
            let over = runs.iter().filter(|run| run.is_over_budget()).count();
            let budget = worst.and_then(|memory| memory.budget_bytes).unwrap_or(0);
            let growth = worst.and_then(MemoryRecord::growth);
            self.judge(row, end, FindingKind::OverBudget, over, budget, growth);
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
            // A bound holds only for a body that was moved.
            self.held += usize::from(row.records.iter().any(|record| record.is_ok()));
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

    /// Returns whether nothing was checked: no bound held or was exceeded, and no peak was compared.
    pub fn is_empty(&self) -> bool {
        let is_checked = |finding: &Finding| finding.kind.is_memory() || finding.kind == FindingKind::Unclear;
        self.held == 0 && self.compared == 0 && !self.findings.iter().any(is_checked)
    }

    /// Returns the verdict of the gate. A gate that checked nothing is inconclusive unless a run failed.
    pub fn verdict(&self) -> Verdict {
        let empty = self.is_empty().then_some(Verdict::Inconclusive);
        let found = self.findings.iter().map(|finding| finding.kind.verdict());
        found.chain(empty).min().unwrap_or(Verdict::Good)
    }
}

/// The memory of one end in one run. A successful run must state its memory. A failed run may leave figures out, but
/// those that it has count.
struct Run<'a> {
    is_ok: bool,
    memory: Option<&'a MemoryRecord>,
}

impl<'a> Run<'a> {
    /// Returns the memory of an end; `None` for a failed run without that end.
    fn of(record: &'a Record, end: End) -> Option<Self> {
        let memory = record.end(end).map(|end| &end.memory);
        let is_ok = record.is_ok();
        (is_ok || memory.is_some()).then_some(Self { is_ok, memory })
    }

    fn is_over_peak(&self, most: u64) -> bool {
        self.memory.and_then(|memory| memory.peak_rss_bytes).map_or(self.is_ok, |peak| peak > most)
    }

    fn is_over_budget(&self) -> bool {
        let bounded = self.memory.filter(|memory| memory.growth().is_some() && memory.budget_bytes.is_some());
        bounded.map_or(self.is_ok, |memory| memory.over_budget().is_some())
    }
}

fn no_ceiling(row: &Row<'_>, end: End) -> Finding {
    let mut finding = Finding::new(FindingKind::NoCeiling, &row.key);
    finding.end = Some(end);
    finding
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use record::FaultKind;

    use super::*;
    use crate::tests::{failed, run, with, with_peak};

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
    fn an_end_that_a_record_cannot_have_needs_no_figures() {
        let everything = "[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"1GiB\"\nbudget = true\n";
        let sent = with(run("h2"), |record| {
            (record.peer, record.receiver) = (Some("https://a/".into()), None);
        });
        let gate = Gate::of(from_ref(&sent), &ceilings(everything), None);
        assert_eq!((kinds(&gate), gate.held, gate.verdict()), (Vec::new(), 2, Verdict::Good));
        let gate = Gate::of(&[with_peak(sent, End::Sender, 30 << 20)], &ceilings(everything), None);
        assert_eq!(kinds(&gate), [(FindingKind::OverBudget, Some(End::Sender))]);
        let slope = "[[ceiling]]\nprotocol = \"*\"\nslope = \"1MiB\"\n";
        let fetched = with(run("h2"), |record| {
            (record.peer, record.sender) = (Some("https://a/".into()), None);
            record.case.direction = record::Direction::Down;
        });
        let gate = Gate::of(&[fetched], &ceilings(slope), None);
        assert_eq!(kinds(&gate), [(FindingKind::Unclear, Some(End::Receiver))]);
    }

    #[test]
    fn a_program_under_proof_has_a_ceiling_but_no_budget() {
        let proven = with(with_peak(run("h1c"), End::Sender, 30 << 20), |record| {
            (record.subject, record.receiver) = (Some(record::Subject::Client), None);
            let sender = record.sender.as_mut().unwrap();
            (sender.memory.budget_bytes, sender.memory.within_budget) = (None, None);
        });
        let gate = |text: &str| Gate::of(from_ref(&proven), &ceilings(text), None);
        let budget = gate("[[ceiling]]\nprotocol = \"*\"\nbudget = true\n");
        assert_eq!(kinds(&budget), [(FindingKind::NoCeiling, Some(End::Sender))]);
        let peak = gate("[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"20MiB\"\nbudget = true\n");
        assert_eq!(kinds(&peak), [(FindingKind::OverCeiling, Some(End::Sender))]);
    }

    #[test]
    fn the_memory_of_a_failed_run_counts() {
        let grown = with_peak(run("h2"), End::Receiver, 300 << 20);
        let failed = with(failed("h2", FaultKind::Timeout), |record| record.receiver = grown.receiver);
        let records = [run("h2"), failed.clone()];
        let text = "[[ceiling]]\nprotocol = \"h2\"\npeak_rss = \"20MiB\"\nbudget = true\n";
        let gate = Gate::of(&records, &ceilings(text), None);
        let receiver = Some(End::Receiver);
        let expected = [
            (FindingKind::OverBudget, receiver),
            (FindingKind::OverCeiling, receiver),
            (FindingKind::Failed, Some(End::Sender)),
        ];
        assert_eq!(kinds(&gate), expected);
        assert_eq!((gate.held, gate.verdict()), (2, Verdict::MemoryOver), "the sender kept both bounds");
        assert_eq!(gate.findings[0].detail.as_deref(), Some(" in 1 of 2 runs"));
        // A failed run without the figures of an end exceeds nothing, and alone it shows that no bound holds.
        let without = with(failed, |record| (record.sender, record.receiver) = (record.sender.take(), None));
        let gate = Gate::of(&[without], &ceilings(text), None);
        assert_eq!((gate.held, gate.verdict()), (0, Verdict::RunFailed));
    }

    #[test]
    fn a_gate_that_checked_nothing_does_not_pass() {
        let other = "[[ceiling]]\nprotocol = \"h3\"\npeak_rss = \"1GiB\"\n";
        let records = [with(run("h2c"), |record| record.planned_runs = Some(8))];
        let gate = Gate::of(&records, &ceilings(other), None);
        assert_eq!((gate.is_empty(), gate.verdict()), (true, Verdict::Inconclusive));
        assert!(gate.interruption.unwrap().starts_with("Interrupted: 1 of 8 runs"));
        let peaks = Peaks::of(&records);
        let band = Band::Percent(10.0);
        let drift = Gate::of(&records, &ceilings("ceiling = []\n"), Some((&peaks, band)));
        assert_eq!((drift.is_empty(), drift.verdict()), (false, Verdict::Good), "{drift:?}");
    }

    #[test]
    fn a_stock_library_is_checked_against_a_peak_but_not_against_a_budget() {
        let mut record = with_peak(run("h2"), End::Receiver, 30 << 20);
        record.case.limits = record::Limits::of(record::Profile::Stock);
        for end in [&mut record.sender, &mut record.receiver].into_iter().flatten() {
            (end.memory.budget_bytes, end.memory.within_budget) = (None, None);
        }
        let gate = |text: &str| Gate::of(from_ref(&record), &ceilings(text), None);
        let budget = gate("[[ceiling]]\nprotocol = \"*\"\nbudget = true\n");
        let no_ceiling = |end| (FindingKind::NoCeiling, Some(end));
        assert_eq!(kinds(&budget), [no_ceiling(End::Sender), no_ceiling(End::Receiver)]);
        let peak = gate("[[ceiling]]\nprotocol = \"*\"\npeak_rss = \"10MiB\"\nbudget = true\n");
        assert_eq!(kinds(&peak), [(FindingKind::OverCeiling, Some(End::Receiver))]);
    }
}
