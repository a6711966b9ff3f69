//! The data of the page about cases: the figures of each case over its runs. A missing figure is null in the page.

use record::{Case, End, EndRecord, FrameSizes, Latency, Record, Throughput};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use stats::Spread;

use super::{
    super::{Report, framing::Pieces, merged::Merged, programs},
    timeline::{Sample, thinned},
};
use crate::{BaselineRatio, Calm, EndRow, FindingKind, Limitation, Rank, Row, Untuned};

#[derive(Serialize)]
pub(super) struct CaseData<'a> {
    #[serde(flatten)]
    case: &'a Case,
    /// The name of the series: the name of the case, with label and peer, or with the programs of both ends.
    series: String,
    /// The program in the place of one end; null if both are longhaul's. Charts leave such cases out.
    peer: Option<&'a str>,
    /// The part of the name with the axes that are not at their defaults.
    variant: String,
    /// The axes that the cases of a chart have in common; see [`setups`](crate::formats::setups::setups).
    setup: String,
    runs: usize,
    failed: usize,
    verdict: CaseVerdict,
    rank: Option<Rank>,
    #[serde(serialize_with = "spread")]
    goodput_bytes_per_s: Option<Spread>,
    /// The goodput of each successful run, in bytes per second.
    rounds: Vec<f64>,
    /// True if memory grows on purpose. Charts leave such cases out.
    is_control: bool,
    /// The number of disturbed runs, and the goodput without them; null if no run was disturbed.
    calm: Option<CalmData>,
    of_baseline: Option<OfBaseline>,
    of_ceiling: Option<OfBaseline>,
    /// The cause that limited goodput; null if no record states one.
    limited_by: Option<LimitData>,
    /// The pieces that reached the receiver; empty if they were not observed.
    framing: Vec<PiecesData>,
    sender: Option<EndData>,
    receiver: Option<EndData>,
}

/// The pieces of one kind, with their sizes in bytes.
#[derive(Serialize)]
struct PiecesData {
    kind: &'static str,
    count: u64,
    min: u64,
    p50: u64,
    max: u64,
    body_per_piece: f64,
}

impl PiecesData {
    fn of(Pieces { kind, sizes, body_per_piece }: Pieces) -> Self {
        let FrameSizes { count, min, p50, max, .. } = sizes;
        Self { kind: kind.name, count, min, p50, max, body_per_piece }
    }
}

#[derive(Serialize)]
struct LimitData {
    cause: &'static str,
    evidence: String,
}

impl LimitData {
    fn of(limit: &Limitation<'_>) -> Self {
        let parts = [Some(limit.typical.evidence.clone()), limit.remark()];
        let evidence = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        Self { cause: limit.typical.cause.name(), evidence }
    }
}

#[derive(Serialize)]
struct CalmData {
    disturbed: usize,
    #[serde(serialize_with = "spread")]
    goodput_bytes_per_s: Option<Spread>,
}

impl CalmData {
    fn of(calm: Calm) -> Self {
        Self { disturbed: calm.disturbed, goodput_bytes_per_s: calm.goodput }
    }
}

/// A row that is not tuned, with its ratio to the tuned row.
#[derive(Serialize)]
pub(super) struct UntunedData<'a> {
    case: &'a str,
    variant: &'a str,
    tuned_bytes_per_s: f64,
    goodput_bytes_per_s: f64,
    #[serde(serialize_with = "spread")]
    of_tuned: Option<Spread>,
    in_turns: bool,
}

impl<'a> UntunedData<'a> {
    pub(super) fn of(row: &'a Untuned) -> Self {
        Self {
            case: &row.case,
            variant: &row.variant,
            tuned_bytes_per_s: row.tuned_bytes_per_s,
            goodput_bytes_per_s: row.goodput_bytes_per_s,
            of_tuned: Some(row.of_tuned),
            in_turns: row.in_turns,
        }
    }
}

/// The verdict on a case, as a keyword and in words. The keyword is `ok`, `control`, or the kind of the worst finding.
#[derive(Serialize)]
struct CaseVerdict {
    kind: CaseVerdictKind,
    text: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CaseVerdictKind {
    Word(&'static str),
    Finding(FindingKind),
}

struct OfBaseline {
    baseline: String,
    ratio: Spread,
}

impl OfBaseline {
    fn of(of: &BaselineRatio) -> Self {
        Self { baseline: of.baseline.to_string(), ratio: of.ratio }
    }
}

impl Serialize for OfBaseline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut state = serializer.serialize_struct("OfBaseline", 6)?;
        state.serialize_field("baseline", &self.baseline)?;
        spread_fields(&self.ratio, &mut state)?;
        state.end()
    }
}

fn spread_fields<S: serde::ser::SerializeStruct>(spread: &Spread, state: &mut S) -> Result<(), S::Error> {
    state.serialize_field("median", &spread.median)?;
    state.serialize_field("least", &spread.least)?;
    state.serialize_field("most", &spread.most)?;
    // The ends of the interval of 95 % of the median.
    state.serialize_field("low", &spread.interval.map(|interval| interval.low))?;
    state.serialize_field("high", &spread.interval.map(|interval| interval.high))
}

fn spread<S: Serializer>(spread: &Option<Spread>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(spread) = spread else { return serializer.serialize_none() };
    let mut state = serializer.serialize_struct("Spread", 5)?;
    spread_fields(spread, &mut state)?;
    state.end()
}

/// One end over all runs of a case. The timeline is from the run with the median goodput, and so are distributions if
/// those of all runs cannot be added up.
#[derive(Serialize)]
struct EndData {
    /// The median over the runs.
    peak_rss_bytes: Option<f64>,
    #[serde(serialize_with = "spread")]
    peak_rss_spread: Option<Spread>,
    baseline_rss_bytes: Option<f64>,
    /// The baseline plus the budget.
    allowed_rss_bytes: Option<u64>,
    ceiling_rss_bytes: Option<u64>,
    /// The share of the budget that was used; 1 is the whole budget.
    budget_use: Option<f64>,
    /// `allowed_rss_bytes` less the highest peak; negative if the peak is higher.
    room_bytes: Option<i64>,
    socket_peak_bytes: Option<u64>,
    cpu_s_per_gib: Option<f64>,
    /// The processor time of each run.
    cpu_rounds: Vec<f64>,
    throughput: Option<Throughput>,
    /// The p1, p5, p50, p95 and the maximum of the throughput of each run.
    throughput_rounds: Vec<[u64; 5]>,
    /// The longest silence in any run, in seconds.
    longest_silence_s: Option<f64>,
    pull_wait: Option<Latency>,
    /// The p50, p99, p99.9 and the maximum of the waits of each run.
    pull_wait_rounds: Vec<[u64; 4]>,
    timeline: Vec<Sample>,
}

impl<'a> CaseData<'a> {
    /// Derives the data of a row. A timeline has at most `samples` samples.
    pub(super) fn of(report: &Report<'a>, row: &'a Row<'a>, setup: String, samples: usize) -> Self {
        let worst = report.analysis.worst_of(row);
        let verdict = match worst {
            Some(kind) => CaseVerdict { kind: CaseVerdictKind::Finding(kind), text: kind.word() },
            None if row.is_control => CaseVerdict { kind: CaseVerdictKind::Word("control"), text: "control" },
            None => CaseVerdict { kind: CaseVerdictKind::Word("ok"), text: "ok" },
        };
        let end = |end| EndData::of(report, row, end, samples);
        Self {
            case: row.case,
            series: programs::name(row).join(" ").trim_end().to_owned(),
            peer: row.peer_end().and(row.key.peer.as_deref()),
            variant: row.key.case.variant(),
            setup,
            runs: row.records.len(),
            failed: row.faults.len(),
            verdict,
            rank: row.rank,
            goodput_bytes_per_s: row.goodput,
            rounds: goodputs(row),
            is_control: row.is_control,
            calm: row.calm.map(CalmData::of),
            of_baseline: row.of_baseline.as_ref().map(OfBaseline::of),
            of_ceiling: row.of_ceiling.as_ref().map(OfBaseline::of),
            limited_by: row.limited_by.as_ref().map(LimitData::of),
            framing: Pieces::of(row).into_iter().map(PiecesData::of).collect(),
            sender: end(End::Sender),
            receiver: end(End::Receiver),
        }
    }
}

impl EndData {
    fn of(report: &Report<'_>, row: &Row<'_>, end: End, samples: usize) -> Option<Self> {
        let figures: EndRow<'_> = row.ends[end];
        let typical = figures.typical?;
        let ends: Vec<&EndRecord> =
            row.records.iter().filter(|run| run.is_ok()).filter_map(|run| run.end(end)).collect();
        let Merged { throughput, pull_wait } = Merged::of(row, end);
        let rates = ends.iter().filter_map(|end| end.throughput.as_ref());
        let waits = ends.iter().filter_map(|end| end.pull_wait());
        let room =
            |(allowed, peak): (u64, u64)| Some(i64::try_from(allowed).ok()? - i64::try_from(peak).ok()?);
        Some(Self {
            peak_rss_bytes: figures.peak_rss.map(|peak| peak.median),
            peak_rss_spread: figures.peak_rss,
            baseline_rss_bytes: figures.baseline_rss,
            allowed_rss_bytes: figures.allowed_rss,
            ceiling_rss_bytes: report.ceilings.and_then(|ceilings| ceilings.peak_rss(row.case, end)),
            budget_use: figures.budget_use,
            room_bytes: figures.allowed_rss.zip(figures.peak_rss.map(|peak| peak.most as u64)).and_then(room),
            socket_peak_bytes: figures.socket_peak,
            cpu_s_per_gib: figures.cpu_s_per_gib,
            cpu_rounds: ends.iter().filter_map(|end| end.cpu.s_per_gib).map(rounded).collect(),
            throughput_rounds: rates
                .map(|rates| [rates.p1, rates.p5, rates.p50, rates.p95, rates.max])
                .collect(),
            throughput: throughput.map(|throughput| Throughput { hdr: None, ..throughput }),
            longest_silence_s: ends.iter().filter_map(|end| end.longest_silence_s).reduce(f64::max),
            pull_wait_rounds: waits.map(|wait| [wait.p50, wait.p99, wait.p999, wait.max]).collect(),
            pull_wait: pull_wait.map(|wait| Latency { hdr: None, ..wait }),
            timeline: thinned(&typical.memory.timeline, samples),
        })
    }
}

fn goodputs(row: &Row<'_>) -> Vec<f64> {
    let well = row.records.iter().filter(|record| record.is_ok());
    well.filter_map(|record: &&Record| record.goodput_bytes_per_s).map(f64::round).collect()
}

/// Rounds a figure to five significant digits, so that the page stays small.
pub(super) fn rounded(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return figure;
    }
    let digits = 4 - figure.abs().log10().floor() as i32;
    let scale = 10_f64.powi(digits);
    (figure * scale).round() / scale
}
