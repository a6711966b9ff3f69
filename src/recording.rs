//! The recording of `bench` and `prove`: a session whose records go to a folder of results, with its report beside
//! them.

use std::path::PathBuf;

use analyse::{Analysis, FORMATS, Report};
use anyhow::Context as _;
use metrics::Stamp;
use process::Resources;
use record::{Build, Case, Host, Purpose, Record, Results};
use run::{ProcessExecutor, Session, Settings, Stop, machine, machine::IdleGuard, this_host};
use tokio::runtime::Runtime;

use crate::{build::this_build, cli::RunArgs, exit::Usage, live_view::LiveView, output::print};

/// A session under way, and the folder that it fills.
pub(crate) struct Recording<'a> {
    args: &'a RunArgs,
    session: Session,
    results: Results,
    view: LiveView,
    runtime: Runtime,
    began: Stamp,
    used: Option<Resources>,
    _idle: IdleGuard,
}

impl<'a> Recording<'a> {
    /// Begins a session of about `runs` runs of `cases`.
    ///
    /// # Errors
    /// The folder of results cannot be written.
    pub(crate) fn begin(args: &'a RunArgs, cases: &[Case], runs: u64) -> anyhow::Result<Self> {
        let (idle, mut host, build) = (IdleGuard::keep(args.idle), this_host(), this_build());
        host.idle = Some(idle.policy());
        let results = Results::create(&args.out.clone().unwrap_or_else(|| default_folder(&host)))?;
        if !args.quiet {
            note_problems(args, cases, &build);
        }
        Ok(Self {
            args,
            session: Session::new(host, build).labelled(args.label.clone()),
            results,
            view: if args.quiet { LiveView::quiet() } else { LiveView::of(runs) },
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            began: Stamp::now(),
            used: Resources::used(),
            _idle: idle,
        })
    }

    /// Runs every case `rounds` times, and writes each record before the next run starts.
    ///
    /// # Errors
    /// A record cannot be written.
    pub(crate) fn run(&mut self, cases: &[Case], rounds: u32, purpose: Purpose) -> anyhow::Result<Stop> {
        let executor = ProcessExecutor::of_this_program(Settings::new(self.args.timeout))
            .context("cannot find this program's own file")?
            .on(self.args.affinity)
            .settling(self.args.settle.unwrap_or_default())
            .prepared_for(cases);
        let session = self.session.clone().for_purpose(purpose);
        let (results, json) = (&mut self.results, self.args.json);
        let mut keep = |record: &Record| -> anyhow::Result<()> {
            results.write(record)?;
            if json { print(&record.to_line()?) } else { Ok(()) }
        };
        let running = session.run(cases, rounds, &executor, &mut self.view, &mut keep);
        Ok(self.runtime.block_on(running)?)
    }

    /// The records of all runs, as they were written.
    ///
    /// # Errors
    /// The file cannot be read back.
    pub(crate) fn records(&self) -> anyhow::Result<Vec<Record>> {
        self.results.read_back().map_err(|error| Usage::new(error).into())
    }

    /// Removes the live view, prints the conclusion, and writes the report beside the records.
    ///
    /// # Errors
    /// The folder cannot be written, or stdout is closed.
    pub(crate) fn close(
        self,
        title: &str,
        records: &[Record],
        analysis: &Analysis,
        text: &str,
    ) -> anyhow::Result<()> {
        self.view.finish();
        if self.view.is_live() {
            state_own_cost(self.began, self.used);
        }
        if !records.is_empty() {
            let formats: Vec<_> = FORMATS.iter().copied().filter(|format| format.is_default()).collect();
            analyse::write(&Report::new(title, records, analysis), &formats, self.results.folder())?;
        }
        if self.args.json {
            eprint!("{text}")
        } else {
            print(text)?
        }
        eprintln!("results: {}", self.results.folder().display());
        Ok(())
    }
}

/// Prints a note for each condition of this machine that spoils the figures of some cases.
fn note_problems(args: &RunArgs, cases: &[Case], build: &Build) {
    let notes = machine::notes(cases, args.affinity.cores(), build);
    notes.iter().for_each(|note| eprintln!("note: {note} (see longhaul doctor)"));
}

/// Prints the processor time of the live view and of the session. The figures of the two ends do not contain it.
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
