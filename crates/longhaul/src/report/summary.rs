//! Derives one row a case from its rounds.

use serde::Serialize;
use transport::Features;

use super::sample::{EndSample, Sample};
use crate::{
    distinct::distinct,
    record::{CaseRecord, End, Fault},
};

/// All cases, in the order in which they ran.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(super) rows: Vec<Row>,
}

/// One case over its rounds.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) case: CaseRecord,
    /// In bytes per second.
    pub(super) goodput: Option<Spread>,
    /// Goodput over the baseline's, of the rounds' ratios.
    pub(super) of_baseline: Option<(Spread, &'static str)>,
    /// The highest of all rounds.
    pub(super) sender_rss: Option<u64>,
    pub(super) receiver_rss: Option<u64>,
    /// Medians.
    pub(super) sender_cpu: Option<f64>,
    pub(super) receiver_cpu: Option<f64>,
    pub(super) runs: usize,
    pub(super) faults: Vec<Fault>,
    /// Ends that grew past their budget: by how much, and what it was.
    pub(super) over: Vec<(End, u64, u64)>,
}

/// A figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.collect();
        Some(Self {
            median: median(values.iter().copied())?,
            least: values.iter().copied().min_by(f64::total_cmp)?,
            most: values.iter().copied().max_by(f64::total_cmp)?,
        })
    }
}

impl Summary {
    /// Of all samples of a session.
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let names = distinct(samples.iter().map(|sample| sample.case.name.as_str()));
        Self { rows: names.into_iter().filter_map(|name| Row::of(name, samples)).collect() }
    }

    /// The median goodput of all sizes of a case, in bytes per second.
    pub(crate) fn goodput_of(&self, series: &str) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.case.series() == series);
        median(rows.filter_map(|row| Some(row.goodput?.median)))
    }

    /// What went wrong in each run that failed.
    pub(crate) fn faults(&self) -> Vec<String> {
        let told = |row: &Row, fault: &Fault| format!("{}: {}", row.case.name, fault.message);
        self.rows.iter().flat_map(|row| row.faults.iter().map(move |fault| told(row, fault))).collect()
    }
}

impl Row {
    fn of(name: &str, samples: &[Sample]) -> Option<Self> {
        let mine: Vec<&Sample> = samples.iter().filter(|sample| sample.case.name == name).collect();
        let case = mine.first()?.case.clone();
        let highest = |end: fn(&Sample) -> EndSample| mine.iter().filter_map(|s| end(s).peak_rss).max();
        let cpu = |end: fn(&Sample) -> EndSample| median(mine.iter().filter_map(|s| end(s).cpu_s_per_gib));
        Some(Self {
            goodput: Spread::of(mine.iter().filter_map(|sample| sample.goodput)),
            of_baseline: of_baseline(&case, &mine, samples),
            sender_rss: highest(|sample| sample.sender),
            receiver_rss: highest(|sample| sample.receiver),
            sender_cpu: cpu(|sample| sample.sender),
            receiver_cpu: cpu(|sample| sample.receiver),
            runs: mine.len(),
            over: mine.iter().flat_map(|sample| over(sample)).collect(),
            faults: mine.iter().filter_map(|sample| sample.fault.clone()).collect(),
            case,
        })
    }
}

/// The ends of a run that grew past their budget.
fn over(sample: &Sample) -> impl Iterator<Item = (End, u64, u64)> {
    let ends = [(End::Sender, sample.sender.over), (End::Receiver, sample.receiver.over)];
    ends.into_iter().filter_map(|(end, over)| over.map(|(growth, budget)| (end, growth, budget)))
}

/// The goodput of `mine` over that of the baseline row in the same round, where both are there.
fn of_baseline(case: &CaseRecord, mine: &[&Sample], all: &[Sample]) -> Option<(Spread, &'static str)> {
    let Features { baseline, .. } = transport::by_name(&case.protocol)?.features();
    let baseline = baseline?;
    let ratios = mine.iter().filter_map(|sample| {
        let other = all.iter().find(|other| {
            other.case.protocol == baseline
                && other.round == sample.round
                && is_same_but_protocol(case, &other.case)
        })?;
        Some(sample.goodput? / other.goodput?)
    });
    Some((Spread::of(ratios)?, baseline))
}

/// Whether two cases ask for the same transfer. Limits are left out: protocols have different ones.
fn is_same_but_protocol(a: &CaseRecord, b: &CaseRecord) -> bool {
    let key = |case: &CaseRecord| {
        let sizes = (case.chunk_bytes, case.body_bytes, case.connections, case.streams);
        (case.direction, sizes, case.payload.clone(), case.sink.clone(), case.reader_rate_bytes_per_s)
    };
    key(a) == key(b)
}

/// The middle value; the mean of the two middle ones of an even number.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{case::tests::plain, record::FaultKind};

    pub(in crate::report) fn sample(protocol: &str, round: u32, goodput: f64, peak: u64) -> Sample {
        let end = EndSample { peak_rss: Some(peak), cpu_s_per_gib: Some(0.25), over: None };
        Sample {
            case: CaseRecord::from(&plain(protocol)),
            round,
            fault: None,
            goodput: Some(goodput),
            sender: end,
            receiver: end,
        }
    }

    #[test]
    fn a_row_is_the_median_goodput_and_the_highest_peak() {
        let samples = [sample("h2", 0, 3.0, 10), sample("h2", 1, 1.0, 30), sample("h2", 2, 2.0, 20)];
        let rows = Summary::of(&samples).rows;
        let goodput = Spread { median: 2.0, least: 1.0, most: 3.0 };
        assert_eq!((rows[0].goodput, rows[0].sender_rss, rows[0].runs), (Some(goodput), Some(30), 3));
        assert_eq!(rows[0].of_baseline, None);
    }

    #[test]
    fn the_ratio_to_the_baseline_is_taken_round_by_round() {
        // The machine halves its speed in the second round; the ratio stays.
        let mut samples = vec![sample("tcp", 0, 10.0, 1), sample("h2c", 0, 8.0, 1)];
        samples.extend([sample("tcp", 1, 5.0, 1), sample("h2c", 1, 4.0, 1)]);
        let ratio = Spread { median: 0.8, least: 0.8, most: 0.8 };
        assert_eq!(Summary::of(&samples).rows[1].of_baseline, Some((ratio, "tcp")));
    }

    #[test]
    fn a_failed_run_lends_no_goodput() {
        let mut samples = vec![sample("h2", 0, 3.0, 10), sample("h2", 1, 9.0, 10)];
        samples[1].fault = Some(Fault { kind: FaultKind::Timeout, message: String::new(), end: None });
        samples[1].goodput = None;
        let rows = Summary::of(&samples).rows;
        assert_eq!((rows[0].goodput.map(|goodput| goodput.median), rows[0].faults.len()), (Some(3.0), 1));
    }

    #[test]
    fn the_median_of_an_even_number_is_between() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}
