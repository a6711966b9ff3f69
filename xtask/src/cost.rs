//! `cargo xtask cost`: the processor time per GiB of body when the sender is held to half of full goodput.
//!
//! Without busy-polling, only the wake-ups of an end may depend on the speed at which bodies arrive. A round is one run
//! at full speed and one at half of that run's goodput.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use record::{ByteSize, EndRecord, PROTOCOLS, Record};

use crate::study::{
    Longhaul, ProgramOptions, RatioSummary, RecordFile, RoundOptions, Table, has_close_cores,
};

/// Measure whether processor time per GiB is the same at half of full goodput
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The share of full goodput to which the sender is held.
const SHARE: f64 = 0.5;

/// The largest difference of the receiver's processor time per GiB between both speeds, as a share of the time at full
/// speed.
const TOLERANCE: f64 = 0.25;

/// The rounds of one protocol: the processor time per GiB of each end, in seconds, at full speed and at the lower one.
struct Rounds {
    protocol: &'static str,
    receiver: Vec<(f64, f64)>,
    sender: Vec<(f64, f64)>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("cost")?;
    let mut file = RecordFile::create_in(&folder)?;
    let size = arguments.rounds.size_or(ByteSize(1 << 30));
    let rows = PROTOCOLS.iter().filter(|protocol| protocol.is_http());
    let mut all: Vec<Rounds> = rows.map(|protocol| Rounds::of(protocol.name)).collect();
    for round in 1..=arguments.rounds.rounds() {
        eprintln!("round {round} of {}", arguments.rounds.rounds());
        for rounds in &mut all {
            rounds.measure(&longhaul, size, &mut file)?;
        }
    }
    table(&all).publish(&folder.join("cost.tsv"))?;
    eprintln!("records and table: {}", folder.display());
    Ok(if all.iter().all(Rounds::agrees) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Rounds {
    fn of(protocol: &'static str) -> Self {
        Self { protocol, receiver: Vec::new(), sender: Vec::new() }
    }

    fn measure(&mut self, longhaul: &Longhaul, size: ByteSize, file: &mut RecordFile) -> Result<()> {
        let size = size.to_string();
        let common = ["--rounds", "1", "--spin", "0", "--chunk-size", "64KiB", "--protocol", self.protocol];
        let full = one(longhaul, &[&common[..], &["--size", &size]].concat(), file)?;
        let goodput = full.goodput_bytes_per_s.context("a run at full speed failed")?;
        let rate = ((goodput * SHARE) as u64).to_string();
        let half = one(longhaul, &[&common[..], &["--size", &size, "--limit-rate", &rate]].concat(), file)?;
        if [&full, &half].into_iter().all(has_close_cores) {
            self.receiver.extend(cost(full.receiver.as_ref()).zip(cost(half.receiver.as_ref())));
            self.sender.extend(cost(full.sender.as_ref()).zip(cost(half.sender.as_ref())));
        }
        Ok(())
    }

    /// Returns whether the receiver's ratio is within the tolerance.
    fn agrees(&self) -> bool {
        RatioSummary::of(&self.receiver).is_some_and(|ratio| (ratio.estimate() - 1.0).abs() <= TOLERANCE)
    }
}

fn one(longhaul: &Longhaul, arguments: &[&str], file: &mut RecordFile) -> Result<Record> {
    let records = longhaul.bench(arguments, file)?;
    records.into_iter().next().context("no record")
}

/// Returns the processor time of an end per GiB of body, in seconds.
fn cost(end: Option<&EndRecord>) -> Option<f64> {
    end?.cpu.s_per_gib
}

fn table(all: &[Rounds]) -> Table {
    let heads = ["protocol", "end", "s/GiB at full speed", "s/GiB at half speed"].map(str::to_owned);
    let mut table = Table::with_heads(heads.into_iter().chain(RatioSummary::HEADS.map(str::to_owned)));
    for rounds in all {
        for (end, pairs) in [("receiver", &rounds.receiver), ("sender", &rounds.sender)] {
            let (full, half): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            let figure =
                |costs: &[f64]| stats::median(costs).map_or("-".into(), |median| format!("{median:.3}"));
            let cells =
                RatioSummary::of(pairs).map_or(std::array::from_fn(|_| "-".into()), |ratio| ratio.cells());
            let head = [rounds.protocol.to_owned(), end.to_owned(), figure(&full), figure(&half)];
            table.push(head.into_iter().chain(cells));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_agrees_within_the_tolerance() {
        let rounds = |half: f64| Rounds { receiver: vec![(0.4, half); 6], ..Rounds::of("h2") };
        assert!(rounds(0.49).agrees() && rounds(0.31).agrees());
        assert!(!rounds(0.51).agrees() && !rounds(0.29).agrees() && !Rounds::of("h2").agrees());
        let text = table(&[rounds(0.2)]).separated();
        assert!(
            text.contains("h2\treceiver\t0.400\t0.200\t0.500\t0.500\t0.500\t0.500\t0.500\t6\n"),
            "{text}"
        );
        assert!(text.contains("h2\tsender\t-\t-\t"), "{text}");
    }
}
