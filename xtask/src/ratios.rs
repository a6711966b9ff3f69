//! `cargo xtask ratios`: ratios of goodput. Each protocol is compared with its baseline and with the ceiling of its
//! carrier, and `tcp` and its ceiling with iperf3. Verified bodies are compared with discarded ones, and large packets
//! with small ones.
//!
//! The two runs of a ratio lie within seconds of each other, because a machine drifts by more than the difference
//! between some rows. The sizes of a ceiling's calls are chosen by separate rounds before all others
//! ([`ceilings`](crate::ceilings)). [`judge`] has the rule by which an aim is met.

mod iperf3;
mod judge;
mod rounds;
mod rows;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use record::ByteSize;

use crate::study::{ProgramOptions, RoundOptions};
use judge::Judgement;
use rounds::Measured;

/// The file of the judged table.
const TABLE: &str = "ratios.tsv";

/// The default number of rounds: each half has eleven.
const ROUNDS: u32 = 22;

/// Measure goodput of HTTP over its baselines and ceilings, the cost of verifying, and TCP over iperf3
///
/// Writes records, the goodputs of iperf3 and the judged table into a folder. Fails if a row beats its ceiling.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Chunk sizes
    #[arg(long, value_name = "LIST", default_value = "64KiB,256KiB,1MiB", value_delimiter = ',')]
    chunks: Vec<ByteSize>,
    /// Write sizes of iperf3
    #[arg(long, value_name = "LIST", default_value = "64KiB,128KiB,256KiB,1MiB", value_delimiter = ',')]
    writes: Vec<ByteSize>,
    /// Rounds that choose the sizes of the ceilings' calls; 0 for the sizes in the table of limits
    #[arg(long, value_name = "N", default_value_t = 3)]
    tuning_rounds: u32,
    /// Judge the records of an earlier run anew, and measure nothing
    #[arg(long, value_name = "DIR")]
    judge: Option<PathBuf>,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (folder, measured) = match &arguments.judge {
        Some(folder) => (folder.clone(), Measured::read(folder)?),
        None => {
            let folder = arguments.program.folder("ratios")?;
            (folder.clone(), rounds::measure(arguments, &folder)?)
        }
    };
    let Judgement { table, notes, beaten } = Judgement::of(&measured);
    table.publish(&folder.join(TABLE))?;
    notes.iter().for_each(|note| eprintln!("ratios: {note}"));
    eprintln!("records and table: {}", folder.display());
    Ok(if beaten { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
