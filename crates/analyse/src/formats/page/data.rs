//! The data of the page: derived figures. A missing figure is null.

use std::collections::HashMap;

use record::{
    Build, Case, End, FrameSizes, Host, Latency, Limits, ProtocolFacts, Record, Throughput, TimelinePoint,
};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use stats::Spread;

use super::super::{Report, distinct, framing::Pieces, merged::Merged, programs, proof};
use crate::{Analysis, BaselineRatio, Calm, EndRow, FindingKind, Rank, Row, Untuned, Verdict};

/// All data of the page, as its scripts read it.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    title: &'a str,
    /// The command lines that made the records, one per line.
    command: Option<String>,
    first_started_at: Option<&'a str>,
    last_started_at: Option<&'a str>,
    verdict: VerdictData,
    findings: Vec<String>,
    notes: Vec<String>,
    /// A remark on the sizes of segments and packets, if both TCP and QUIC are shown.
    packets: Option<&'a str>,
    /// The rows of libraries with their own defaults, beside the tuned rows.
    untuned: Vec<UntunedData<'a>>,
    /// The protocols in the order in which they are shown.
    protocols: Vec<ProtocolData>,
    machines: Vec<Machine<'a>>,
    cases: Vec<CaseData<'a>>,
}

#[derive(Serialize)]
struct VerdictData {
    /// The kind of verdict: `good`, `failed`, `memory`, `integrity` or `unclear`.
    kind: &'static str,
    text: String,
}

#[derive(Serialize)]
struct ProtocolData {
    name: String,
    carrier: String,
    http: Option<String>,
    is_ceiling: bool,
    baseline: Option<String>,
}

/// The machine, build and limits that some records have in common. Their number is `records`.
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
    case: &'a Case,
    /// The name of the series: the name of the case, with label and peer, or with the programs of both ends.
    series: String,
    /// The program in the place of one end; null if both are longhaul's. Charts leave such cases out.
    peer: Option<&'a str>,
    /// The part of the name with the axes that are not at their defaults.
    variant: String,
    runs: usize,
    failed: usize,
    verdict: CaseVerdict,
    rank: Option<Rank>,
    #[serde(serialize_with = "spread")]
    goodput_bytes_per_s: Option<Spread>,
    /// The number of disturbed runs, and the goodput without them; null if there are none.
    calm: Option<CalmData>,
    of_baseline: Option<OfBaseline>,
    of_ceiling: Option<OfBaseline>,
    /// The pieces that reached the receiver; empty if they were not observed.
    framing: Vec<PiecesData>,
    sender: Option<EndData<'a>>,
    receiver: Option<EndData<'a>>,
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
struct UntunedData<'a> {
    case: &'a str,
    variant: &'a str,
    tuned_bytes_per_s: f64,
    goodput_bytes_per_s: f64,
    #[serde(serialize_with = "spread")]
    of_tuned: Option<Spread>,
    in_turns: bool,
}

impl<'a> UntunedData<'a> {
    fn of(row: &'a Untuned) -> Self {
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

/// One end over all runs of a case. The timeline is from the run with the median goodput. So are distributions that
/// cannot be added up.
#[derive(Serialize)]
struct EndData<'a> {
    /// The median over the rounds.
    peak_rss_bytes: Option<f64>,
    #[serde(serialize_with = "spread")]
    peak_rss_spread: Option<Spread>,
    baseline_rss_bytes: Option<f64>,
    /// The baseline plus the budget.
    allowed_rss_bytes: Option<u64>,
    ceiling_rss_bytes: Option<u64>,
    /// The share of the budget that was used; 1 is the whole budget.
    budget_use: Option<f64>,
    /// The allowance less the peak; negative if the peak exceeds the allowance.
    room_bytes: Option<i64>,
    socket_peak_bytes: Option<u64>,
    cpu_s_per_gib: Option<f64>,
    throughput: Option<Throughput>,
    /// The longest silence in any run, in seconds.
    longest_silence_s: Option<f64>,
    pull_wait: Option<Latency>,
    timeline: &'a [TimelinePoint],
}

impl<'a> Data<'a> {
    pub(super) fn of(report: &Report<'a>) -> Self {
        let (analysis, records) = (report.analysis, report.records);
        let commands = report.commands();
        let proof = analysis.proof.as_ref().map(proof::notes).unwrap_or_default();
        Self {
            title: report.title,
            command: (!commands.is_empty()).then(|| commands.join("\n")),
            first_started_at: records.iter().map(|record| record.started_at.as_str()).min(),
            last_started_at: records.iter().map(|record| record.started_at.as_str()).max(),
            verdict: VerdictData { kind: kind(analysis.verdict_with_proof()), text: analysis.sentence() },
            findings: analysis.findings.iter().map(ToString::to_string).collect(),
            notes: proof.into_iter().chain(analysis.notes.iter().cloned()).collect(),
            packets: analysis.packets.as_deref(),
            untuned: analysis.untuned.iter().map(UntunedData::of).collect(),
            protocols: protocols(analysis),
            machines: machines(records),
            cases: analysis.rows.iter().map(|row| CaseData::of(report, row)).collect(),
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

fn protocols(analysis: &Analysis<'_>) -> Vec<ProtocolData> {
    let mut facts: Vec<&ProtocolFacts> = distinct(analysis.rows.iter().map(|row| &row.facts));
    facts.sort_by(|a, b| a.rank().cmp(&b.rank()));
    facts.dedup_by(|a, b| a.name == b.name);
    let text = |text: &std::borrow::Cow<'static, str>| text.to_string();
    let protocol = |facts: &ProtocolFacts| ProtocolData {
        name: text(&facts.name),
        carrier: text(&facts.carrier),
        http: facts.http.as_ref().map(text),
        is_ceiling: facts.is_ceiling(),
        baseline: facts.baseline.as_ref().map(text),
    };
    facts.into_iter().map(protocol).collect()
}

fn machines(records: &[Record]) -> Vec<Machine<'_>> {
    let mut machines: Vec<Machine<'_>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut last = None;
    for record in records {
        let made: (&Host, &Build, &Limits) = (&record.host, &record.build, &record.limits);
        let place = match last.filter(|(other, _)| *other == made) {
            Some((_, place)) => place,
            // Host, build and limits have no order and no hash, so their debug text is the key.
            None => *known.entry(format!("{made:?}")).or_insert(machines.len()),
        };
        last = Some((made, place));
        match machines.get_mut(place) {
            Some(machine) => machine.records += 1,
            None => machines.push(Machine { host: made.0, build: made.1, limits: made.2, records: 1 }),
        }
    }
    machines
}

impl<'a> CaseData<'a> {
    fn of(report: &Report<'a>, row: &'a Row<'a>) -> Self {
        let worst = report.analysis.worst_of(row);
        let verdict = match worst {
            Some(kind) => CaseVerdict { kind: CaseVerdictKind::Finding(kind), text: kind.word() },
            None if row.is_control => CaseVerdict { kind: CaseVerdictKind::Word("control"), text: "control" },
            None => CaseVerdict { kind: CaseVerdictKind::Word("ok"), text: "ok" },
        };
        let end = |end| EndData::of(report, row, end);
        Self {
            case: row.case,
            series: programs::name(row).join(" ").trim_end().to_owned(),
            peer: row.peer_end().and(row.key.peer.as_deref()),
            variant: row.key.case.variant(),
            runs: row.records.len(),
            failed: row.faults.len(),
            verdict,
            rank: row.rank,
            goodput_bytes_per_s: row.goodput,
            calm: row.calm.map(CalmData::of),
            of_baseline: row.of_baseline.as_ref().map(OfBaseline::of),
            of_ceiling: row.of_ceiling.as_ref().map(OfBaseline::of),
            framing: Pieces::of(row).into_iter().map(PiecesData::of).collect(),
            sender: end(End::Sender),
            receiver: end(End::Receiver),
        }
    }
}

impl<'a> EndData<'a> {
    fn of(report: &Report<'a>, row: &'a Row<'a>, end: End) -> Option<Self> {
        let figures: EndRow<'a> = row.ends[end];
        let typical = figures.typical?;
        let ends: Vec<_> =
            row.records.iter().filter(|run| run.is_ok()).filter_map(|run| run.end(end)).collect();
        let Merged { throughput, pull_wait } = Merged::of(row, end);
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
            throughput,
            longest_silence_s: ends.iter().filter_map(|end| end.longest_silence_s).reduce(f64::max),
            pull_wait,
            timeline: &typical.memory.timeline,
        })
    }
}
