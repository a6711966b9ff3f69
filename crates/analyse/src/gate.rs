//! Records checked against ceilings, and against earlier records.

use std::collections::{HashMap, HashSet};

use record::{End, Record};
use serde::Serialize;
use stats::median;

use crate::{
    Band, Ceiling, Ceilings, Constancy, Figure, Finding, FindingKind, Judgement, MemorySeries, Row, Series,
    Verdict, series::is_control,
};

/// The outcome of a gate: the number of bounds that held, and the findings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Gate {
    /// Bounds that held.
    pub held: usize,
    /// Peaks that were compared with those of other records.
    pub compared: usize,
    /// The findings, in the order in which they are shown.
    pub findings: Vec<Finding>,
}

impl Gate {
    /// Checks records against ceilings, and against earlier records if there are any.
    pub fn of(records: &[Record], ceilings: &Ceilings, earlier: Option<(&[Record], Band)>) -> Self {
        let mut gate = Self::over(&Row::all(records), records, ceilings);
        if let Some((earlier, band)) = earlier {
            gate.compare(earlier, records, band);
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
            for end in End::ALL.into_iter().filter(|_| !row.is_control) {
                match ceilings.of(row.case, end) {
                    Some((number, ceiling)) => {
                        used.push(number);
                        gate.check_end(row, end, ceiling);
                    }
                    None => gate.find(FindingKind::NoCeiling, &row.key, end, None),
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

    fn find(&mut self, kind: FindingKind, case: impl std::fmt::Display, end: End, detail: Option<String>) {
        let mut finding = Finding::new(kind, case);
        (finding.end, finding.detail) = (Some(end), detail);
        self.findings.push(finding);
    }

    /// Checks the peak of one end, and its growth.
    fn check_end(&mut self, row: &Row<'_>, end: End, ceiling: &Ceiling) {
        let well: Vec<_> = row.records.iter().filter(|record| record.is_ok()).collect();
        if well.is_empty() {
            return;
        }
        let memory = || well.iter().map(|record| record.end(end).map(|end| &end.memory));
        if let Some(most) = ceiling.peak_rss {
            let highest = row.ends[end].peak_rss.map(|peak| peak.most as u64);
            let over = memory()
                .filter(|memory| memory.and_then(|m| m.peak_rss_bytes).is_none_or(|peak| peak > most.0));
            self.judge(row, end, FindingKind::OverCeiling, over.count(), most.0, highest);
        }
        if ceiling.budget {
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

    /// Checks the slope of each case over all sizes of its body.
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

    /// Compares the median peaks of cases with those of earlier records.
    fn compare(&mut self, earlier: &[Record], now: &[Record], band: Band) {
        let (before, after) = (Series::all(earlier), Series::all(now));
        let known: HashMap<_, _> = before.iter().map(|series| (&series.key, series)).collect();
        for series in &after {
            let other = known.get(&series.key).copied();
            for end in End::ALL {
                let (old, new) = (other.and_then(|other| median_peak(other, end)), median_peak(series, end));
                match (old, new) {
                    (Some(old), Some(new)) => self.drift(series, end, old, new, band),
                    (None, Some(_)) => {
                        self.find(FindingKind::New, &series.key, end, Some("nothing to compare with".into()))
                    }
                    (Some(_), None) => self.find(
                        FindingKind::Missing,
                        &series.key,
                        end,
                        Some("it was measured before".into()),
                    ),
                    (None, None) => {}
                }
            }
        }
        let still: HashSet<_> = after.iter().map(|series| &series.key).collect();
        for series in before.iter().filter(|series| !still.contains(&series.key)) {
            for end in End::ALL.into_iter().filter(|end| median_peak(series, *end).is_some()) {
                self.find(FindingKind::Missing, &series.key, end, Some("it was measured before".into()));
            }
        }
    }

    fn drift(&mut self, series: &Series<'_>, end: End, old: f64, new: f64, band: Band) {
        self.compared += 1;
        let band = match band {
            Band::Bytes(bytes) => bytes.0 as f64,
            Band::Percent(percent) => old * percent / 100.0,
        };
        if (new - old).abs() <= band {
            return;
        }
        let way = if new > old { "rose" } else { "fell" };
        let [new_mib, old_mib, band_mib] = [new, old, band].map(|bytes| record::mib(bytes as u64));
        let mut finding = Finding::new(FindingKind::Drifted, &series.key);
        finding.end = Some(end);
        (finding.expected, finding.measured) =
            (Some(Figure::bytes(old as u64)), Some(Figure::bytes(new as u64)));
        finding.detail = Some(format!(
            "expected {old_mib:.1} MiB give or take {band_mib:.1}, it {way} to {new_mib:.1} MiB"
        ));
        self.findings.push(finding);
    }

    /// The number of findings of some kinds.
    pub fn count(&self, kinds: &[FindingKind]) -> usize {
        self.findings.iter().filter(|finding| kinds.contains(&finding.kind)).count()
    }

    /// The verdict of the gate.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.kind.verdict()).min().unwrap_or(Verdict::Good)
    }
}

/// The median peak RSS of an end over the runs that went well, in bytes.
fn median_peak(series: &Series<'_>, end: End) -> Option<f64> {
    let well = series.records.iter().filter(|record| record.is_ok());
    let peaks: Vec<f64> =
        well.filter_map(|record| Some(record.end(end)?.memory.peak_rss_bytes? as f64)).collect();
    median(&peaks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{run, runs, with_peak};

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
    fn each_end_is_held_against_its_most_exact_ceiling() {
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
    fn peaks_outside_the_band_drift_in_both_directions() {
        let base = runs("h2", &[1.0]);
        let of = |mib: u64| {
            let now = [with_peak(run("h2"), End::Sender, mib << 20)];
            let band = Band::Percent(10.0);
            Gate::of(&now, &ceilings("ceiling = []\n"), Some((&base, band))).count(&[FindingKind::Drifted])
        };
        assert_eq!([of(6), of(8), of(10)], [1, 0, 1]);
    }
}
