//! `cargo xtask compare-itself`: the error rates of `longhaul compare` on this machine.
//!
//! The two halves of the runs of one bench must not differ. A sender that is slowed by a tenth on purpose must be found
//! in every case, compared with the usual sender in turns.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use analyse::{Change, Comparison, Thresholds, Verdict, comparison_text};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use record::{ByteSize, Record};
use stats::median;

use crate::study::{Longhaul, ProgramOptions, RecordFile, RoundOptions};

/// Compare longhaul with itself: equal runs must not differ, and a sender slowed on purpose must be found
#[derive(Args)]
pub(crate) struct Arguments {
    /// Number of benches, each of which is split in two halves to compare
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Protocols
    #[arg(long, value_name = "LIST", default_value = "h1c,h2c,h1,h2,h3", value_delimiter = ',')]
    protocols: Vec<String>,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The goodput of a slowed sender, as a share of the goodput of the others.
const SLOWED: f64 = 0.9;

/// The share of comparisons that may find a difference between equal runs: their intervals cover the truth in 95 of 100
/// cases.
const FALSE_ALARMS: f64 = 0.05;

/// The common parts of all benches.
struct Study<'a> {
    longhaul: Longhaul,
    size: String,
    folder: &'a Path,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = arguments.program.folder("compare-itself")?;
    let size = arguments.rounds.size_or(ByteSize(1 << 30)).to_string();
    let study = Study { longhaul: arguments.program.program()?, size, folder: &folder };
    let mut alarms = 0;
    let mut last = Vec::new();
    for repeat in 1..=arguments.repeats {
        let (even, odd) = split(study.halves(arguments, repeat)?);
        let comparison = study.compare(&even, &odd, &format!("split-{repeat}.txt"))?;
        let verdict = comparison.verdict();
        print_line(&format!("split in two, repeat {repeat} of {}: {verdict:?}", arguments.repeats))?;
        alarms += u32::from(!matches!(verdict, Verdict::Good | Verdict::Inconclusive));
        last = even;
    }
    let (plain, slowed) = study.slowed(arguments, &last)?;
    let found = slower(&study.compare(&plain, &slowed, "slowed.txt")?);
    let cases = arguments.protocols.len();
    print_line(&format!("slowed by a tenth: goodput is worse in {found} of {cases} cases"))?;
    let is_calm = f64::from(alarms) <= FALSE_ALARMS * f64::from(arguments.repeats);
    Ok(if is_calm && found == cases { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Study<'_> {
    /// Runs a bench with enough rounds for both halves.
    fn halves(&self, arguments: &Arguments, repeat: u32) -> Result<Vec<Record>> {
        let mut file = RecordFile::create(self.folder.join(format!("split-{repeat}.jsonl")))?;
        let rounds = (2 * arguments.rounds.rounds()).to_string();
        self.bench(&["--protocol", &arguments.protocols.join(","), "--rounds", &rounds], &mut file)
    }

    /// Runs benches in turns: without a limit, and with each sender limited to a share of its goodput in `typical`
    /// runs.
    fn slowed(&self, arguments: &Arguments, typical: &[Record]) -> Result<(Vec<Record>, Vec<Record>)> {
        let mut file = RecordFile::create(self.folder.join("slowed.jsonl"))?;
        let (mut plain, mut slowed) = (Vec::new(), Vec::new());
        for round in 0..arguments.rounds.rounds() {
            for protocol in &arguments.protocols {
                let rate = (SLOWED * goodput(typical, protocol)?).round().to_string();
                let run = ["--protocol", protocol, "--rounds", "1"];
                let limited = [&run[..], &["--label", "slowed", "--limit-rate", &rate]].concat();
                // The order alternates, because the first run of a round runs on a colder machine.
                if round % 2 == 0 {
                    plain.extend(self.bench(&run, &mut file)?);
                }
                slowed.extend(self.bench(&limited, &mut file)?);
                if round % 2 == 1 {
                    plain.extend(self.bench(&run, &mut file)?);
                }
            }
        }
        let slowed = slowed.into_iter().map(|record| in_place_of(record, &plain)).collect();
        Ok((plain, slowed))
    }

    fn bench(&self, arguments: &[&str], file: &mut RecordFile) -> Result<Vec<Record>> {
        self.longhaul.bench(
            &[arguments, &["--size", &self.size, "--chunk-size", "64KiB", "--settle", "10s"]].concat(),
            file,
        )
    }

    /// Compares two sets of records, and writes the text to a file.
    fn compare(&self, base: &[Record], candidate: &[Record], file: &str) -> Result<Comparison> {
        let comparison = Comparison::of(base, candidate, &Thresholds::default());
        fs::write(self.folder.join(file), comparison_text(&comparison))
            .with_context(|| format!("cannot write {file}"))?;
        Ok(comparison)
    }
}

/// Splits records into those of even and those of odd rounds.
fn split(records: Vec<Record>) -> (Vec<Record>, Vec<Record>) {
    records.into_iter().partition(|record| record.round % 2 == 0)
}

/// Returns the median goodput of a protocol, in bytes per second.
fn goodput(records: &[Record], protocol: &str) -> Result<f64> {
    let of_protocol = records.iter().filter(|record| record.is_ok() && record.case.protocol == protocol);
    let goodputs: Vec<f64> = of_protocol.filter_map(|record| record.goodput_bytes_per_s).collect();
    let Some(median) = median(&goodputs) else { bail!("no run of {protocol} went well") };
    Ok(median)
}

/// Returns a record with the case of its protocol in `base`, for a comparison in memory. A sender with a rate limit
/// would have another case, which cannot be compared.
fn in_place_of(mut record: Record, base: &[Record]) -> Record {
    if let Some(plain) = base.iter().find(|plain| plain.case.protocol == record.case.protocol) {
        record.case = plain.case.clone();
    }
    record
}

/// Returns the number of cases whose goodput is worse.
fn slower(comparison: &Comparison) -> usize {
    let is_slower = |change: &analyse::MetricChange| {
        change.metric.if_worse == Verdict::Slower
            && change.metric.more_is_better
            && change.change == Change::Worse
    };
    comparison.cases.iter().filter(|case| case.changes.iter().any(is_slower)).count()
}

/// Prints a line of the conclusion.
fn print_line(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

#[cfg(test)]
mod tests {
    use record::Case;

    use super::*;

    /// Returns eleven rounds of a case around a goodput.
    fn series(case: &Case, goodput: u32) -> Vec<Record> {
        let record = |round| {
            let mut record = Record::new("some run", case.clone());
            (record.round, record.goodput_bytes_per_s) = (round, Some(f64::from(goodput + round)));
            record
        };
        (0..11).map(record).collect()
    }

    #[test]
    fn a_slowed_sender_is_found_though_its_case_is_another_one() {
        let plain = Case::new("h2");
        let mut limited = plain.clone();
        limited.limit_rate = Some(900.try_into().unwrap());
        let base = series(&plain, 1000);
        let slow: Vec<Record> =
            series(&limited, 890).into_iter().map(|record| in_place_of(record, &base)).collect();
        assert_eq!(slower(&Comparison::of(&base, &slow, &Thresholds::default())), 1);
        assert_eq!(slower(&Comparison::of(&base, &base, &Thresholds::default())), 0);
        assert_eq!(goodput(&base, "h2").unwrap(), 1005.0);
        assert!(goodput(&base, "h3").is_err());
    }

    #[test]
    fn halves_are_even_and_odd_rounds() {
        let (even, odd) = split(series(&Case::new("h2"), 1));
        assert_eq!((even.len(), odd.len()), (6, 5));
        assert!(odd.iter().all(|record| record.round % 2 == 1));
    }
}
