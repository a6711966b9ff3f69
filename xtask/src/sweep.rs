//! `cargo xtask sweep`: goodput by chunk size and protocol, medians with their intervals.

use std::process::ExitCode;

use analyse::{Analysis, Row};
use anyhow::Result;
use clap::Args;
use record::{ByteSize, Direction, Record};
use stats::{Interval, median, median_interval};

use crate::study::{CONFIDENCE, ProgramOptions, RoundOptions, Table, mib_per_s};

/// Measure goodput by chunk size and protocol
#[derive(Args)]
pub(crate) struct Arguments {
    /// Chunk sizes, also as a doubling range
    #[arg(long = "chunk-size", alias = "chunks", value_name = "LIST", default_value = "4KiB..1MiB")]
    chunks: String,
    /// Protocols
    #[arg(
        long = "protocol",
        alias = "protocols",
        value_name = "LIST",
        default_value = "tcp,h1c,h2c,tls,h1,h2,quic,h3"
    )]
    protocols: String,
    /// Directions
    #[arg(long, value_name = "LIST", default_value = "up")]
    direction: String,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.new_folder("sweep")?;
    let size = arguments.rounds.size_or(ByteSize(1 << 30)).to_string();
    let rounds = arguments.rounds.rounds().to_string();
    let axes = ["--chunk-size", &arguments.chunks, "--protocol", &arguments.protocols];
    let extent = ["--direction", &arguments.direction, "--size", &size, "--rounds", &rounds];
    let records = longhaul.bench_into(&[&axes[..], &extent].concat(), &folder)?;
    table(&records).publish(&folder.join("sweep.tsv"))?;
    eprintln!(
        "MiB/s: median [{:.0} % interval]; records and report: {}",
        100.0 * CONFIDENCE,
        folder.display()
    );
    Ok(ExitCode::from(Analysis::of(&records).verdict().exit_code()))
}

/// Returns a table with a row per direction and chunk size, and a column per protocol, in the order of the records.
fn table(records: &[Record]) -> Table {
    let analysis = Analysis::of(records);
    let mut protocols: Vec<&str> = Vec::new();
    let mut lines: Vec<(Direction, ByteSize)> = Vec::new();
    for row in &analysis.rows {
        let (protocol, line) = (row.case.protocol.as_str(), line_of(row));
        if !protocols.contains(&protocol) {
            protocols.push(protocol);
        }
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let mut table = Table::with_heads(["direction", "chunk"].iter().chain(&protocols));
    for line in lines {
        let of = |protocol: &&str| {
            let row = analysis.rows.iter().find(|row| row.case.protocol == *protocol && line_of(row) == line);
            row.map_or("-".into(), cell)
        };
        let head = [line.0.to_string(), line.1.to_string()];
        table.push(head.into_iter().chain(protocols.iter().map(of)));
    }
    table
}

fn line_of(row: &Row<'_>) -> (Direction, ByteSize) {
    (row.case.direction, row.case.chunk.into())
}

/// Returns the median of the successful runs, with its interval.
fn cell(row: &Row<'_>) -> String {
    let well = row.records.iter().filter(|record| record.is_ok());
    let goodputs: Vec<f64> = well.filter_map(|record| record.goodput_bytes_per_s).collect();
    match (median(&goodputs), median_interval(&goodputs, CONFIDENCE)) {
        (None, _) => "failed".into(),
        (Some(median), None) => mib_per_s(median),
        (Some(median), Some(Interval { low, high })) => {
            format!("{} [{}, {}]", mib_per_s(median), mib_per_s(low), mib_per_s(high))
        }
    }
}

#[cfg(test)]
mod tests {
    use record::{Case, Outcome};

    use super::*;

    fn record(protocol: &str, chunk: u64, mib_per_s: u32) -> Record {
        let mut case = Case::new(protocol);
        case.chunk = chunk.try_into().unwrap();
        let mut record = Record::new("some run", case);
        record.goodput_bytes_per_s = Some(f64::from(mib_per_s) * f64::from(1 << 20));
        record
    }

    #[test]
    fn chunks_are_lines_and_protocols_columns() {
        let mut records: Vec<Record> = (0..7).map(|round| record("h2", 64 << 10, 100 + round)).collect();
        records.push(record("h3", 64 << 10, 50));
        let mut failed = record("h3", 1 << 20, 50);
        failed.outcome = Outcome::Error;
        records.push(failed);
        let text = table(&records).separated();
        let expected = "direction\tchunk\th2\th3\nup\t64KiB\t103 [100, 106]\t50\nup\t1MiB\t-\tfailed\n";
        assert_eq!(text, expected);
    }
}
