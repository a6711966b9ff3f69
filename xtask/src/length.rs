//! `cargo xtask length`: the goodput of a long body over that of a short one, for each protocol.
//!
//! A round is one long body between two short ones, so that the drift of a machine cancels out in the ratio. A round
//! counts only if the cores were close to each other in all three runs. A protocol runs until it has enough such
//! rounds, or has tried three times as many.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use record::{ByteSize, PROTOCOLS, Record};
use stats::median;

use crate::study::{
    Longhaul, ProgramOptions, RatioSummary, RecordFile, RoundOptions, Table, has_close_cores, mib_per_s,
};

/// Measure whether long bodies are as fast as short ones, an eighth of their size
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The size of a long body, as a multiple of a short one.
const FACTOR: u64 = 8;

/// The most rounds tried, as a multiple of the rounds wanted.
const TRIES: u32 = 3;

/// The rounds of one protocol.
struct Rounds {
    protocol: &'static str,
    /// The goodput of the short bodies (the mean of two) and of the long one, in each complete round.
    complete: Vec<(f64, f64)>,
    tried: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("length")?;
    let mut file = RecordFile::create_in(&folder)?;
    let long = arguments.rounds.size_or(ByteSize(16 << 30));
    let sizes = [ByteSize(long.0 / FACTOR), long];
    let wanted = arguments.rounds.rounds();
    let mut all: Vec<Rounds> = PROTOCOLS.iter().map(|protocol| Rounds::of(protocol.name)).collect();
    for attempt in 1..=TRIES * wanted {
        eprintln!("round {attempt} of {wanted} to {}", TRIES * wanted);
        for rounds in all.iter_mut().filter(|rounds| rounds.complete.len() < wanted as usize) {
            rounds.attempt(&longhaul, sizes, &mut file)?;
        }
    }
    table(&all, sizes).publish(&folder.join("length.tsv"))?;
    eprintln!("records and table: {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

impl Rounds {
    fn of(protocol: &'static str) -> Self {
        Self { protocol, complete: Vec::new(), tried: 0 }
    }

    /// Tries one round, and stops at the first run that does not count.
    fn attempt(
        &mut self,
        longhaul: &Longhaul,
        [short, long]: [ByteSize; 2],
        file: &mut RecordFile,
    ) -> Result<()> {
        self.tried += 1;
        let mut goodputs = Vec::new();
        for size in [short, long, short] {
            let size = size.to_string();
            let common = ["--rounds", "1", "--settle", "30s", "--chunk-size", "64KiB"];
            let arguments = [&common[..], &["--protocol", self.protocol, "--size", &size]].concat();
            let records = longhaul.bench(&arguments, file)?;
            let Some(goodput) = records.first().and_then(goodput) else { return Ok(()) };
            goodputs.push(goodput);
        }
        if let [before, long, after] = goodputs[..] {
            self.complete.push((f64::midpoint(before, after), long));
        }
        Ok(())
    }
}

/// Returns the goodput of a run, if the run succeeded with its ends on close cores.
fn goodput(record: &Record) -> Option<f64> {
    record.goodput_bytes_per_s.filter(|_| record.is_ok() && has_close_cores(record))
}

fn table(all: &[Rounds], sizes: [ByteSize; 2]) -> Table {
    let heads = ["protocol".to_owned(), format!("{} MiB/s", sizes[0]), format!("{} MiB/s", sizes[1])];
    let ratio = RatioSummary::HEADS.map(str::to_owned);
    let mut table = Table::with_heads(heads.into_iter().chain(ratio).chain(["tried".to_owned()]));
    for Rounds { protocol, complete, tried } in all {
        let (short, long): (Vec<f64>, Vec<f64>) = complete.iter().copied().unzip();
        let figure = |goodputs: &[f64]| median(goodputs).map_or("-".into(), mib_per_s);
        let cells =
            RatioSummary::of(complete).map_or(std::array::from_fn(|_| "-".into()), |ratio| ratio.cells());
        let head = [(*protocol).to_owned(), figure(&short), figure(&long)];
        table.push(head.into_iter().chain(cells).chain([tried.to_string()]));
    }
    table
}

#[cfg(test)]
mod tests {
    use record::{Case, CoreRoundTrip, Outcome};

    use super::*;

    #[test]
    fn runs_that_failed_or_had_distant_cores_do_not_count() {
        let mut record = Record::new("some run", Case::new("h2"));
        record.goodput_bytes_per_s = Some(5.0);
        assert_eq!(goodput(&record), Some(5.0));
        record.core_round_trip = Some(CoreRoundTrip { before_ns: 250, after_ns: 60 });
        assert_eq!(goodput(&record), None);
        record.core_round_trip = None;
        record.outcome = Outcome::Error;
        assert_eq!(goodput(&record), None);
    }

    #[test]
    fn a_protocol_without_a_complete_round_is_in_the_table() {
        let mib = f64::from(1 << 20);
        let mut tcp = Rounds::of("tcp");
        (tcp.complete, tcp.tried) = (vec![(100.0 * mib, 50.0 * mib); 6], 7);
        let sizes = [ByteSize(2 << 30), ByteSize(16 << 30)];
        let text = table(&[tcp, Rounds::of("h3")], sizes).separated();
        assert!(text.starts_with("protocol\t2GiB MiB/s\t16GiB MiB/s\tmedian"), "{text}");
        assert!(text.contains("tcp\t100\t50\t0.500\t0.500\t0.500\t0.500\t0.500\t6\t7\n"), "{text}");
        assert!(text.contains("h3\t-\t-\t-\t-\t-\t-\t-\t-\t0\n"), "{text}");
    }
}
