//! The options that studies have in common.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use jiff::Timestamp;
use record::ByteSize;

use super::{Longhaul, build};
use crate::workspace;

/// The program and the results of a study.
#[derive(Args)]
pub(crate) struct ProgramOptions {
    /// Folder for records and tables [default: results/TIME-STUDY]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The longhaul program to run [default: a release build of this tree]
    #[arg(long, value_name = "PROGRAM")]
    longhaul: Option<PathBuf>,
    /// Further options of longhaul bench
    #[arg(last = true, value_name = "OPTIONS")]
    bench: Vec<String>,
}

impl ProgramOptions {
    /// Returns the further options of `longhaul bench`.
    pub(crate) fn bench(&self) -> &[String] {
        &self.bench
    }

    /// Returns the program, after building it if no flag names one.
    pub(crate) fn program(&self) -> Result<Longhaul> {
        let program = match &self.longhaul {
            Some(program) => {
                program.canonicalize().with_context(|| format!("no program {}", program.display()))?
            }
            None => build()?,
        };
        Ok(Longhaul::new(program, &self.bench))
    }

    /// Returns the folder of the results, which must not exist yet.
    pub(crate) fn new_folder(&self, study: &str) -> Result<PathBuf> {
        let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let folder = self
            .out
            .clone()
            .unwrap_or_else(|| workspace::root().join("results").join(format!("{now}-{study}")));
        ensure!(!folder.exists(), "{} exists already; use another folder (--out)", folder.display());
        Ok(folder)
    }

    /// Creates the folder of the results, and returns it.
    pub(crate) fn folder(&self, study: &str) -> Result<PathBuf> {
        let folder = self.new_folder(study)?;
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }
}

/// The extent of a study.
#[derive(Args)]
pub(crate) struct RoundOptions {
    /// Interleaved rounds [default: 11; ratios: 22]
    ///
    /// The 95 % interval of a median needs 6 rounds. With 9 or more, it leaves out the extreme runs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Size of one body [default: 1GiB; length: 16GiB; large-file: 3GiB]
    #[arg(long, value_name = "SIZE")]
    size: Option<ByteSize>,
}

/// The default number of rounds of a study. With this number, the 95 % interval of a median leaves out the two extreme
/// runs.
const ROUNDS: u32 = 11;

impl RoundOptions {
    /// Returns the number of rounds.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds_or(ROUNDS)
    }

    /// Returns the number of rounds of a study that has its own default.
    pub(crate) fn rounds_or(&self, default: u32) -> u32 {
        self.rounds.unwrap_or(default)
    }

    /// Returns the size of one body, in the text form of flags.
    pub(crate) fn size_or(&self, default: ByteSize) -> ByteSize {
        self.size.unwrap_or(default)
    }
}
