//! `cargo xtask peers`: curl, h2load, nginx and Caddy beside longhaul's own ends, protocol by protocol.
//!
//! The programs of a protocol run in turns, in the rounds of one `longhaul bench --peer`. Each ratio compares a program
//! with longhaul's end in the same role, round by round. With `--beside commands`, longhaul's ends are `send`, `fetch`
//! and `serve` as a user runs them, instead of the workers of a bench.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use record::{ByteSize, Direction, End, PROTOCOLS, Protocol, Record, mib};
use stats::{Interval, Spread, median};

use crate::study::{
    CongestionOptions, Longhaul, ProgramOptions, RatioSummary, RecordFile, RoundOptions, Table, mib_per_s,
    pairs,
};

/// Compare other programs with longhaul's own ends: goodput, processor time, memory
#[derive(Args)]
pub(crate) struct Arguments {
    /// Programs that `longhaul peers` lists; one that does not speak a protocol has no row for it
    #[arg(long, value_name = "LIST", default_value = "curl,h2load,nginx,caddy", value_delimiter = ',')]
    peers: Vec<String>,
    /// Ends of longhaul that the programs are compared with: the workers of a bench, or the commands send, fetch and serve
    #[arg(long, value_name = "ENDS", value_enum, default_value_t = Ends::Workers)]
    beside: Ends,
    /// Chunk sizes of longhaul
    #[arg(long, value_name = "LIST", default_value = "64KiB,1MiB", value_delimiter = ',')]
    chunks: Vec<ByteSize>,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
    #[command(flatten)]
    congestion: CongestionOptions,
}

/// The ends of longhaul that programs are compared with.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ends {
    Workers,
    Commands,
}

impl Ends {
    /// Returns the peers that stand for these ends.
    fn peers(self) -> &'static [&'static str] {
        match self {
            Self::Workers => &[],
            Self::Commands => &["longhaul-client", "longhaul-serve"],
        }
    }

    /// Returns whether `run` has one of these ends in the role that the program has in `of`.
    fn is_in_place_of(self, run: &Record, of: &Record) -> bool {
        let is_such_an_end = match (self, run.peer.as_deref()) {
            (Self::Workers, None) => true,
            (Self::Commands, Some(peer)) => run.subject == of.subject && self.peers().contains(&peer),
            _ => false,
        };
        is_such_an_end && run.case.key() == of.case.key()
    }
}

/// The runs of one row: those with the same two programs, protocol, direction and chunk size.
struct Row<'a> {
    runs: Vec<&'a Record>,
    /// The runs of longhaul's end in the place of the program, in the same rounds.
    own: Vec<&'a Record>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?.started_by(arguments.congestion.words()?);
    let folder = arguments.program.folder("peers")?;
    let mut file = RecordFile::create_in(&folder)?;
    let mut records = Vec::new();
    for protocol in PROTOCOLS.iter().filter(|protocol| protocol.is_http()) {
        eprintln!("{}", protocol.name);
        records.extend(measure(arguments, protocol, &longhaul, &mut file)?);
    }
    table(&records, arguments.beside).publish(&folder.join("peers.tsv"))?;
    file.compress()?;
    eprintln!("records and table: {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn measure(
    arguments: &Arguments,
    protocol: &Protocol,
    longhaul: &Longhaul,
    file: &mut RecordFile,
) -> Result<Vec<Record>> {
    let chunks = arguments.chunks.iter().map(ByteSize::to_string).collect::<Vec<_>>().join(",");
    let [size, rounds] =
        [arguments.rounds.size_or(ByteSize(1 << 30)).to_string(), arguments.rounds.rounds().to_string()];
    let mut words = vec!["--protocol", protocol.name, "--direction", "up,down", "--chunk-size", &chunks];
    words.extend(["--size", &size, "--rounds", &rounds]);
    let own = arguments.beside.peers().iter().copied();
    words.extend(own.chain(arguments.peers.iter().map(String::as_str)).flat_map(|peer| ["--peer", peer]));
    longhaul.bench(&words, file)
}

/// Returns the rows of all records, in the order of protocol, direction, chunk size and program.
fn rows(records: &[Record], beside: Ends) -> Vec<Row<'_>> {
    let key = |record: &Record| {
        let place = PROTOCOLS.iter().position(|protocol| protocol.name == record.case.protocol);
        let is_down = record.case.direction == Direction::Down;
        (place, is_down, record.case.chunk, record.peer.clone())
    };
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by_key(|record| (key(record), record.round));
    let mut rows: Vec<Row<'_>> = sorted
        .chunk_by(|one, other| key(one) == key(other))
        .map(|runs| Row { runs: runs.to_vec(), own: Vec::new() })
        .collect();
    for row in &mut rows {
        let Some(first) = row.runs.first() else { continue };
        row.own = sorted.iter().copied().filter(|record| beside.is_in_place_of(record, first)).collect();
    }
    rows
}

const HEADS: [&str; 14] = [
    "row",
    "programs",
    "MiB/s",
    "low",
    "high",
    "of longhaul",
    "low",
    "high",
    "sender s/GiB",
    "receiver s/GiB",
    "processor time of longhaul's",
    "sender MiB",
    "receiver MiB",
    "verdict",
];

fn table(records: &[Record], beside: Ends) -> Table {
    let mut table = Table::with_heads(HEADS);
    for row in rows(records, beside) {
        table.push(row.cells());
    }
    table
}

impl Row<'_> {
    fn cells(&self) -> Vec<String> {
        let peer = self.runs.first().and_then(|run| run.peer.as_deref());
        let place = self.runs.first().and_then(|run| run.peer_end());
        let programs = match (peer, place) {
            (Some(peer), Some(End::Sender)) => format!("{peer}→longhaul"),
            (Some(peer), Some(End::Receiver)) => format!("longhaul→{peer}"),
            _ => "longhaul→longhaul".to_owned(),
        };
        let name = self.runs.first().map_or_else(String::new, |run| run.case.key().to_string());
        let goodputs: Vec<f64> =
            self.runs.iter().filter(|run| run.is_ok()).filter_map(|run| run.goodput_bytes_per_s).collect();
        let ratio = peer.and_then(|_| RatioSummary::of(&pairs(&self.own, &self.runs)));
        let cost = place.and_then(|place| RatioSummary::of(&self.costs(place)));
        let mut cells = vec![name, programs];
        cells.extend(with_interval(&goodputs));
        let of_longhaul = ratio.map_or_else(|| vec!["-".to_owned(); 3], |ratio| ratio.cells()[..3].to_vec());
        cells.extend(of_longhaul);
        cells.extend([End::Sender, End::Receiver].map(|end| self.figure(end, seconds_per_gib, 2)));
        cells.push(cost.map_or("-".into(), |cost| cost.brief()));
        cells.extend([End::Sender, End::Receiver].map(|end| self.figure(end, peak_mib, 1)));
        cells.push(self.verdict());
        cells
    }

    /// Returns the processor time per GiB of longhaul's end and of the program in its place, round by round.
    fn costs(&self, place: End) -> Vec<(f64, f64)> {
        let of_round = |run: &&Record| {
            let own = self.own.iter().find(|own| own.round == run.round && own.run_id == run.run_id)?;
            Some((seconds_per_gib(own, place)?, seconds_per_gib(run, place)?))
        };
        self.runs.iter().filter_map(of_round).collect()
    }

    /// Formats the median of a figure over all rounds.
    fn figure(&self, end: End, of: fn(&Record, End) -> Option<f64>, digits: usize) -> String {
        let figures: Vec<f64> = self.runs.iter().filter_map(|run| of(run, end)).collect();
        median(&figures).map_or("-".into(), |median| format!("{median:.digits$}"))
    }

    fn verdict(&self) -> String {
        let failed = self.runs.iter().filter(|run| !run.is_ok()).count();
        let over =
            self.runs.iter().filter(|run| [End::Sender, End::Receiver].iter().any(|end| is_over(run, *end)));
        match (failed, over.count()) {
            (0, 0) => "ok".into(),
            (0, over) => format!("over budget: {over} of {}", self.runs.len()),
            (failed, _) => format!("failed: {failed} of {}", self.runs.len()),
        }
    }
}

fn is_over(run: &Record, end: End) -> bool {
    run.end(end).is_some_and(|end| end.memory.within_budget == Some(false))
}

fn seconds_per_gib(run: &Record, end: End) -> Option<f64> {
    run.end(end)?.cpu.s_per_gib.filter(|_| run.is_ok())
}

fn peak_mib(run: &Record, end: End) -> Option<f64> {
    run.end(end)?.memory.peak_rss_bytes.map(mib)
}

/// Formats the median of goodputs in MiB/s with its interval of 95 %.
fn with_interval(goodputs: &[f64]) -> [String; 3] {
    let dash = || "-".to_owned();
    let Some(spread) = Spread::of(goodputs) else { return [dash(), dash(), dash()] };
    let [low, high] =
        spread.interval.map_or([dash(), dash()], |Interval { low, high }| [low, high].map(mib_per_s));
    [mib_per_s(spread.median), low, high]
}

#[cfg(test)]
mod tests {
    use record::{Case, EndRecord, PeerProgram, Subject};

    use super::*;

    /// Returns six rounds of one row.
    fn rounds(peer: Option<&str>, goodput: f64, seconds: f64) -> Vec<Record> {
        let run = |round| {
            let mut record = Record::new("one bench", Case::new("h1c"));
            (record.round, record.goodput_bytes_per_s) = (round, Some(goodput * f64::from(1 << 20)));
            let mut end = EndRecord::default();
            (end.cpu.s_per_gib, end.memory.peak_rss_bytes) = (Some(seconds), Some(3 << 20));
            record.set_ends(record::ByEnd { sender: Some(end.clone()), receiver: Some(end) });
            record.peer = peer.map(str::to_owned);
            record.subject = peer.map(|_| Subject::Client);
            record.peer_program = peer.map(|_| PeerProgram { version: None, command: "curl".into() });
            record
        };
        (0..6).map(run).collect()
    }

    #[test]
    fn a_program_is_compared_with_the_end_of_longhaul_in_its_place() {
        let records = [rounds(Some("curl"), 50.0, 0.6), rounds(None, 100.0, 0.2)].concat();
        let text = table(&records, Ends::Workers).separated();
        let [_, own, curl] = text.lines().collect::<Vec<_>>().try_into().unwrap();
        let name = "h1c/up/64KiB/2GiB";
        let figures = "0.20\t0.20\t-\t3.0\t3.0\tok";
        assert_eq!(own, format!("{name}\tlonghaul→longhaul\t100\t100\t100\t-\t-\t-\t{figures}"));
        assert!(
            curl.starts_with(&format!("{name}\tcurl→longhaul\t50\t50\t50\t0.500\t0.500\t0.500\t")),
            "{curl}"
        );
        assert!(curl.contains("3.00 [3.00, 3.00]"), "{curl}");
    }
}
