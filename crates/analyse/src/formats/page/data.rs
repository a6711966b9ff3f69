//! The data of the page: derived figures. A missing figure is null in the page.

use std::collections::{BTreeMap, HashMap};

use record::{Build, Host, Limits, ProtocolFacts, Record};
use serde::Serialize;

use super::{
    super::{
        Report, distinct, findings,
        palette::{self, Style},
        setups::setups,
    },
    case_data::{CaseData, UntunedData},
    proof_data::ProofData,
    tiles::{Tile, tiles},
    timeline,
};
use crate::{Analysis, Verdict};

/// All data of the page, as the page's scripts read it.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    title: &'a str,
    /// The paths of the files of records, as seen from the folder of the page.
    links: &'a [String],
    /// The brief answer.
    tiles: Vec<Tile>,
    /// The command lines that made the records, one per line.
    command: Option<String>,
    first_started_at: Option<&'a str>,
    last_started_at: Option<&'a str>,
    verdict: VerdictData,
    findings: Vec<String>,
    /// The conditions of the machine that spoil the figures, each with its expected effect.
    warnings: &'a [String],
    notes: Vec<String>,
    /// A remark on the sizes of segments and packets, if both TCP and QUIC are shown.
    packets: Option<&'a str>,
    /// The rows that are not tuned, each with its ratio to the tuned row.
    untuned: Vec<UntunedData<'a>>,
    /// The protocols in the order in which they are shown.
    protocols: Vec<ProtocolData>,
    machines: Vec<Machine<'a>>,
    cases: Vec<CaseData<'a>>,
    proof: Option<ProofData>,
    /// The colours by their names, on a light and on a dark background.
    palettes: Palettes,
}

#[derive(Serialize)]
struct Palettes {
    light: BTreeMap<&'static str, &'static str>,
    dark: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct VerdictData {
    /// The kind of verdict: `good`, `remark`, `early`, `failed`, `memory`, `integrity` or `unclear`.
    kind: &'static str,
    text: String,
}

#[derive(Serialize)]
struct ProtocolData {
    name: String,
    carrier: String,
    http: Option<String>,
    is_ceiling: bool,
    /// True for a ceiling that a row exceeds, and that is therefore too low.
    is_exceeded: bool,
    baseline: Option<String>,
    style: Style,
}

/// The machines, build and limits that some records have in common, and the number of these records.
#[derive(Serialize)]
struct Machine<'a> {
    host: &'a Host,
    /// The machine of the server; null if the client's machine is also the server's.
    peer_host: Option<&'a Host>,
    build: &'a Build,
    limits: &'a Limits,
    records: usize,
}

impl<'a> Data<'a> {
    pub(super) fn of(report: &Report<'a>) -> Self {
        let (analysis, records) = (report.analysis, report.records);
        let commands = report.commands();
        let samples = timeline::samples(2 * analysis.rows.len());
        Self {
            title: report.title,
            links: report.links,
            tiles: tiles(analysis),
            command: (!commands.is_empty()).then(|| commands.join("\n")),
            first_started_at: records.iter().map(|record| record.started_at.as_str()).min(),
            last_started_at: records.iter().map(|record| record.started_at.as_str()).max(),
            verdict: VerdictData { kind: kind(analysis), text: analysis.sentence() },
            findings: findings::with_numbers(&analysis.findings).into_iter().map(|(_, text)| text).collect(),
            warnings: &analysis.warnings,
            notes: analysis.notes.clone(),
            packets: analysis.packets.as_deref(),
            untuned: analysis.untuned.iter().map(UntunedData::of).collect(),
            protocols: protocols(analysis),
            machines: machines(records),
            cases: analysis
                .rows
                .iter()
                .zip(setups(&analysis.rows))
                .map(|(row, setup)| CaseData::of(report, row, setup, samples))
                .collect(),
            proof: analysis.proof.as_ref().map(ProofData::of),
            palettes: Palettes {
                light: palette::COLOURS.iter().map(|colour| (colour.name, colour.light)).collect(),
                dark: palette::COLOURS.iter().map(|colour| (colour.name, colour.dark)).collect(),
            },
        }
    }
}

/// Returns the kind of the verdict. With an early end, without any run, or with findings that leave the verdict good,
/// the kind is not `good`.
fn kind(analysis: &Analysis<'_>) -> &'static str {
    match analysis.verdict_with_proof() {
        Verdict::Good if analysis.interruption.is_some() || analysis.rows.is_empty() => "early",
        Verdict::Good if !analysis.findings.is_empty() => "remark",
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
    let exceeded: Vec<&str> = analysis
        .rows
        .iter()
        .filter(|row| row.beats_ceiling().is_some())
        .filter_map(|row| Some(row.of_ceiling.as_ref()?.baseline.as_ref()))
        .collect();
    let styles = palette::styles(&facts);
    let protocol = |(facts, style): (&ProtocolFacts, Style)| ProtocolData {
        name: text(&facts.name),
        carrier: text(&facts.carrier),
        http: facts.http.as_ref().map(text),
        is_ceiling: facts.is_ceiling(),
        is_exceeded: exceeded.contains(&&*facts.name),
        baseline: facts.baseline.as_ref().map(text),
        style,
    };
    facts.into_iter().zip(styles).map(protocol).collect()
}

fn machines(records: &[Record]) -> Vec<Machine<'_>> {
    let mut machines: Vec<Machine<'_>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut last = None;
    for record in records {
        let made: (&Host, Option<&Host>, &Build, &Limits) =
            (&record.host, record.peer_host.as_deref(), &record.build, &record.limits);
        let place = match last.filter(|(other, _)| *other == made) {
            Some((_, place)) => place,
            // Host, build and limits have no order and no hash, so their debug text is the key.
            None => *known.entry(format!("{made:?}")).or_insert(machines.len()),
        };
        last = Some((made, place));
        match machines.get_mut(place) {
            Some(machine) => machine.records += 1,
            None => machines.push(Machine {
                host: made.0,
                peer_host: made.1,
                build: made.2,
                limits: made.3,
                records: 1,
            }),
        }
    }
    machines
}
