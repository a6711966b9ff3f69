//! `longhaul bench`: runs a matrix on this machine, both ends measured.

mod executor;
mod process;
mod progress;
mod session;
mod worker;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use metrics::{Stamp, process::Resources};

use crate::{
    budget,
    build::Build,
    cli::BenchArgs,
    exit::Verdict,
    host::Host,
    report::{self, Summary},
    results::{self, Results},
};
pub(crate) use executor::Measured;
use process::ProcessExecutor;
use progress::LiveView;
pub(crate) use session::Session;
use session::Stop;

/// Runs the command.
pub(crate) fn main(args: &BenchArgs) -> anyhow::Result<Verdict> {
    let cases = args.matrix()?.cases()?;
    if args.explain_memory {
        cases.iter().try_for_each(|case| print(&budget::explain(case)))?;
        return Ok(Verdict::Good);
    }
    let (host, build) = (Host::here(), Build::this());
    let folder = args.out.clone().unwrap_or_else(|| default_folder(&host));
    let mut results = Results::create(&folder)?;
    if !build.is_release() {
        eprintln!("note: this is a {} build, which measures itself; use cargo run --release", build.profile);
    }

    let executor = ProcessExecutor::of_this_binary(args.affinity, args.timeout, &cases)?;
    let mut session = Session::new(host, build);
    let mut view = LiveView::new(args.quiet, cases.len() as u64 * u64::from(args.rounds));
    let (began, used) = (Stamp::now(), Resources::used());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stop = runtime.block_on(session.run(&cases, args.rounds, &executor, &mut view, &mut |record| {
        results.write(record)?;
        if args.json { print(&results::to_line(record)?) } else { Ok(()) }
    }))?;
    view.finish();
    if view.is_live() {
        state_own_cost(began, used);
    }

    let summary = Summary::of(session.samples());
    let text = report::markdown(&summary, &command_line(), session.host(), session.build());
    results.write_file("summary.md", &text)?;
    if !args.json {
        print(&format!("{}\n", report::table(&summary, io::stdout().is_terminal())))?;
    }
    eprintln!("results: {}", results.folder().display());
    Ok(match stop {
        Stop::Interrupted => Verdict::Interrupted,
        Stop::Done => summary.verdict(),
    })
}

/// Prints on stdout; a closed pipe is an error like any other.
fn print(text: &str) -> anyhow::Result<()> {
    io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")
}

/// The command line, without the folder that this binary happens to be in.
fn command_line() -> String {
    std::iter::once("longhaul".into()).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

/// What watching cost, which the workers' figures do not contain but their machine bore.
fn state_own_cost(began: Stamp, before: Option<Resources>) {
    let Some(used) = Resources::used().zip(before).map(|(now, before)| now.since(before)) else { return };
    let (busy, elapsed) = ((used.user + used.system).as_secs_f64(), began.elapsed().as_secs_f64());
    let share = 100.0 * busy / elapsed;
    eprintln!(
        "live view and orchestration: {busy:.2} s of processor time in {elapsed:.0} s ({share:.1} % of a core)"
    );
}

/// `results/<UTC time>-<host>`.
fn default_folder(host: &Host) -> PathBuf {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let name = host.name.as_deref().unwrap_or("host");
    format!("results/{time}-{name}").into()
}
