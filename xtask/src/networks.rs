//! `cargo xtask networks`: goodput over emulated networks, beside the law of windows and over each preset, and delivery
//! over a path with loss.

mod head_of_line;
mod law;
mod presets;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use record::Record;
use stats::{Interval, median, median_interval};

use crate::study::{CONFIDENCE, ProgramOptions, RoundOptions};

/// Measure goodput over emulated networks
#[derive(Args)]
pub(crate) struct Arguments {
    /// Measurement to make
    #[arg(value_enum)]
    part: Part,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// Windows of 64 KiB to 1.5 MiB over 5 to 80 ms, beside the goodput that they admit
    Law,
    /// Delivery of eight bodies over a path that loses 1 % of the packets, by protocol
    HeadOfLine,
    /// HTTP/1.1, HTTP/2 and HTTP/3 over each preset, in both directions, with one and with eight bodies
    Presets,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    match arguments.part {
        Part::Law => law::run(arguments),
        Part::HeadOfLine => head_of_line::run(arguments),
        Part::Presets => presets::run(arguments),
    }
}

/// Returns the goodputs of the successful runs in Mbit/s.
fn goodputs<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<f64> {
    let well = records.filter(|record| record.is_ok());
    well.filter_map(|record| Some(record.goodput_bytes_per_s? * 8.0 / 1e6)).collect()
}

/// Returns a median with its interval.
fn summary(figures: &[f64]) -> String {
    match (median(figures), median_interval(figures, CONFIDENCE)) {
        (None, _) => "failed".into(),
        (Some(median), None) => format!("{median:.1}"),
        (Some(median), Some(Interval { low, high })) => format!("{median:.1} [{low:.1}, {high:.1}]"),
    }
}
