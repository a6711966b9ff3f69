//! `cargo xtask budgets`: checks the growth of both ends against their budgets, over the whole cross product.
//!
//! The product covers every protocol and direction, chunks of 1 KiB to 16 MiB, and fast, slow and stalled readers. It
//! runs one body, and 8 and 64 bodies on equally many connections or streams. An end over its budget fails the study,
//! and so does a loose budget.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use record::{ByteSize, Case, End, FaultKind, Rate, Record, mib};

use crate::study::{Longhaul, ProgramOptions, RecordFile, Table};

/// Check the growth of both ends against their budgets, in about twenty minutes
#[derive(Args)]
pub(crate) struct Arguments {
    /// Numbers of concurrent bodies; several run both on as many connections and on as many streams
    #[arg(long, value_name = "LIST", default_value = "1,8,64", value_delimiter = ',')]
    bodies: Vec<u64>,
    /// Chunk sizes
    #[arg(long, value_name = "LIST", default_value = "1KiB,64KiB,1MiB,16MiB", value_delimiter = ',')]
    chunks: Vec<ByteSize>,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The rate of a stalled reader, in bytes per second. All windows and buffers between the sender and such a reader fill
/// up, and stay full until the timeout ends the run.
const STALLED: u64 = 1;

/// The allowance of a budget, in bytes: a budget counts as loose if it exceeds twice the growth plus this allowance.
/// The memory of the allocator and the pages of the program do not depend on the case.
const SLACK: u64 = 4 << 20;

/// The exit code for memory over its budget, and for a budget too loose to detect growth.
const OVER: u8 = 4;

/// The growth of one end in one run.
struct Growth<'r> {
    case: &'r Case,
    end: End,
    growth: u64,
    budget: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("budgets")?;
    let records = measure(arguments, &longhaul, &mut RecordFile::create_in(&folder)?)?;
    let ends = ends(&records);
    table(&ends).publish(&folder.join("budgets.tsv"))?;
    Ok(ExitCode::from(conclude(&records, &ends)))
}

/// Runs the cross product.
fn measure(arguments: &Arguments, longhaul: &Longhaul, file: &mut RecordFile) -> Result<Vec<Record>> {
    let Arguments { bodies, chunks, .. } = arguments;
    let mut records = Vec::new();
    let mut bench = |arguments: &[String]| -> Result<()> {
        let common = ["--direction", "up,down", "--rounds", "1"];
        let arguments: Vec<&str> = common.into_iter().chain(arguments.iter().map(String::as_str)).collect();
        eprintln!("{}", arguments.join(" "));
        records.extend(longhaul.bench(&arguments, file)?);
        Ok(())
    };
    let streams = ["--protocol", "h2c,h2,quic,h3", "--streams"];
    for many in bodies {
        let number = many.to_string();
        if *many == 1 {
            readers(1, chunks, &[], &mut bench)?;
            continue;
        }
        readers(*many, chunks, &["--connections", &number], &mut bench)?;
        readers(*many, chunks, &[&streams[..], &[&number]].concat(), &mut bench)?;
    }
    // The memory that is held for each datagram is greatest with the largest datagrams.
    if let Some(most) = bodies.iter().max() {
        let number = most.to_string();
        let loopback = ["--protocol", "quic,h3", "--streams", &number, "--quic-profile", "loopback"];
        readers(*most, chunks, &loopback, &mut bench)?;
    }
    Ok(records)
}

/// Runs every chunk size with three readers. The fast reader gets 256 MiB in `many` bodies. The slow one gets bodies
/// for a second or two. The stalled one gets bodies larger than any window.
fn readers(
    many: u64,
    chunks: &[ByteSize],
    flags: &[&str],
    bench: &mut impl FnMut(&[String]) -> Result<()>,
) -> Result<()> {
    let (fast, slow) = (256 / many.max(1), if many == 1 { 32 } else { 4 });
    for chunk in chunks.iter().map(ByteSize::to_string) {
        let runs = [
            format!("--size {fast}MiB"),
            format!("--size {slow}MiB --reader-rate {}MiB", slow * 3 / 4),
            format!("--size 32MiB --reader-rate {STALLED} --timeout 1s"),
        ];
        for run in runs {
            let words =
                ["--chunk-size", &chunk].into_iter().chain(run.split(' ')).chain(flags.iter().copied());
            bench(&words.map(str::to_owned).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// Returns both ends of all runs whose memory was measured.
fn ends(records: &[Record]) -> Vec<Growth<'_>> {
    let both = records.iter().flat_map(|record| End::ALL.map(|end| (record, end)));
    both.filter_map(|(record, end)| {
        let memory = &record.end(end)?.memory;
        Some(Growth { case: &record.case, end, growth: memory.growth()?, budget: memory.budget_bytes? })
    })
    .collect()
}

impl Growth<'_> {
    fn is_over(&self) -> bool {
        self.growth > self.budget
    }

    fn share(&self) -> f64 {
        self.growth as f64 / self.budget as f64
    }

    /// Returns whether the budget is too loose to detect growth. Only a single body with a stalled reader fills all
    /// buffers that the budget covers.
    fn is_loose(&self) -> bool {
        let is_stalled = self.case.reader_rate.map(Rate::bytes_per_s) == Some(STALLED);
        is_stalled && self.case.bodies() == 1 && self.budget > 2 * self.growth + SLACK
    }
}

fn table(ends: &[Growth<'_>]) -> Table {
    let mut table = Table::with_heads(["case", "end", "growth MiB", "budget MiB", "share"]);
    for end in ends {
        let (growth, budget) = (mib(end.growth), mib(end.budget));
        let figures = [growth, budget, end.share()].map(|figure| format!("{figure:.2}"));
        table.push([end.case.key().to_string(), end.end.to_string()].into_iter().chain(figures));
    }
    table
}

/// Prints the conclusion. Returns the exit code.
fn conclude(records: &[Record], ends: &[Growth<'_>]) -> u8 {
    let over = ends.iter().filter(|end| end.is_over()).count();
    let loose: Vec<&Growth<'_>> = ends.iter().filter(|end| end.is_loose()).collect();
    for end in &loose {
        let (growth, budget) = (mib(end.growth), mib(end.budget));
        let what = format!("{} {}", end.case.key(), end.end);
        eprintln!(
            "loose budget: {what}: expected at most twice {growth:.2} MiB and 4 MiB, got {budget:.2} MiB"
        );
    }
    let most = ends.iter().map(Growth::share).fold(0.0, f64::max);
    let count = (ends.len(), loose.len());
    eprintln!(
        "{} ends, {over} over their budget, the most {most:.2} of it; {} loose budgets",
        count.0, count.1
    );
    let unmeasured = unmeasured(records);
    unmeasured.iter().for_each(|line| eprintln!("not measured: {line}"));
    match (unmeasured.is_empty(), over + loose.len()) {
        (true, 0) => 0,
        (_, 1..) => OVER,
        (false, 0) => 1,
    }
}

/// Returns the failed runs, except for timeouts of stalled readers, which are expected.
fn unmeasured(records: &[Record]) -> Vec<String> {
    let faults = records.iter().filter_map(|record| Some((record, record.error.as_ref()?)));
    let other = faults.filter(|(_, fault)| fault.kind != FaultKind::Timeout);
    other
        .map(|(record, fault)| format!("{}: {:?}: {}", record.case.key(), fault.kind, fault.message))
        .collect()
}

#[cfg(test)]
mod tests {
    use record::{EndRecord, Fault, Outcome};

    use super::*;

    /// Returns a run whose receiver grew by some MiB under a budget of 10.
    fn record(growth_mib: u64, reader_rate: Option<u64>) -> Record {
        let mut case = Case::new("h2");
        case.reader_rate = reader_rate.map(|rate| rate.try_into().unwrap());
        let mut record = Record::new("some run", case);
        let mut end = EndRecord::default();
        (end.memory.baseline_rss_bytes, end.memory.peak_rss_bytes) = (Some(0), Some(growth_mib << 20));
        end.memory.budget_bytes = Some(10 << 20);
        record.receiver = Some(end);
        record
    }

    fn code(records: &[Record]) -> u8 {
        conclude(records, &ends(records))
    }

    #[test]
    fn growth_over_a_budget_fails() {
        assert_eq!(code(&[record(9, None), record(10, None)]), 0);
        assert_eq!(code(&[record(9, None), record(11, None)]), OVER);
    }

    #[test]
    fn a_loose_budget_fails_where_all_buffers_are_full() {
        assert_eq!(code(&[record(1, None)]), 0);
        assert_eq!(code(&[record(3, Some(STALLED))]), 0);
        assert_eq!(code(&[record(2, Some(STALLED))]), OVER);
        let mut several = record(2, Some(STALLED));
        several.case.connections = 8;
        assert_eq!(code(&[several]), 0);
    }

    #[test]
    fn a_run_may_fail_by_its_timeout_only() {
        let failed = |kind| {
            let mut record = record(9, Some(STALLED));
            (record.outcome, record.error) = (Outcome::Error, Some(Fault::new(kind, "for some reason")));
            record
        };
        assert_eq!(code(&[failed(FaultKind::Timeout)]), 0);
        assert_eq!(code(&[failed(FaultKind::Protocol)]), 1);
    }

    #[test]
    fn every_reader_and_load_is_run_once() {
        let mut lines = Vec::new();
        let chunks = [ByteSize(1 << 10), ByteSize(1 << 20)];
        readers(8, &chunks, &["--connections", "8"], &mut |arguments| {
            lines.push(arguments.join(" "));
            Ok(())
        })
        .unwrap();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "--chunk-size 1KiB --size 32MiB --connections 8");
        assert_eq!(lines[1], "--chunk-size 1KiB --size 4MiB --reader-rate 3MiB --connections 8");
        assert_eq!(lines[2], "--chunk-size 1KiB --size 32MiB --reader-rate 1 --timeout 1s --connections 8");
    }
}
