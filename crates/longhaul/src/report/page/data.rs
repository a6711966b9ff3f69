//! What the page is told: figures already derived, nulls where there is none.

use metrics::{Latency, Point, Throughput};
use serde::Serialize;
use transport::Limits;

use crate::{
    build::Build,
    exit::Verdict,
    host::Host,
    record::{CaseRecord, End, EndRecord, Record},
    report::{
        Set, median,
        summary::{Row, Spread},
    },
};

#[derive(Serialize)]
pub(super) struct Data<'a> {
    title: &'a str,
    /// A line each.
    command: Option<String>,
    first_started_at: Option<&'a str>,
    last_started_at: Option<&'a str>,
    verdict: VerdictData,
    findings: Vec<String>,
    notes: Vec<String>,
    machines: Vec<Machine<'a>>,
    cases: Vec<CaseData<'a>>,
}

#[derive(Serialize)]
struct VerdictData {
    /// `good`, `failed`, `memory`, `integrity` or `unclear`.
    kind: &'static str,
    text: String,
}

/// What some of the records were made on and with.
#[derive(Serialize)]
struct Machine<'a> {
    host: &'a Host,
    build: &'a Build,
    limits: &'a Limits,
    records: usize,
}

#[derive(Serialize)]
struct CaseData<'a> {
    #[serde(flatten)]
    case: &'a CaseRecord,
    /// The axes that are not at their defaults.
    variant: &'a str,
    runs: usize,
    failed: usize,
    verdict: &'static str,
    goodput_bytes_per_s: Option<Spread>,
    of_baseline: Option<OfBaseline>,
    sender: Option<EndData<'a>>,
    receiver: Option<EndData<'a>>,
}

#[derive(Serialize)]
struct OfBaseline {
    baseline: &'static str,
    #[serde(flatten)]
    ratio: Spread,
}

/// One end over all runs of a case; distributions and timeline are of the run with the median goodput.
#[derive(Serialize)]
struct EndData<'a> {
    peak_rss_bytes: Option<u64>,
    baseline_rss_bytes: Option<f64>,
    /// Baseline and budget.
    allowed_rss_bytes: Option<u64>,
    ceiling_rss_bytes: Option<u64>,
    socket_peak_bytes: Option<u64>,
    cpu_s_per_gib: Option<f64>,
    throughput: Option<ThroughputData>,
    chunk_latency: Option<LatencyData>,
    timeline: &'a [Point],
}

#[derive(Serialize)]
struct ThroughputData {
    window_bytes: u64,
    min: u64,
    p1: u64,
    p5: u64,
    p50: u64,
    p95: u64,
    max: u64,
}

/// In nanoseconds.
#[derive(Serialize)]
struct LatencyData {
    p50: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

impl<'a> Data<'a> {
    pub(super) fn of(set: &'a Set<'a>) -> Self {
        let commands = set.commands();
        Self {
            title: set.title,
            command: (!commands.is_empty()).then(|| commands.join("\n")),
            first_started_at: set.records.iter().map(|record| record.started_at.as_str()).min(),
            last_started_at: set.records.iter().map(|record| record.started_at.as_str()).max(),
            verdict: VerdictData { kind: kind(set.amount()), text: set.verdict() },
            findings: set.findings.iter().map(ToString::to_string).collect(),
            notes: set.notes(),
            machines: machines(set.records),
            cases: set.summary.rows.iter().map(|row| CaseData::of(set, row)).collect(),
        }
    }
}

fn kind(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::IntegrityFailed => "integrity",
        Verdict::MemoryOver => "memory",
        Verdict::Inconclusive => "unclear",
        Verdict::Interrupted | Verdict::RunFailed | Verdict::Slower => "failed",
    }
}

fn machines(records: &[Record]) -> Vec<Machine<'_>> {
    let mut machines: Vec<Machine> = Vec::new();
    for Record { host, build, limits, .. } in records {
        let made = (host, build, limits);
        match machines.iter_mut().find(|machine| (machine.host, machine.build, machine.limits) == made) {
            Some(machine) => machine.records += 1,
            None => machines.push(Machine { host, build, limits, records: 1 }),
        }
    }
    machines
}

impl<'a> CaseData<'a> {
    fn of(set: &'a Set<'a>, row: &'a Row) -> Self {
        let runs = set.runs(&row.case.name);
        let of_end = |end| EndData::of(set, row, end, &runs);
        Self {
            case: &row.case,
            variant: row.case.name.split_once('+').map_or("", |(_, axes)| axes),
            runs: row.runs,
            failed: row.faults.len(),
            verdict: set.verdict_of(&row.case.name),
            goodput_bytes_per_s: row.goodput,
            of_baseline: row.of_baseline.map(|(ratio, baseline)| OfBaseline { baseline, ratio }),
            sender: of_end(End::Sender),
            receiver: of_end(End::Receiver),
        }
    }
}

impl<'a> EndData<'a> {
    fn of(set: &Set, row: &Row, end: End, runs: &[&'a Record]) -> Option<Self> {
        let ends: Vec<&EndRecord> = runs.iter().filter_map(|run| run.end(end)).collect();
        let typical = typical(runs, end)?;
        let allowed = |end: &EndRecord| Some(end.memory.baseline_rss_bytes? + end.memory.budget_bytes?);
        Some(Self {
            peak_rss_bytes: ends.iter().filter_map(|end| end.memory.peak_rss_bytes).max(),
            baseline_rss_bytes: median(ends.iter().filter_map(|e| Some(e.memory.baseline_rss_bytes? as f64))),
            allowed_rss_bytes: ends.iter().filter_map(|end| allowed(end)).max(),
            ceiling_rss_bytes: set.ceilings.and_then(|ceilings| ceilings.peak_rss(&row.case, end)),
            socket_peak_bytes: ends.iter().filter_map(|end| end.memory.socket_peak_bytes).max(),
            cpu_s_per_gib: median(ends.iter().filter_map(|end| end.cpu.s_per_gib)),
            throughput: typical.throughput.as_ref().map(ThroughputData::from),
            chunk_latency: typical.chunk_latency.as_ref().map(LatencyData::from),
            timeline: &typical.memory.timeline,
        })
    }
}

/// The end in the run with the median goodput; in any run, where none went well.
fn typical<'a>(runs: &[&'a Record], end: End) -> Option<&'a EndRecord> {
    let mut well: Vec<&&Record> = runs.iter().filter(|run| run.error.is_none()).collect();
    well.sort_by(|a, b| {
        a.goodput_bytes_per_s.unwrap_or(0.0).total_cmp(&b.goodput_bytes_per_s.unwrap_or(0.0))
    });
    let chosen = well.get(well.len() / 2).and_then(|run| run.end(end));
    chosen.or_else(|| runs.iter().find_map(|run| run.end(end)))
}

impl From<&Throughput> for ThroughputData {
    fn from(of: &Throughput) -> Self {
        let Throughput { window_bytes, min, p1, p5, p50, p95, max, .. } = *of;
        Self { window_bytes, min, p1, p5, p50, p95, max }
    }
}

impl From<&Latency> for LatencyData {
    fn from(of: &Latency) -> Self {
        let Latency { p50, p99, p999, max, .. } = *of;
        Self { p50, p99, p999, max }
    }
}
