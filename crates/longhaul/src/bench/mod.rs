//! `longhaul bench`: runs a matrix on this machine, both ends measured.

mod executor;
mod process;
mod progress;
mod repeat;
mod session;
mod stage;
mod worker;

use std::io::{self, IsTerminal as _};

use crate::{
    budget,
    cli::{BenchArgs, Defaults},
    exit::Verdict,
    report::{self, Set},
    stdout::print,
};
pub(crate) use executor::Measured;
pub(crate) use repeat::repeat;
pub(crate) use session::{Session, Stop};
pub(crate) use stage::Stage;

/// Runs the command.
pub(crate) fn main(args: &BenchArgs) -> anyhow::Result<Verdict> {
    let cases = args.matrix(&Defaults::BENCH)?.cases()?;
    if args.explain_memory {
        cases.iter().try_for_each(|case| print(&budget::explain(case)))?;
        return Ok(Verdict::Good);
    }
    let mut stage = Stage::set(args, &cases, cases.len() as u64 * u64::from(args.rounds))?;
    let stop = stage.run(&cases, args.rounds, &mut |_| {})?;
    let records = stage.records()?;
    let set = Set::of("longhaul bench", &records, None);
    let text = if args.json { String::new() } else { report::table(&set, io::stdout().is_terminal()) };
    stage.close(&set, &text)?;
    Ok(match stop {
        Stop::Interrupted => Verdict::Interrupted,
        Stop::Done => set.amount(),
    })
}
