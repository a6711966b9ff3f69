//! `cargo xtask ceilings`: the goodput of the ceilings over TCP and TLS, by the size of their reads and writes.
//!
//! The goodput of a ceiling depends on the sizes of its calls. All candidates run in each round, in a new order each
//! time, and are compared with the sizes in the table of limits. `cargo xtask ratios` runs a few such rounds before its
//! own, and takes the sizes with the highest goodput.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use record::{ByteSize, CEILING_READ, CEILING_WRITE, ChunkSize, Direction, Limit, Limits, Record};

use crate::study::{
    CONFIDENCE, Longhaul, ProgramOptions, RatioSummary, RecordFile, RoundOptions, Table, mib_per_s, pairs,
};

/// The file of the table.
pub(crate) const TABLE: &str = "ceilings.tsv";

/// The ceilings whose reads and writes have a size to choose. The ceiling of QUIC has none, since it sends and receives
/// as many datagrams at once as the kernel admits.
pub(crate) const PROTOCOLS: [&str; 2] = ["tcp-ceiling", "tls-ceiling"];

/// The candidates, in bytes. Writes of fewer than 256 KiB would depend on the chunk.
const READS: [u64; 5] = [64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20];
const WRITES: [u64; 3] = [256 << 10, 512 << 10, 1 << 20];

/// Measure the ceilings by the size of their reads and writes
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The sizes of the calls of a ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    read: ByteSize,
    write: ByteSize,
}

impl Calls {
    /// Returns the default sizes in the table of limits.
    fn usual() -> Self {
        Self::of(&Limits::default())
    }

    fn of(limits: &Limits) -> Self {
        Self { read: ByteSize(limits.bytes(&CEILING_READ)), write: ByteSize(limits.bytes(&CEILING_WRITE)) }
    }

    /// Returns all candidates, the usual calls first.
    fn candidates() -> Vec<Self> {
        let all = READS.iter().flat_map(|read| WRITES.iter().map(move |write| (*read, *write)));
        let others = all.map(|(read, write)| Self { read: ByteSize(read), write: ByteSize(write) });
        [Self::usual()].into_iter().chain(others.filter(|calls| *calls != Self::usual())).collect()
    }

    /// Returns the flags of a bench with these calls.
    pub(crate) fn flags(self) -> Vec<String> {
        let flag = |limit: &Limit, size: ByteSize| [format!("--{}", limit.flag), size.to_string()];
        [flag(&CEILING_READ, self.read), flag(&CEILING_WRITE, self.write)].concat()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("ceilings")?;
    let mut file = RecordFile::create_in(&folder)?;
    let (rounds, size) = (arguments.rounds.rounds(), arguments.rounds.size_or(ByteSize(1 << 30)));
    let records = measure(&longhaul, rounds, size, &mut file)?;
    table(&records).publish(&folder.join(TABLE))?;
    file.compress()?;
    for protocol in PROTOCOLS {
        let best = best(&records, protocol).with_context(|| format!("no run of {protocol} went well"))?;
        eprintln!("{protocol}: {}", best.flags().join(" "));
    }
    eprintln!("records and table: {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// Runs all candidates in each round.
pub(crate) fn measure(
    longhaul: &Longhaul,
    rounds: u32,
    size: ByteSize,
    file: &mut RecordFile,
) -> Result<Vec<Record>> {
    let (mut records, mut candidates) = (Vec::new(), Calls::candidates());
    let (size, chunk) = (size.to_string(), ByteSize::from(ChunkSize::CEILING).to_string());
    let protocols = PROTOCOLS.join(",");
    let common = ["--rounds", "1", "--settle", "10s", "--direction", "up,down", "--sink", "discard"];
    let case = ["--protocol", &protocols, "--chunk-size", &chunk, "--size", &size];
    for round in 0..rounds {
        eprintln!("ceilings: round {} of {rounds}", round + 1);
        for calls in &candidates {
            let flags = calls.flags();
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            records.extend(longhaul.bench(&[&common[..], &case, &flags].concat(), file)?);
        }
        candidates.rotate_left(1);
    }
    Ok(records)
}

/// Returns the goodputs of a candidate and of the usual calls, in the same rounds and the given directions.
fn beside_usual(
    records: &[Record],
    protocol: &str,
    calls: Calls,
    directions: &[Direction],
) -> Vec<(f64, f64)> {
    let of = |calls: Calls, direction: Direction| -> Vec<&Record> {
        let is_of = |record: &&Record| {
            let case = &record.case;
            (case.protocol.as_str(), case.direction) == (protocol, direction)
                && Calls::of(&case.limits) == calls
        };
        records.iter().filter(is_of).collect()
    };
    let pairs = |direction: &Direction| pairs(&of(Calls::usual(), *direction), &of(calls, *direction));
    directions.iter().flat_map(pairs).collect()
}

/// Returns the calls with the highest median of the ratios to the usual calls, over both directions.
pub(crate) fn best(records: &[Record], protocol: &str) -> Option<Calls> {
    let ratio = |calls: Calls| {
        let pairs = beside_usual(records, protocol, calls, &Direction::ALL);
        Some((stats::paired_ratio(&pairs, CONFIDENCE)?.estimate, calls))
    };
    let ratios = Calls::candidates().into_iter().filter_map(ratio);
    ratios.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, calls)| calls)
}

/// Returns a table with a line for each ceiling and candidate. A line has the goodput in each direction, and the ratio
/// to the usual calls over both directions.
pub(crate) fn table(records: &[Record]) -> Table {
    let heads = ["ceiling", "read", "write", "MiB/s up", "MiB/s down"];
    let mut table = Table::with_heads(heads.into_iter().chain(RatioSummary::HEADS).chain(["best"]));
    for protocol in PROTOCOLS {
        let best = best(records, protocol);
        for calls in Calls::candidates() {
            let pairs = |directions: &[Direction]| beside_usual(records, protocol, calls, directions);
            let Some(summary) = RatioSummary::of(&pairs(&Direction::ALL)) else { continue };
            let goodput = |direction| {
                let goodputs: Vec<f64> =
                    pairs(&[direction]).into_iter().map(|(_, goodput)| goodput).collect();
                stats::median(&goodputs).map_or("-".into(), mib_per_s)
            };
            let head = [protocol.to_owned(), calls.read.to_string(), calls.write.to_string()];
            let mark = if best == Some(calls) { "best" } else { "-" };
            let cells = head.into_iter().chain(Direction::ALL.map(goodput)).chain(summary.cells());
            table.push(cells.chain([mark.to_owned()]));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use record::{Case, LimitValue};

    use super::*;

    /// Returns six rounds of all candidates, of which those with reads of 128 KiB and writes of 1 MiB are a fifth
    /// faster.
    fn records() -> Vec<Record> {
        let mut records = Vec::new();
        for round in 0..6 {
            for calls in Calls::candidates() {
                for direction in Direction::ALL {
                    let mut case = Case::new("tcp-ceiling");
                    case.direction = direction;
                    for (limit, size) in [(&CEILING_READ, calls.read), (&CEILING_WRITE, calls.write)] {
                        case.limits.set(limit, LimitValue::Bytes(size.0)).unwrap();
                    }
                    let mut record = Record::new(format!("{round} {calls:?}"), case);
                    record.started_at =
                        format!("2026-11-26T20:0{round}:0{}Z", u8::from(calls != Calls::usual()));
                    let is_fast = (calls.read.0, calls.write.0) == (128 << 10, 1 << 20);
                    let factor = if is_fast { 1.2 } else { 1.0 };
                    record.goodput_bytes_per_s = Some(f64::from((100 + round) << 20) * factor);
                    records.push(record);
                }
            }
        }
        records
    }

    #[test]
    fn the_best_calls_have_the_highest_ratio_to_the_usual_ones() {
        let best = best(&records(), "tcp-ceiling").unwrap();
        assert_eq!(best.flags(), ["--ceiling-read", "128KiB", "--ceiling-write", "1MiB"]);
        assert_eq!(super::best(&records(), "tls-ceiling"), None);
        let text = table(&records()).separated();
        let line = text.lines().find(|line| line.ends_with("best") && !line.starts_with("ceiling")).unwrap();
        assert!(line.starts_with("tcp-ceiling\t128KiB\t1MiB\t123\t123\t1.200\t1.200\t1.200"), "{text}");
        assert_eq!(text.lines().count(), 1 + READS.len() * WRITES.len());
    }

    #[test]
    fn writes_do_not_depend_on_the_chunk() {
        assert!(WRITES.iter().all(|write| *write >= 256 << 10));
        assert_eq!(Calls::candidates().len(), READS.len() * WRITES.len());
    }
}
