//! CSV with one line per case: figures and percentiles over all runs of the case.

use record::{End, Latency, Throughput};
use stats::Spread;

use super::{Format, FormatError, Report, csv::csv_text, merged::Merged};
use crate::{EndRow, Row};

/// The format of `cases.csv`.
pub(super) struct Cases;

impl Format for Cases {
    fn name(&self) -> &'static str {
        "cases"
    }

    fn describe(&self) -> &'static str {
        "cases.csv, one line per case, with figures over all of its runs"
    }

    fn file(&self) -> &'static str {
        "cases.csv"
    }

    fn render(&self, report: &Report<'_>) -> Result<String, FormatError> {
        let names = CASE.iter().map(|(name, _)| *name);
        let end_names = END.iter().map(|(name, _)| *name);
        csv_text(self.file(), names, end_names, report.analysis.rows.iter().map(cells))
    }
}

/// Returns the cells of one case. A figure that could not be taken is an empty cell.
fn cells(row: &Row<'_>) -> Vec<String> {
    let mut cells: Vec<Option<String>> = CASE.iter().map(|(_, cell)| cell(row)).collect();
    for end in End::ALL {
        let of_end = OfEnd { row: row.ends[end], merged: Merged::of(row, end) };
        cells.extend(END.iter().map(|(_, cell)| cell(&of_end)));
    }
    cells.into_iter().map(Option::unwrap_or_default).collect()
}

/// One end of a case, with its distributions over all runs.
struct OfEnd<'a> {
    row: EndRow<'a>,
    merged: Merged,
}

fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

fn of(spread: Option<Spread>, figure: fn(Spread) -> Option<f64>) -> Option<String> {
    figure(spread?).map(|value| value.to_string())
}

fn median(spread: Option<Spread>) -> Option<String> {
    of(spread, |spread| Some(spread.median))
}

fn low(spread: Option<Spread>) -> Option<String> {
    of(spread, |spread| Some(spread.interval?.low))
}

fn high(spread: Option<Spread>) -> Option<String> {
    of(spread, |spread| Some(spread.interval?.high))
}

fn rate(end: &OfEnd<'_>, figure: fn(&Throughput) -> u64) -> Option<String> {
    end.merged.throughput.as_ref().map(|rates| figure(rates).to_string())
}

fn wait(end: &OfEnd<'_>, figure: fn(&Latency) -> u64) -> Option<String> {
    end.merged.pull_wait.as_ref().map(|wait| figure(wait).to_string())
}

type CaseColumn = (&'static str, fn(&Row<'_>) -> Option<String>);

type EndColumn = (&'static str, fn(&OfEnd<'_>) -> Option<String>);

/// The columns of the case. `low` and `high` are the interval of 95 % of the median, which needs six runs.
const CASE: &[CaseColumn] = &[
    ("case", |r| text(&r.key)),
    ("protocol", |r| text(&r.case.protocol)),
    ("direction", |r| text(r.case.direction)),
    ("chunk_bytes", |r| text(r.case.chunk.get())),
    ("body_bytes", |r| text(r.case.body.0)),
    ("runs", |r| text(r.records.len())),
    ("failed", |r| text(r.faults.len())),
    ("disturbed", |r| text(r.calm.map_or(0, |calm| calm.disturbed))),
    ("goodput_bytes_per_s", |r| median(r.goodput)),
    ("goodput_low", |r| low(r.goodput)),
    ("goodput_high", |r| high(r.goodput)),
    ("goodput_least", |r| of(r.goodput, |goodput| Some(goodput.least))),
    ("goodput_most", |r| of(r.goodput, |goodput| Some(goodput.most))),
    ("undisturbed_goodput_bytes_per_s", |r| median(r.calm.map_or(r.goodput, |calm| calm.goodput))),
    ("of_plain_loop", |r| median(r.of_baseline.as_ref().map(|of| of.ratio))),
    ("of_plain_loop_low", |r| low(r.of_baseline.as_ref().map(|of| of.ratio))),
    ("of_plain_loop_high", |r| high(r.of_baseline.as_ref().map(|of| of.ratio))),
    ("of_ceiling", |r| median(r.of_ceiling.as_ref().map(|of| of.ratio))),
    ("of_ceiling_low", |r| low(r.of_ceiling.as_ref().map(|of| of.ratio))),
    ("of_ceiling_high", |r| high(r.of_ceiling.as_ref().map(|of| of.ratio))),
    ("limited_by", |r| r.limited_by.map(|limit| limit.typical.cause.to_string())),
    ("limited_by_evidence", |r| r.limited_by.map(|limit| limit.typical.evidence.clone())),
];

/// The columns of one end. Percentiles are over all runs together.
const END: &[EndColumn] = &[
    ("peak_rss_bytes", |e| median(e.row.peak_rss)),
    ("peak_rss_most", |e| of(e.row.peak_rss, |peak| Some(peak.most))),
    ("baseline_rss_bytes", |e| e.row.baseline_rss.map(|bytes| bytes.to_string())),
    ("budget_use", |e| e.row.budget_use.map(|share| share.to_string())),
    ("socket_peak_bytes", |e| e.row.socket_peak.map(|bytes| bytes.to_string())),
    ("cpu_s_per_gib", |e| e.row.cpu_s_per_gib.map(|time| time.to_string())),
    ("throughput_p1_bytes_per_s", |e| rate(e, |rates| rates.p1)),
    ("throughput_p5_bytes_per_s", |e| rate(e, |rates| rates.p5)),
    ("throughput_p50_bytes_per_s", |e| rate(e, |rates| rates.p50)),
    ("throughput_p95_bytes_per_s", |e| rate(e, |rates| rates.p95)),
    ("pull_wait_p50_ns", |e| wait(e, |wait| wait.p50)),
    ("pull_wait_p99_ns", |e| wait(e, |wait| wait.p99)),
    ("pull_wait_p999_ns", |e| wait(e, |wait| wait.p999)),
    ("pull_wait_max_ns", |e| wait(e, |wait| wait.max)),
];

#[cfg(test)]
mod tests {
    use record::Weight;

    use super::*;
    use crate::{
        Analysis,
        formats::merged::tests::{calm, stalled},
        tests::{runs, with},
    };

    #[test]
    fn percentiles_are_over_all_runs_of_a_case() {
        let rates = [calm(), stalled(), calm()];
        let records: Vec<_> = runs("h2", &[300.0, 100.0, 200.0])
            .into_iter()
            .zip(rates)
            .map(|(record, rates)| {
                with(record, |record| {
                    record.disturbed = Some(record.round == 1);
                    record.receiver.as_mut().unwrap().throughput = Some(rates);
                })
            })
            .collect();
        assert_eq!(calm().weight, Some(Weight::Time));
        let analysis = Analysis::of(&records);
        let text = Cases.render(&Report::new("", &records, &analysis)).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let heads = reader.headers().unwrap().clone();
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let cell = |name: &str| lines[0][heads.iter().position(|head| head == name).unwrap()].to_owned();
        assert_eq!((lines.len(), cell("case"), cell("runs")), (1, "h2/up/64KiB/2GiB".into(), "3".into()));
        let p1: f64 = cell("receiver_throughput_p1_bytes_per_s").parse().unwrap();
        assert!((p1 / 5e6 - 1.0).abs() < 0.002, "the stall of one run is in the sum: {p1}");
        let mib = |name: &str| cell(name).parse::<f64>().unwrap() / f64::from(1 << 20);
        assert_eq!((mib("goodput_bytes_per_s"), mib("undisturbed_goodput_bytes_per_s")), (200.0, 250.0));
        assert_eq!((cell("disturbed"), cell("goodput_low")), ("1".into(), String::new()));
    }
}
