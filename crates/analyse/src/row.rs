//! One row per series, derived from its rounds.

use record::{ByEnd, Case, Direction, End, EndRecord, Fault, FaultKind, ProtocolFacts, Record};
use stats::{Spread, median};

use crate::{
    BaselineRatio, Figure, Finding, FindingKind, Series, SeriesKey, baseline::Baselines, machines,
    series::is_control,
};

/// One series over its rounds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row<'a> {
    /// The identity.
    pub key: SeriesKey,
    /// The case.
    pub case: &'a Case,
    /// The facts about the protocol.
    pub facts: ProtocolFacts,
    /// Whether an end grows on purpose.
    pub is_control: bool,
    /// The records, in their order.
    pub records: Vec<&'a Record>,
    /// Goodput over the runs that went well, in bytes per second.
    pub goodput: Option<Spread>,
    /// Goodput relative to the baseline.
    pub of_baseline: Option<BaselineRatio>,
    /// The figures of both ends.
    pub ends: ByEnd<EndRow<'a>>,
    /// The failures.
    pub faults: Vec<&'a Fault>,
    /// The row's place among the rows of its direction, if it is the first or the last.
    pub rank: Option<Rank>,
}

/// One end over the rounds of a series.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EndRow<'a> {
    /// The highest peak RSS of all rounds, in bytes.
    pub peak_rss: Option<u64>,
    /// The median baseline RSS, in bytes.
    pub baseline_rss: Option<f64>,
    /// The highest baseline RSS with its budget, in bytes.
    pub allowed_rss: Option<u64>,
    /// The highest share of the budget that a round used: 1 is all of it.
    pub budget_use: Option<f64>,
    /// The most kernel memory in socket queues, in bytes.
    pub socket_peak: Option<u64>,
    /// The median processor time, in seconds per GiB of body.
    pub cpu_s_per_gib: Option<f64>,
    /// The measurements of the round with the median goodput.
    pub typical: Option<&'a EndRecord>,
    /// The round with the largest excess over its budget: growth and budget in bytes, and the number of rounds over it.
    over_budget: Option<(u64, u64, usize)>,
}

/// The first or the last place among the HTTP rows of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// The highest goodput.
    Fastest,
    /// The lowest goodput.
    Slowest,
}

impl<'a> Row<'a> {
    /// The rows of some records, in the order of their first appearance.
    pub(crate) fn all(records: &'a [Record]) -> Vec<Self> {
        let series = Series::all(records);
        let baselines = Baselines::among(&series, records);
        series.iter().filter_map(|series| Self::of(series, records, &baselines)).collect()
    }

    fn of(series: &Series<'a>, all: &[Record], baselines: &Baselines<'_, 'a>) -> Option<Self> {
        let first = *series.records.first()?;
        let well = series.records.iter().filter(|record| record.is_ok());
        let goodputs: Vec<f64> = well.filter_map(|record| record.goodput_bytes_per_s).collect();
        Some(Self {
            key: series.key.clone(),
            case: &first.case,
            facts: first.facts(),
            is_control: is_control(first, all),
            goodput: Spread::of(&goodputs),
            of_baseline: baselines.ratio(series),
            ends: ByEnd::from_fn(|end| EndRow::of(&series.records, end)),
            faults: series.records.iter().filter_map(|record| record.error.as_ref()).collect(),
            records: series.records.clone(),
            rank: None,
        })
    }

    /// The findings about the row without ceilings: failed runs, and ends over their budgets unless they grow on
    /// purpose.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let faults = self.faults.iter().map(|fault| {
            let kind = if fault.kind == FaultKind::Integrity {
                FindingKind::WrongBytes
            } else {
                FindingKind::Failed
            };
            let mut finding = Finding::new(kind, &self.key);
            (finding.end, finding.detail) = (fault.end, Some(fault.message.clone()));
            finding
        });
        let budgets = self.ends.iter().filter(|_| !self.is_control).filter_map(|(end, row)| {
            let (growth, budget, rounds) = row.over_budget?;
            let mut finding = Finding::new(FindingKind::OverBudget, &self.key);
            finding.end = Some(end);
            (finding.measured, finding.expected) = (Some(Figure::bytes(growth)), Some(Figure::bytes(budget)));
            finding.detail = self.rounds(rounds);
            Some(finding)
        });
        faults.chain(budgets).collect()
    }

    /// A remark on the number of runs that a figure concerns, if there are several runs.
    pub(crate) fn rounds(&self, concerned: usize) -> Option<String> {
        let runs = self.records.len();
        (runs > 1).then(|| format!(" in {concerned} of {runs} runs"))
    }
}

impl<'a> EndRow<'a> {
    fn of(records: &[&'a Record], end: End) -> Self {
        let ends: Vec<&EndRecord> = records.iter().filter_map(|record| record.end(end)).collect();
        let memory = || ends.iter().map(|end| &end.memory);
        let baselines: Vec<f64> =
            memory().filter_map(|memory| memory.baseline_rss_bytes.map(|bytes| bytes as f64)).collect();
        let cpu: Vec<f64> = ends.iter().filter_map(|end| end.cpu.s_per_gib).collect();
        let share = |(growth, budget): (u64, u64)| growth as f64 / budget as f64;
        let over: Vec<(u64, u64)> = memory().filter_map(record::MemoryRecord::over_budget).collect();
        Self {
            peak_rss: memory().filter_map(|memory| memory.peak_rss_bytes).max(),
            baseline_rss: median(&baselines),
            allowed_rss: memory()
                .filter_map(|memory| memory.baseline_rss_bytes?.checked_add(memory.budget_bytes?))
                .max(),
            budget_use: memory()
                .filter_map(|memory| Some(share((memory.growth()?, memory.budget_bytes?))))
                .max_by(f64::total_cmp),
            socket_peak: memory().filter_map(|memory| memory.socket_peak_bytes).max(),
            cpu_s_per_gib: median(&cpu),
            typical: typical(records, end),
            over_budget: over
                .iter()
                .max_by(|a, b| share(**a).total_cmp(&share(**b)))
                .map(|(growth, budget)| (*growth, *budget, over.len())),
        }
    }
}

/// The end in the run with the median goodput, or in any run if all failed.
fn typical<'a>(records: &[&'a Record], end: End) -> Option<&'a EndRecord> {
    let mut well: Vec<&&Record> = records.iter().filter(|record| record.is_ok()).collect();
    well.sort_by(|a, b| {
        a.goodput_bytes_per_s.unwrap_or(0.0).total_cmp(&b.goodput_bytes_per_s.unwrap_or(0.0))
    });
    let chosen = well.get(well.len() / 2).and_then(|record| record.end(end));
    chosen.or_else(|| records.iter().find_map(|record| record.end(end)))
}

/// Gives the first and the last place of each direction to HTTP rows without findings. Rows of several machines have no
/// places.
pub(crate) fn rank(rows: &mut [Row<'_>], findings: &[Finding]) {
    if !machines::is_one(rows.iter().flat_map(|row| row.records.iter().copied())) {
        return;
    }
    let troubled: std::collections::HashSet<&str> =
        findings.iter().map(|finding| finding.case.as_str()).collect();
    for direction in Direction::ALL {
        let rival = |row: &Row<'_>| {
            let competes = row.case.direction == direction && row.facts.http.is_some() && !row.is_control;
            row.goodput.filter(|_| competes && !troubled.contains(row.key.to_string().as_str()))
        };
        let mut rivals: Vec<(usize, f64)> =
            rows.iter().enumerate().filter_map(|(index, row)| Some((index, rival(row)?.median))).collect();
        rivals.sort_by(|a, b| a.1.total_cmp(&b.1));
        if let [slowest, .., fastest] = rivals.as_slice() {
            rows[slowest.0].rank = Some(Rank::Slowest);
            rows[fastest.0].rank = Some(Rank::Fastest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Analysis,
        tests::{bad_day, failed, run, runs, with, with_peak},
    };

    #[test]
    fn a_row_has_the_median_goodput_and_the_highest_peak() {
        let records: Vec<Record> = [(3.0, 10), (1.0, 30), (2.0, 20)]
            .into_iter()
            .map(|(goodput, mib)| {
                let record = with(run("h2"), |record| record.goodput_bytes_per_s = Some(goodput));
                with_peak(record, End::Sender, mib << 20)
            })
            .collect();
        let row = &Analysis::of(&records).rows[0];
        assert_eq!(row.goodput, Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!((row.ends.sender.peak_rss, row.records.len()), (Some(30 << 20), 3));
        assert_eq!(row.ends.sender.budget_use, Some(23.0 / 4.0));
        assert_eq!(row.of_baseline, None);
    }

    #[test]
    fn a_failed_run_has_no_goodput() {
        let mut records = runs("h2", &[3.0, 9.0]);
        records[1] = with(failed("h2", FaultKind::Timeout), |record| record.goodput_bytes_per_s = Some(1e9));
        let row = &Analysis::of(&records).rows[0];
        assert_eq!(row.goodput.map(|goodput| goodput.median), Some(3.0 * f64::from(1 << 20)));
        assert_eq!(row.faults.len(), 1);
    }

    #[test]
    fn places_are_for_http_rows_without_findings() {
        let mut records =
            [runs("tcp", &[9.0]), runs("h1c", &[5.0]), runs("h2c", &[4.0]), runs("h1", &[3.0])].concat();
        records.extend(bad_day());
        let analysis = Analysis::of(&records);
        let ranks: Vec<_> = analysis.rows.iter().map(|row| (row.case.protocol.as_str(), row.rank)).collect();
        assert_eq!(
            ranks,
            [
                ("tcp", None),
                ("h1c", Some(Rank::Fastest)),
                ("h2c", None),
                ("h1", Some(Rank::Slowest)),
                ("h2", None),
                ("h3", None)
            ]
        );
        records[1].host.name = Some("one".into());
        records[2].host.name = Some("another".into());
        assert!(Analysis::of(&records).rows.iter().all(|row| row.rank.is_none()), "of two machines");
        let alone = runs("h2c", &[4.0]);
        assert_eq!(Analysis::of(&alone).rows[0].rank, None, "without a rival");
    }
}
