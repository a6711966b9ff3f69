//! What `bench` and `prove` run their cases on: the machine, the workers, the folder for the results.

use std::path::PathBuf;

use metrics::{Stamp, process::Resources};
use tokio::runtime::Runtime;

use super::{
    process::{ProcessExecutor, cores},
    progress::LiveView,
    session::{Session, Stop},
};
use crate::{
    build::Build,
    case::Case,
    cli::BenchArgs,
    host::Host,
    machine::{self, Vigil},
    record::Record,
    report::{self, Sample, Set},
    results::{self, Results},
    stdout::print,
};

/// Runs cases, writes their records, and shows how it goes.
pub(crate) struct Stage<'a> {
    args: &'a BenchArgs,
    session: Session,
    results: Results,
    view: LiveView,
    runtime: Runtime,
    began: Stamp,
    used: Option<Resources>,
    _vigil: Vigil,
}

impl<'a> Stage<'a> {
    /// A stage for about `runs` runs of these cases.
    ///
    /// # Errors
    /// The folder for the results cannot be written.
    pub(crate) fn set(args: &'a BenchArgs, cases: &[Case], runs: u64) -> anyhow::Result<Self> {
        let vigil = Vigil::keep(args.idle);
        let (host, build) = (Host { idle: Some(vigil.idle()), ..Host::here() }, Build::this());
        let folder = args.out.clone().unwrap_or_else(|| default_folder(&host));
        let results = Results::create(&folder)?;
        if !args.quiet {
            let notes = machine::notes(cases, cores(args.affinity));
            notes.iter().for_each(|note| eprintln!("note: {note} (see longhaul doctor)"));
        }
        Ok(Self {
            args,
            session: Session::new(host, build),
            results,
            view: LiveView::new(args.quiet, runs),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            began: Stamp::now(),
            used: Resources::used(),
            _vigil: vigil,
        })
    }

    /// Runs every case `rounds` times; each record is written, and shown to `see`, as soon as there is one.
    ///
    /// # Errors
    /// A record could not be written.
    pub(crate) fn run(
        &mut self,
        cases: &[Case],
        rounds: u32,
        see: &mut dyn FnMut(&Record),
    ) -> anyhow::Result<Stop> {
        let executor = ProcessExecutor::of_this_binary(self.args.affinity, self.args.timeout, cases)?
            .settling(self.args.settle.unwrap_or_default());
        let (results, json) = (&mut self.results, self.args.json);
        let mut write = |record: &Record| {
            see(record);
            results.write(record)?;
            if json { print(&results::to_line(record)?) } else { Ok(()) }
        };
        self.runtime.block_on(self.session.run(cases, rounds, &executor, &mut self.view, &mut write))
    }

    /// What all runs have yielded.
    pub(crate) fn samples(&self) -> &[Sample] {
        self.session.samples()
    }

    /// The records of all runs, as they were written.
    ///
    /// # Errors
    /// They cannot be read back.
    pub(crate) fn records(&self) -> anyhow::Result<Vec<Record>> {
        Ok(self.results.read_back()?)
    }

    /// Takes the live view away, shows what the runs amount to, and writes the report beside the records.
    ///
    /// # Errors
    /// The folder cannot be written, or stdout is closed.
    pub(crate) fn close(self, set: &Set, text: &str) -> anyhow::Result<()> {
        self.view.finish();
        if self.view.is_live() {
            state_own_cost(self.began, self.used);
        }
        if !set.is_empty() {
            report::write(set, &report::OF_A_BENCH, self.results.folder())?;
        }
        if self.args.json {
            eprint!("{text}");
        } else {
            print(text)?;
        }
        eprintln!("results: {}", self.results.folder().display());
        Ok(())
    }
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
