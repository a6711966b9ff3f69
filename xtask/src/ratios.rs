//! `cargo xtask ratios`: goodput of each protocol over its baseline, of verified over discarded bodies, of large over
//! small packets, and of `tcp` over iperf3.
//!
//! The two runs of a ratio lie within seconds of each other: a machine drifts by more than some rows differ. Each chunk
//! size is a row of its own, with an interval of 95 %. An aim is judged at the best chunk size, which a first half of the
//! rounds chooses and a second half measures: the best of several medians of the same rounds would be too high.

mod iperf3;
mod rows;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use record::{ByteSize, Direction, Record};

use crate::study::{
    Longhaul, ProgramOptions, RatioSummary, RecordFile, RoundOptions, Table, has_close_cores, pairs,
};
use iperf3::Iperf3;
use rows::{PASSES, ROWS, Row, Side};

/// Measure goodput of HTTP over its baselines, and the cost of verifying
#[derive(Args)]
pub(crate) struct Arguments {
    /// Chunk sizes
    #[arg(long, value_name = "LIST", default_value = "64KiB,256KiB,1MiB", value_delimiter = ',')]
    chunks: Vec<ByteSize>,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The measurements of all rounds.
#[derive(Default)]
struct Measured {
    records: Vec<Record>,
    /// The goodputs of iperf3 in bytes per second, one per round and direction.
    iperf3: Vec<(Direction, f64)>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("ratios")?;
    let mut file = RecordFile::create_in(&folder)?;
    let iperf3 = Iperf3::find();
    if iperf3.is_none() {
        eprintln!("ratios: without iperf3 (or taskset, or two cores) its row is left out");
    }
    let mut measured = Measured::default();
    for round in 1..=arguments.rounds.rounds {
        eprintln!("round {round} of {}", arguments.rounds.rounds);
        one_round(arguments, &longhaul, iperf3.as_ref(), &mut file, &mut measured)?;
    }
    let records = &measured.records;
    let close = records.iter().filter(|record| has_close_cores(record)).count();
    eprintln!("runs with cores close to each other: {close} of {}", records.len());
    table(&measured, &arguments.chunks).publish(&folder.join("ratios.tsv"))?;
    eprintln!("records and table: {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// One pass over everything that is compared.
fn one_round(
    arguments: &Arguments,
    longhaul: &Longhaul,
    iperf3: Option<&Iperf3>,
    file: &mut RecordFile,
    measured: &mut Measured,
) -> Result<()> {
    let size = arguments.rounds.size_or(ByteSize(1 << 30));
    let chunks = arguments.chunks.iter().map(ByteSize::to_string).collect::<Vec<_>>().join(",");
    for (index, pass) in PASSES.iter().enumerate() {
        // iperf3 runs beside the first pass, which has the runs of `tcp` to compare it with.
        if let Some(iperf3) = iperf3.filter(|_| index == 1) {
            for direction in Direction::ALL {
                measured.iperf3.push((direction, iperf3.goodput(direction, size)?));
            }
        }
        let size = size.to_string();
        let common = ["--rounds", "1", "--settle", "10s", "--direction", "up,down"];
        let case =
            ["--size", &size, "--chunk-size", &chunks, "--protocol", pass.protocols, "--sink", pass.sink];
        measured.records.extend(longhaul.bench(&[&common[..], &case, pass.limits].concat(), file)?);
    }
    Ok(())
}

fn table(measured: &Measured, chunks: &[ByteSize]) -> Table {
    let heads = ["row", "direction", "chunk"].into_iter().chain(RatioSummary::HEADS).chain(["aim", "met"]);
    let mut table = Table::with_heads(heads);
    for row in ROWS {
        for direction in Direction::ALL {
            of_row(row, direction, measured, chunks, &mut table);
        }
    }
    for direction in Direction::ALL {
        let name = ["tcp/iperf3".to_owned(), direction.to_string(), iperf3::LENGTH.to_string()];
        push(&mut table, name, &beside_iperf3(measured, direction), Some(1.0));
    }
    table
}

/// The lines of one ratio: each chunk size over all rounds, then the best one.
fn of_row(row: &Row, direction: Direction, measured: &Measured, chunks: &[ByteSize], table: &mut Table) {
    let head = |chunk: String| [row.name.to_owned(), direction.to_string(), chunk];
    let of = |side: &Side, chunk| runs(&measured.records, side, direction, chunk);
    let mut halves = Vec::new();
    for &chunk in chunks {
        let (base, candidate) = (of(&row.base, chunk), of(&row.candidate, chunk));
        push(table, head(chunk.to_string()), &pairs(&base, &candidate), None);
        let half = base.len().min(candidate.len()) / 2;
        let ((first_base, base), (first, candidate)) = (base.split_at(half), candidate.split_at(half));
        if let Some(summary) = RatioSummary::of(&pairs(first_base, first)) {
            halves.push((chunk, summary.median(), pairs(base, candidate)));
        }
    }
    let best = halves.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((chunk, _, second_half)) = best {
        push(table, head(format!("best: {chunk}")), &second_half, Some(row.aim));
    }
}

/// Adds the line of some pairs, if there are any, and whether they meet an aim.
fn push(table: &mut Table, head: [String; 3], pairs: &[(f64, f64)], aim: Option<f64>) {
    let Some(summary) = RatioSummary::of(pairs) else { return };
    let judged = aim.map(|aim| match summary.meets(aim) {
        Some(true) => "yes",
        Some(false) => "no",
        None => "too few pairs",
    });
    let aim = aim.map_or("-".into(), |aim| format!("{aim:.2}"));
    table.push(head.into_iter().chain(summary.cells()).chain([aim, judged.unwrap_or("-").into()]));
}

/// The runs of one side in the order of their rounds.
fn runs<'r>(records: &'r [Record], side: &Side, direction: Direction, chunk: ByteSize) -> Vec<&'r Record> {
    let is_of = |record: &&Record| {
        let case = &record.case;
        case.direction == direction && ByteSize::from(case.chunk) == chunk && side.is(case)
    };
    records.iter().filter(is_of).collect()
}

/// The goodputs of iperf3 and of `tcp`, round by round. The cores of iperf3's runs are not measured.
fn beside_iperf3(measured: &Measured, direction: Direction) -> Vec<(f64, f64)> {
    let tcp = runs(&measured.records, &Side::plain("tcp"), direction, iperf3::LENGTH);
    let iperf3 = measured.iperf3.iter().filter(|(of, _)| *of == direction).map(|(_, goodput)| *goodput);
    let both = iperf3.zip(tcp).filter(|(_, record)| record.is_ok() && has_close_cores(record));
    both.filter_map(|(iperf3, record)| Some((iperf3, record.goodput_bytes_per_s?))).collect()
}

#[cfg(test)]
mod tests {
    use record::{Case, SinkKind};

    use super::*;

    const CHUNKS: [ByteSize; 2] = [ByteSize(64 << 10), ByteSize(1 << 20)];

    /// Rounds of `tcp` and of `h2c`, whose goodput is a share of that of `tcp`.
    fn measured(rounds: u32, share: impl Fn(ByteSize, u32) -> f64) -> Measured {
        let mut measured = Measured::default();
        for round in 0..rounds {
            for chunk in CHUNKS {
                for (protocol, factor) in [("tcp", 1.0), ("h2c", share(chunk, round))] {
                    let mut case = Case::new(protocol);
                    case.sink = SinkKind::Discard;
                    case.chunk = chunk.0.try_into().unwrap();
                    let mut record = Record::new(format!("round {round}"), case);
                    record.goodput_bytes_per_s = Some(f64::from(100 + round) * factor);
                    measured.records.push(record);
                }
            }
            measured.iperf3.push((Direction::Up, f64::from(100 + round) * 2.0));
        }
        measured
    }

    #[test]
    fn each_chunk_is_a_row_with_an_interval() {
        let text = table(&measured(12, |_, _| 0.9), &CHUNKS).separated();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "h2c/tcp\tup\t64KiB\t0.900\t0.900\t0.900\t0.900\t0.900\t12\t-\t-");
        assert!(lines[2].starts_with("h2c/tcp\tup\t1MiB\t0.900"), "{text}");
        assert_eq!(lines[4], "tcp/iperf3\tup\t64KiB\t0.500\t0.500\t0.500\t0.500\t0.500\t12\t1.00\tno");
        assert_eq!(lines.len(), 5, "{text}");
    }

    #[test]
    fn the_best_chunk_is_chosen_by_one_half_of_the_rounds_and_judged_by_the_other() {
        // Chance favours 64 KiB in the first half; it is worse in the second, which alone counts.
        let luck = |chunk: ByteSize, round: u32| match (chunk == CHUNKS[0], round < 6) {
            (true, true) => 0.97,
            (true, false) => 0.88,
            (false, _) => 0.95,
        };
        let text = table(&measured(12, luck), &CHUNKS).separated();
        let best = text.lines().find(|line| line.contains("best")).unwrap();
        assert_eq!(best, "h2c/tcp\tup\tbest: 64KiB\t0.880\t0.880\t0.880\t0.880\t0.880\t6\t0.90\tno");
        let few = table(&measured(10, luck), &CHUNKS).separated();
        assert!(few.lines().any(|line| line.ends_with("\t5\t0.90\ttoo few pairs")), "{few}");
    }
}
