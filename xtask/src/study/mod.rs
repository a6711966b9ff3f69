//! The common parts of studies: options, the program that runs, its server, its records, pairs of runs, and tables.

mod congestion;
mod options;
mod pairs;
mod program;
mod records;
#[cfg(test)]
#[path = "../../../crates/run/src/scripts.rs"]
mod scripts;
mod server;
mod table;

pub(crate) use congestion::CongestionOptions;
pub(crate) use options::{ProgramOptions, RoundOptions};
pub(crate) use pairs::{CONFIDENCE, RatioSummary, has_close_cores, pairs};
pub(crate) use program::{Longhaul, build, build_in};
pub(crate) use records::RecordFile;
pub(crate) use server::{Server, finish};
pub(crate) use table::{Table, mib_per_s};
