//! `cargo xtask power`: the rates at which `longhaul compare` finds a real slowdown, and at which it finds one that
//! does not exist.
//!
//! Goodputs are drawn at random, and compared like those of records. One case of each comparison is slower, and all
//! others are unchanged, which makes the slower case hardest to find. docs/reference/reading.md has the tables.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use analyse::{Change, Comparison, Thresholds};
use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use jiff::{Timestamp, ToSpan as _};
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use record::{ByteSize, Case, Record};

use crate::study::Table;

/// Simulate how often a comparison finds a slowdown, and how often it reports a change that does not exist
#[derive(Args)]
pub(crate) struct Arguments {
    /// Comparisons for each figure
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    draws: u32,
    /// Rounds on each side
    #[arg(long, value_name = "LIST", default_value = "5,6,7,9,11,15", value_delimiter = ',')]
    rounds: Vec<usize>,
    /// Cases of a comparison
    #[arg(long, value_name = "LIST", default_value = "1,24,49", value_delimiter = ',')]
    cases: Vec<usize>,
    /// Folder for the tables, power.tsv and false-alarms.tsv
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Order of the runs
    #[arg(long, value_name = "ORDER", default_value = "in-turns")]
    order: Order,
}

/// The order of the runs of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    InTurns,
    OneAfterTheOther,
}

/// The scatter of goodputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noise {
    /// Log-normal.
    Plain,
    /// Log-normal, and one run in ten at 0.6 of its goodput.
    Outliers,
    /// Log-normal around a level that drifts from round to round, with the same scatter.
    Drift,
    /// Log-normal, with five times the scatter in one case of four.
    Unequal,
}

impl Noise {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Outliers => "outliers",
            Self::Drift => "drift",
            Self::Unequal => "unequal scatter",
        }
    }
}

/// The coefficients of variation of a run.
const SCATTERS: [f64; 3] = [0.02, 0.05, 0.10];

/// The slowdowns of one case, as shares.
const SLOWDOWNS: [f64; 4] = [0.02, 0.05, 0.10, 0.20];

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    for (name, table) in [("power", power(arguments)), ("false-alarms", false_alarms(arguments))] {
        match &arguments.out {
            Some(folder) => table.publish(&folder.join(format!("{name}.tsv")))?,
            None => table.print()?,
        }
        writeln!(io::stdout())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the percentage of comparisons that call the slower case WORSE, by slowdown.
fn power(arguments: &Arguments) -> Table {
    let shown = SLOWDOWNS.map(|slowdown| format!("{:.0}", 100.0 * slowdown)).join("/");
    let heads = SCATTERS.map(|scatter| format!("WORSE at CV {:.0} %, slower by {shown} %", 100.0 * scatter));
    let mut table = Table::with_heads(["cases".into(), "rounds".to_owned()].into_iter().chain(heads));
    for (cases, rounds) in pairs(arguments) {
        let mut set = Set::new(cases, rounds, arguments.order);
        let cells = SCATTERS.map(|scatter| {
            let found = SLOWDOWNS.map(|slowdown| {
                let is_found = |set: &mut Set| set.draw(Noise::Plain, scatter, slowdown).is_slower();
                percent((0..arguments.draws).filter(|_| is_found(&mut set)).count(), arguments.draws)
            });
            found.join("/")
        });
        table.push([cases.to_string(), rounds.to_string()].into_iter().chain(cells));
    }
    table
}

/// Returns the percentage of comparisons that call any goodput better or WORSE although nothing has changed.
fn false_alarms(arguments: &Arguments) -> Table {
    let kinds = [Noise::Plain, Noise::Outliers, Noise::Drift, Noise::Unequal];
    let heads = kinds.map(Noise::name);
    let mut table = Table::with_heads(["cases", "rounds"].into_iter().chain(heads));
    for (cases, rounds) in pairs(arguments) {
        let mut set = Set::new(cases, rounds, arguments.order);
        let cells = kinds.map(|noise| {
            let alarms = (0..arguments.draws).filter(|_| set.draw(noise, 0.05, 0.0).has_alarm());
            percent(alarms.count(), arguments.draws)
        });
        table.push([cases.to_string(), rounds.to_string()].into_iter().chain(cells));
    }
    table
}

fn pairs(arguments: &Arguments) -> impl Iterator<Item = (usize, usize)> {
    let Arguments { cases, rounds, .. } = arguments;
    cases.iter().flat_map(|cases| rounds.iter().map(|rounds| (*cases, *rounds)))
}

fn percent(found: usize, draws: u32) -> String {
    format!("{:.0}", 100.0 * found as f64 / f64::from(draws))
}

/// A pair of record sets, whose goodputs are drawn anew for each comparison.
struct Set {
    random: Xoshiro256PlusPlus,
    base: Vec<Record>,
    candidate: Vec<Record>,
    rounds: usize,
    order: Order,
}

/// A comparison of drawn goodputs.
struct Drawn(Comparison);

impl Set {
    fn new(cases: usize, rounds: usize, order: Order) -> Self {
        let side = |side: usize| -> Vec<Record> {
            let runs = (0..cases).flat_map(|case| (0..rounds).map(move |round| (case, round)));
            runs.map(|(case, round)| record(case, second(order, side, round), cases)).collect()
        };
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(1),
            base: side(0),
            candidate: side(1),
            rounds,
            order,
        }
    }

    /// Draws goodputs and compares them. The first case of the candidate is slower.
    fn draw(&mut self, noise: Noise, scatter: f64, slowdown: f64) -> Drawn {
        let mut levels = [vec![0.0; self.rounds], vec![0.0; self.rounds]];
        for index in 0..self.base.len() {
            let (case, round) = (index / self.rounds, index % self.rounds);
            if round == 0 && noise == Noise::Drift {
                levels = self.drifting(scatter);
            }
            let scatter = if noise == Noise::Unequal && case % 4 == 0 { 5.0 * scatter } else { scatter };
            let slower = if case == 0 { (1.0 - slowdown).ln() } else { 0.0 };
            let mut goodput = |side: usize, change: f64| {
                let is_outlier = noise == Noise::Outliers && self.random.next_u32().is_multiple_of(10);
                let outlier = if is_outlier { 0.6_f64.ln() } else { 0.0 };
                let scattered = levels[side][round] + scatter * normal(&mut self.random);
                Some(3e9 * (scattered + outlier + change).exp())
            };
            self.base[index].goodput_bytes_per_s = goodput(0, 0.0);
            self.candidate[index].goodput_bytes_per_s = goodput(1, slower);
        }
        Drawn(Comparison::of(&self.base, &self.candidate, &Thresholds::default()))
    }

    /// Draws a level for each round of both sides. The levels of consecutive rounds have a correlation of 0.8. If the
    /// sides run in turns, both have the same levels.
    fn drifting(&mut self, scatter: f64) -> [Vec<f64>; 2] {
        let mut drift = || {
            let mut last = scatter * normal(&mut self.random);
            let level = |_| {
                last = 0.8 * last + 0.6 * scatter * normal(&mut self.random);
                last
            };
            (0..self.rounds).map(level).collect::<Vec<f64>>()
        };
        let (base, candidate) = (drift(), drift());
        if self.order == Order::InTurns { [base.clone(), base] } else { [base, candidate] }
    }
}

impl Drawn {
    fn is_slower(&self) -> bool {
        self.0.goodputs().next().is_some_and(|goodput| goodput.change == Change::Worse)
    }

    fn has_alarm(&self) -> bool {
        self.0.goodputs().any(|goodput| matches!(goodput.change, Change::Worse | Change::Better))
    }
}

/// Returns the position in time of a round of one side.
fn second(order: Order, side: usize, round: usize) -> usize {
    match order {
        Order::InTurns => 2 * round + (side + round) % 2,
        Order::OneAfterTheOther => 1_000_000 * side + round,
    }
}

/// Returns a run of one case, without any figures.
fn record(case: usize, second: usize, cases: usize) -> Record {
    let mut plain = Case::new("h2");
    plain.body = ByteSize(1 + case as u64);
    let mut record = Record::new("simulated", plain);
    let seconds = i64::try_from(second * cases + case).unwrap_or_default();
    record.started_at = (Timestamp::UNIX_EPOCH + seconds.seconds()).to_string();
    record
}

/// Returns a number close to normal, with a mean of 0 and a standard deviation of 1: the sum of twelve uniform numbers.
fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    (0..12).map(|_| f64::from(random.next_u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_slowdown_is_found_in_turns_and_a_calm_set_raises_few_alarms() {
        let arguments =
            Arguments { draws: 40, rounds: vec![7], cases: vec![3], order: Order::InTurns, out: None };
        let text = power(&arguments).separated();
        let found: Vec<u32> = text
            .lines()
            .nth(1)
            .unwrap()
            .split('\t')
            .nth(2)
            .unwrap()
            .split('/')
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(found[2..], [100, 100], "{text}");
        let text = false_alarms(&arguments).separated();
        let alarms = text.lines().nth(1).unwrap().split('\t').skip(2).map(|n| n.parse::<u32>().unwrap());
        assert!(alarms.max().unwrap() <= 12, "{text}");
    }
}
