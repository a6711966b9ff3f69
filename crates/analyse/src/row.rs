//! The rows of tables: one row per series, derived from the records of all rounds.

use record::{ByEnd, Case, End, EndRecord, Fault, FaultKind, ProtocolFacts, Record, Subject};
use stats::{Interval, Spread, median};

use crate::{
    BaselineRatio, Calm, Figure, Finding, FindingKind, Limitation, Rank, Series, SeriesKey,
    baseline::Baselines, ends::judged_ends, series::is_control,
};

/// The figures of one series over all of its rounds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row<'a> {
    /// The identity of the series.
    pub key: SeriesKey,
    /// The case of the first record.
    pub case: &'a Case,
    /// The facts about the protocol of the case.
    pub facts: ProtocolFacts,
    /// True if the runs are controls, whose memory behaves in a known way. In most controls, it grows.
    pub is_control: bool,
    /// The records of the series, in their order.
    pub records: Vec<&'a Record>,
    /// The goodput over the successful runs, in bytes per second; `None` without any.
    pub goodput: Option<Spread>,
    /// The goodput relative to the baseline, a plain loop without HTTP; `None` without pairs of runs.
    pub of_baseline: Option<BaselineRatio>,
    /// The goodput relative to the ceiling, a plain loop in system calls of the carrier's best size; `None` without
    /// pairs of runs.
    pub of_ceiling: Option<BaselineRatio>,
    /// The figures of both ends over the rounds.
    pub ends: ByEnd<EndRow<'a>>,
    /// The most frequent cause that limited goodput; `None` if no record states a cause.
    pub limited_by: Option<Limitation<'a>>,
    /// The failures of the failed runs.
    pub faults: Vec<&'a Fault>,
    /// The goodput without disturbed runs; `None` if no run was disturbed.
    pub calm: Option<Calm>,
    /// The rank of the row among the rows that move the same bodies; `None` unless the row is significantly the fastest
    /// or the slowest.
    pub rank: Option<Rank>,
}

/// The figures of one end over the rounds of a series. A figure that is unknown is `None`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EndRow<'a> {
    /// The peak RSS over the rounds, in bytes.
    pub peak_rss: Option<Spread>,
    /// The median baseline RSS, in bytes.
    pub baseline_rss: Option<f64>,
    /// The highest baseline RSS plus its budget, in bytes.
    pub allowed_rss: Option<u64>,
    /// The highest share of the budget that a round used; 1 is the whole budget.
    pub budget_use: Option<f64>,
    /// The most kernel memory in socket queues in any round, in bytes.
    pub socket_peak: Option<u64>,
    /// The median processor time, in seconds per GiB of body.
    pub cpu_s_per_gib: Option<f64>,
    /// The measurements of the run with the median goodput.
    pub typical: Option<&'a EndRecord>,
    /// The largest excess over a budget: growth and budget of that run in bytes, and the number of runs that exceed
    /// their budget.
    over_budget: Option<(u64, u64, usize)>,
}

impl<'a> Row<'a> {
    /// Returns the rows of records. They have the order of the matrix, because runs may be shuffled.
    pub(crate) fn all(records: &'a [Record]) -> Vec<Self> {
        let series = Series::all(records);
        let baselines = Baselines::among(&series, records);
        let rows = series.iter().filter_map(|series| Self::of(series, records, &baselines));
        let mut rows: Vec<Self> = rows.collect();
        rows.sort_by(|a, b| a.place().cmp(&b.place()));
        rows
    }

    /// Returns the place of the row in the order of the matrix, in which protocols vary fastest.
    fn place(&self) -> impl Ord + '_ {
        let SeriesKey { case, label, peer } = &self.key;
        // A program in the place of one end stands beside longhaul's own ends.
        let (elsewhere, beside) = if self.peer_end().is_some() { (&None, peer) } else { (peer, &None) };
        let place = (case.direction, case.body, case.chunk, &case.axes, self.facts.rank());
        (label, elsewhere, place, beside)
    }

    /// Returns the end whose place another program took in `bench --peer`; `None` for all other runs.
    pub(crate) fn peer_end(&self) -> Option<End> {
        self.records.first().and_then(|record| record.peer_end())
    }

    /// Returns the ends whose memory is judged in any record.
    pub(crate) fn judged_ends(&self) -> Vec<End> {
        let is_judged =
            |end: &End| self.records.iter().any(|record| judged_ends(record).any(|it| it == *end));
        End::ALL.into_iter().filter(is_judged).collect()
    }

    /// Returns whether the row is about the memory of a program under proof, whose buffers have no budget.
    pub(crate) fn is_of_program(&self) -> bool {
        self.subject().is_some() && self.peer_end().is_none()
    }

    /// Returns the role of the program under proof; `None` if both ends are longhaul's own.
    pub(crate) fn subject(&self) -> Option<Subject> {
        self.records.first().and_then(|record| record.subject)
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
            calm: Calm::of(&series.records),
            of_baseline: baselines.of_baseline(series),
            of_ceiling: baselines.of_ceiling(series),
            ends: ByEnd::from_fn(|end| EndRow::of(&series.records, end)),
            limited_by: Limitation::of(&series.records),
            faults: series.records.iter().filter_map(|record| record.error.as_ref()).collect(),
            records: series.records.clone(),
            rank: None,
        })
    }

    /// Returns the findings about the row that need no ceilings: failed runs, and exceeded budgets except those of
    /// controls.
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

    /// Returns a finding if the row is faster than its ceiling, according to the whole interval of the ratio.
    pub(crate) fn beats_ceiling(&self) -> Option<Finding> {
        let of = self.of_ceiling.as_ref()?;
        let Interval { low, high } = of.ratio.interval.filter(|interval| interval.low > AT_CEILING)?;
        let mut finding = Finding::new(FindingKind::BeatsCeiling, &self.key);
        let (ceiling, median) = (&of.baseline, of.ratio.median);
        finding.detail = Some(format!(
            "is faster than its ceiling, which is therefore too low: {median:.2} [{low:.2}, {high:.2}] of {ceiling}"
        ));
        Some(finding)
    }

    /// Returns a remark on the number of runs that a figure concerns; `None` if there is a single run.
    pub(crate) fn rounds(&self, concerned: usize) -> Option<String> {
        let runs = self.records.len();
        (runs > 1).then(|| format!(" in {concerned} of {runs} runs"))
    }
}

/// The largest ratio of a row that is as fast as its ceiling. Two rows of equal speed may differ by this much.
const AT_CEILING: f64 = 1.02;

impl<'a> EndRow<'a> {
    fn of(records: &[&'a Record], end: End) -> Self {
        let ends: Vec<&EndRecord> = records.iter().filter_map(|record| record.end(end)).collect();
        let memory = || ends.iter().map(|end| &end.memory);
        let baselines: Vec<f64> =
            memory().filter_map(|memory| memory.baseline_rss_bytes.map(|bytes| bytes as f64)).collect();
        let peaks: Vec<f64> =
            memory().filter_map(|memory| memory.peak_rss_bytes.map(|bytes| bytes as f64)).collect();
        let cpu: Vec<f64> = ends.iter().filter_map(|end| end.cpu.s_per_gib).collect();
        let share = |(growth, budget): (u64, u64)| growth as f64 / budget as f64;
        let over: Vec<(u64, u64)> = memory().filter_map(record::MemoryRecord::over_budget).collect();
        Self {
            peak_rss: Spread::of(&peaks),
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

/// Returns the measurements of an end in the successful run with the median goodput, or else in the first run that has
/// any.
fn typical<'a>(records: &[&'a Record], end: End) -> Option<&'a EndRecord> {
    let mut well: Vec<&&Record> = records.iter().filter(|record| record.is_ok()).collect();
    well.sort_by(|a, b| {
        a.goodput_bytes_per_s.unwrap_or(0.0).total_cmp(&b.goodput_bytes_per_s.unwrap_or(0.0))
    });
    let chosen = well.get(well.len() / 2).and_then(|record| record.end(end));
    chosen.or_else(|| records.iter().find_map(|record| record.end(end)))
}

#[cfg(test)]
mod tests {
    use record::Direction;

    use super::*;
    use crate::{
        Analysis,
        tests::{failed, run, runs, with, with_peak},
    };

    #[test]
    fn a_row_has_the_medians_of_goodput_and_peak_with_their_ranges() {
        let records: Vec<Record> = [(3.0, 10), (1.0, 30), (2.0, 20)]
            .into_iter()
            .map(|(goodput, mib)| {
                let record = with(run("h2"), |record| record.goodput_bytes_per_s = Some(goodput));
                with_peak(record, End::Sender, mib << 20)
            })
            .collect();
        let row = &Analysis::of(&records).rows[0];
        assert_eq!(row.goodput, Some(Spread { median: 2.0, least: 1.0, most: 3.0, interval: None }));
        let mib = f64::from(1 << 20);
        let peak = Spread { median: 20.0 * mib, least: 10.0 * mib, most: 30.0 * mib, interval: None };
        assert_eq!((row.ends.sender.peak_rss, row.records.len()), (Some(peak), 3));
        assert_eq!(row.ends.sender.budget_use, Some(23.0 / 4.0));
        assert_eq!(row.of_baseline, None);
    }

    #[test]
    fn rows_have_the_order_of_the_matrix_though_runs_are_shuffled() {
        let of = |protocol: &str, chunk: u64, direction: Direction| {
            with(run(protocol), |record| {
                (record.case.chunk, record.case.direction) = (chunk.try_into().unwrap(), direction);
            })
        };
        let (up, down) = (Direction::Up, Direction::Down);
        let shuffled = [
            of("h3", 64, up),
            of("h1c", 1024, up),
            of("tcp", 64, down),
            of("h2c", 64, up),
            of("tcp", 64, up),
        ];
        let rows = Analysis::of(&shuffled).rows;
        let names: Vec<_> = rows.iter().map(|row| row.key.to_string()).collect();
        assert_eq!(
            names,
            ["tcp/up/64B/2GiB", "h2c/up/64B/2GiB", "h3/up/64B/2GiB", "h1c/up/1KiB/2GiB", "tcp/down/64B/2GiB"]
        );
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
    fn a_row_that_is_faster_than_its_ceiling_beyond_chance_is_a_finding() {
        let above = |share: f64| {
            let goodputs = [9.0, 9.5, 10.0, 10.5, 11.0, 11.5];
            let row = runs("h1c", &goodputs.map(|goodput| share * goodput));
            let records = [runs("tcp-ceiling", &goodputs), row].concat();
            let analysis = Analysis::of(&records);
            (analysis.findings.len(), analysis.verdict(), analysis.sentence())
        };
        let well = "Every run ended well, and every end kept within its memory budget.";
        let none = (0, crate::Verdict::Good, well.to_owned());
        assert_eq!([1.0, 1.02].map(above), [none.clone(), none]);
        let sentence = format!("{well} 1 row is faster than its ceiling.");
        assert_eq!(above(1.03), (1, crate::Verdict::Good, sentence));
    }
}
