//! The rounds of the study, and their measurements.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use metrics::Stamp;
use record::{ByteSize, Case, Direction, Record};

use super::{
    Arguments, ROUNDS,
    iperf3::{self, Iperf3},
    rows::{PASSES, Pass},
};
use crate::{
    ceilings::{self, Calls},
    study::{Longhaul, RecordFile, has_close_cores},
};

/// The goodputs of one option (a chunk or a write size), one per round, in bytes per second. `None` for a run that failed,
/// or during which the cores were far apart.
pub(super) type Goodputs = Vec<Option<f64>>;

/// The measurements of all rounds.
#[derive(Default)]
pub(super) struct Measured {
    /// The records, in the order of the rounds.
    pub(super) records: Vec<Record>,
    /// The runs of iperf3, in the order of the rounds.
    pub(super) iperf3: Vec<iperf3::Run>,
}

impl Measured {
    /// Reads the measurements that an earlier run has written into a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        Ok(Self { records: record::read(folder)?, iperf3: iperf3::read(folder)? })
    }

    /// Returns the goodputs of the cases that fit, by chunk size.
    pub(super) fn by_chunk(
        &self,
        direction: Direction,
        fits: impl Fn(&Case) -> bool,
    ) -> Vec<(ByteSize, Goodputs)> {
        let fitting =
            self.records.iter().filter(|record| record.case.direction == direction && fits(&record.case));
        grouped(fitting.map(|record| (record.case.chunk.into(), goodput(record))))
    }

    /// Returns the goodputs of iperf3, by write size.
    pub(super) fn by_write(&self, direction: Direction) -> Vec<(ByteSize, Goodputs)> {
        let runs = self.iperf3.iter().filter(|run| run.direction == direction);
        grouped(runs.map(|run| (run.write, run.goodput())))
    }
}

fn goodput(record: &Record) -> Option<f64> {
    record.goodput_bytes_per_s.filter(|_| record.is_ok() && has_close_cores(record))
}

/// Returns the goodputs of each size, in the order of the sizes.
fn grouped(runs: impl Iterator<Item = (ByteSize, Option<f64>)>) -> Vec<(ByteSize, Goodputs)> {
    let mut groups: Vec<(ByteSize, Goodputs)> = Vec::new();
    for (size, goodput) in runs {
        match groups.iter_mut().find(|(of, _)| *of == size) {
            Some((_, goodputs)) => goodputs.push(goodput),
            None => groups.push((size, vec![goodput])),
        }
    }
    groups.sort_by_key(|(size, _)| size.0);
    groups
}

/// Runs all rounds, and writes their files into the folder.
pub(super) fn measure(arguments: &Arguments, folder: &Path) -> Result<Measured> {
    let longhaul = arguments.program.program()?;
    let calls = tuned(arguments, &longhaul, folder)?;
    let mut file = RecordFile::create_in(folder)?;
    let iperf3 = Iperf3::find();
    if iperf3.is_none() {
        eprintln!("ratios: without iperf3 (or taskset, or two cores) its rows are left out");
    }
    let (mut measured, rounds) = (Measured::default(), arguments.rounds.rounds_or(ROUNDS));
    let began = Stamp::now();
    for round in 0..rounds {
        for pass in PASSES {
            bench(arguments, &longhaul, pass, &calls, &mut file, &mut measured.records)?;
            // iperf3 is compared with the runs of `tcp` and its ceiling in this pass.
            if let Some(iperf3) = iperf3.as_ref().filter(|_| pass.has_iperf3) {
                let size = size(arguments);
                measured.iperf3.extend(iperf3.round(&arguments.writes, size, round as usize));
                iperf3::write(&measured.iperf3, folder)?;
            }
        }
        let left = began.elapsed() / (round + 1) * (rounds - round - 1);
        eprintln!("round {} of {rounds}; {} to go", round + 1, minutes(left));
    }
    let close = measured.records.iter().filter(|record| has_close_cores(record)).count();
    eprintln!("runs with cores close to each other: {close} of {}", measured.records.len());
    file.compress()?;
    Ok(measured)
}

fn minutes(time: Duration) -> String {
    format!("{:.0} min", time.as_secs_f64() / 60.0)
}

fn size(arguments: &Arguments) -> ByteSize {
    arguments.rounds.size_or(ByteSize(1 << 30))
}

/// Returns the calls of each ceiling, chosen by separate rounds.
fn tuned(arguments: &Arguments, longhaul: &Longhaul, folder: &Path) -> Result<Vec<(&'static str, Calls)>> {
    if arguments.tuning_rounds == 0 {
        return Ok(Vec::new());
    }
    let mut file = RecordFile::create(folder.join("ceilings.jsonl"))?;
    let records = ceilings::measure(longhaul, arguments.tuning_rounds, size(arguments), &mut file)?;
    ceilings::table(&records).publish(&folder.join(ceilings::TABLE))?;
    file.compress()?;
    let best = |protocol: &'static str| {
        let best = ceilings::best(&records, protocol);
        best.map(|calls| (protocol, calls)).with_context(|| format!("no run of {protocol} went well"))
    };
    ceilings::PROTOCOLS.iter().map(|protocol| best(protocol)).collect()
}

/// Makes the runs of one pass in one round.
fn bench(
    arguments: &Arguments,
    longhaul: &Longhaul,
    pass: &Pass,
    calls: &[(&str, Calls)],
    file: &mut RecordFile,
    records: &mut Vec<Record>,
) -> Result<()> {
    let chunks = arguments.chunks.iter().map(ByteSize::to_string).collect::<Vec<_>>().join(",");
    let size = size(arguments).to_string();
    let common = ["--rounds", "1", "--settle", "10s", "--direction", "up,down", "--size", &size];
    let case = ["--chunk-size", &chunks, "--protocol", pass.protocols, "--sink", pass.sink];
    let is_in = |protocol: &str| pass.protocols.split(',').any(|name| name == protocol);
    let tuned = calls.iter().find(|(protocol, _)| is_in(protocol));
    let tuned = tuned.map(|(_, calls)| calls.flags()).unwrap_or_default();
    let tuned: Vec<&str> = tuned.iter().map(String::as_str).collect();
    records.extend(longhaul.bench(&[&common[..], &case, pass.limits, &tuned].concat(), file)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use record::{CoreRoundTrip, Outcome, SinkKind};

    use super::*;

    #[test]
    fn a_run_that_failed_or_had_distant_cores_leaves_its_round_empty() {
        let mut measured = Measured::default();
        for round in 0..4 {
            for chunk in [1_u64 << 20, 64 << 10] {
                let mut case = Case::new("tcp");
                (case.sink, case.chunk) = (SinkKind::Discard, chunk.try_into().unwrap());
                let mut record = Record::new("some run", case);
                record.goodput_bytes_per_s = Some(f64::from(round));
                measured.records.push(record);
            }
        }
        measured.records[2].outcome = Outcome::Error;
        measured.records[7].core_round_trip = Some(CoreRoundTrip { before_ns: 60, after_ns: 300 });
        let by_chunk = measured.by_chunk(Direction::Up, |case| case.protocol == "tcp");
        let small = vec![Some(0.0), Some(1.0), Some(2.0), None];
        let large = vec![Some(0.0), None, Some(2.0), Some(3.0)];
        assert_eq!(by_chunk, [(ByteSize(64 << 10), small), (ByteSize(1 << 20), large)]);
        assert!(measured.by_chunk(Direction::Down, |_| true).is_empty());
    }
}
