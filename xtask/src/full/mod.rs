//! `cargo xtask full`: the complete tables, which take too long for the gate. Each table is a step with a time limit.
//!
//! The gate (`.ci/run`) runs one instance of each kind of table. A step runs the whole table, prints it, and writes the
//! expected and the measured figures to `STEP.md` and `STEP.json`. `summary.md` lists all steps whose results are in
//! the folder, so that one step can be run again.

mod answers;
mod features;
mod framing;
mod fuzz;
mod h2spec;
mod hostile;
mod interop;
mod isolated;
mod kubernetes;
mod limited_by;
mod load;
mod oldest;
mod outcome;
mod platforms;
mod release;
mod simulation;
mod slurm;
mod soak;
mod steps;
mod times;
mod watched;
mod watching;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;
use jiff::Timestamp;

use self::{
    isolated::Ending,
    outcome::{Outcome, StepResult},
    steps::{STEPS, Step},
};
use crate::{study, workspace};

/// Run the tables that are too long for the gate: load, soak, hostile clients, interoperation, framing,
/// h2spec, the cost of watching, fuzzing, simulated proofs, cargo features, other platforms, a release, fleets, the times of
/// the defaults
#[derive(Args)]
pub(crate) struct Arguments {
    /// Steps [default: all]
    #[arg(value_name = "STEP", value_parser = steps::names())]
    steps: Vec<String>,
    /// Folder for the results; those of other steps in it stay [default: results/DATE-HOST/full]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The longhaul program to run [default: a release build of this tree]
    #[arg(long, value_name = "PROGRAM")]
    longhaul: Option<PathBuf>,
    /// Minutes of the soak; a study takes 60
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1440))]
    soak_minutes: u64,
    /// Seconds of each fuzz target
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86400))]
    fuzz_seconds: u64,
    /// Run one step in this process. The runner starts itself in this way, in order to end all processes of a step at
    /// its time limit
    #[arg(long, hide = true)]
    inside: bool,
}

/// The input of a step.
pub(crate) struct Context<'a> {
    /// The longhaul program.
    program: &'a Path,
    /// The folder of the results.
    folder: &'a Path,
    soak_minutes: u64,
    fuzz_seconds: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = arguments.folder();
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let program = match &arguments.longhaul {
        Some(program) => {
            program.canonicalize().with_context(|| format!("no program {}", program.display()))?
        }
        None => study::build()?,
    };
    let context = Context {
        program: &program,
        folder: &folder,
        soak_minutes: arguments.soak_minutes,
        fuzz_seconds: arguments.fuzz_seconds,
    };
    let chosen = || STEPS.iter().filter(|step| arguments.chooses(step));
    if arguments.inside {
        chosen().try_for_each(|step| StepResult::of(step.name, &(step.run)(&context)?).write(&folder))?;
        return Ok(ExitCode::SUCCESS);
    }
    for step in chosen() {
        eprintln!("== {}: {} (at most {} s)", step.name, step.about, step.limit(&context).as_secs());
        let ending = isolated::run(step, &context)?;
        if let Some(failure) = failure(&ending) {
            StepResult::of(step.name, &Outcome::broken(failure)).write(&folder)?;
        }
    }
    let is_good = outcome::summarise(&folder)?;
    eprintln!("results: {}", folder.display());
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the reason why a step has left no results, or `None` if it has.
fn failure(ending: &Ending) -> Option<String> {
    match ending {
        Ending::Done => None,
        Ending::Failed(status) => Some(format!("the step itself failed ({status})")),
        Ending::TimedOut(limit) => Some(format!("the step was ended after {} s", limit.as_secs())),
    }
}

impl Arguments {
    fn folder(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let host = run::this_host().name.unwrap_or_else(|| "host".into());
            let today = Timestamp::now().strftime("%Y-%m-%d");
            workspace::root().join("results").join(format!("{today}-{host}")).join("full")
        })
    }

    fn chooses(&self, step: &Step) -> bool {
        self.steps.is_empty() || self.steps.iter().any(|name| name == step.name)
    }
}
