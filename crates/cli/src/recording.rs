//! The recording of `bench` and `prove`: a session whose records go to a folder of results, with its report beside
//! them.

mod beside;
mod continued;
mod end;
mod own_cost;
pub(crate) mod peer_host;
mod place;

use std::{
    ops::Range,
    path::{Path, PathBuf},
    rc::Rc,
};

use analyse::{Analysis, Proof, Report, Tone, Verdict};
use anyhow::{Context as _, anyhow};
use metrics::Stamp;
use process::{CallSite, Resources};
use record::{ByEnd, ByteSize, Case, CaseKey, Purpose, Record, Subject, Warning};
use run::{
    Earlier, Entry, Executor, Interruption, PeerHost, ProcessExecutor, Session, Stop, command_line,
    machine::{Enclosures, IdleGuard},
    run_entries,
};
use tokio::runtime::Runtime;

pub(crate) use beside::PeerRuns;
pub(crate) use continued::Run;
use end::End;
use own_cost::state_own_cost;
use place::Place;

use crate::{
    expectation::Expectation,
    flags::SessionArgs,
    kept::Kept,
    live_view::LiveView,
    output::{conclude, file_url, is_reader_gone, note, print, stderr_line, stderr_screen, stderr_text},
};

/// The most rounds of a third-party program whose proof stays inconclusive, as a multiple of the planned rounds.
const MOST: u32 = 4;

/// A running session, and the folder of its records.
pub(crate) struct Recording<'a> {
    args: &'a SessionArgs,
    session: Session,
    kept: Kept,
    /// The recorded runs of the session that continues; `None` for a new session.
    earlier: Option<Earlier>,
    /// True if the session continues, and all its runs are recorded.
    is_complete: bool,
    /// The number of records that this invocation has written.
    made: usize,
    view: LiveView,
    runtime: Runtime,
    /// The folder for a cgroup of each end; `None` for a session without such cgroups.
    enclosures: Option<Enclosures>,
    /// The host of the server ends; `None` for this host.
    peer_host: Option<Rc<PeerHost>>,
    /// The signals since the beginning, including those that arrive while digests are computed between two phases of
    /// runs.
    interruption: Interruption,
    /// The number and time of runs that are expected if the session is not stopped.
    expected: Expectation,
    /// The number of recorded runs, with those of an earlier invocation.
    sequence: u64,
    /// The number of runs that `--precision` has added to the planned ones.
    further: u64,
    end: End,
    began: Stamp,
    used: Option<Resources>,
    _idle: IdleGuard,
}

impl<'a> Recording<'a> {
    /// Begins a session of about the `expected` runs, whose first runs are those of `cases`.
    ///
    /// # Errors
    /// Fails if the folder of results cannot be written.
    pub(crate) fn begin(
        args: &'a SessionArgs,
        cases: &[Case],
        expected: Expectation,
    ) -> anyhow::Result<Self> {
        let place = Place::prepare(args, cases)?;
        let kept = Kept::begin(args, &place.host)?;
        Ok(Self::of(args, place, kept, expected, expected))
    }

    fn of(args: &'a SessionArgs, place: Place, kept: Kept, expected: Expectation, left: Expectation) -> Self {
        let Place { host, build, idle, runtime, interruption, warnings } = place;
        warn(&warnings);
        Self {
            args,
            session: Session::new(host, build)
                .with_command(command_line())
                .labelled(args.label.clone())
                .planning(expected.runs())
                .warned_of(warnings),
            kept,
            earlier: None,
            is_complete: false,
            made: 0,
            view: if args.quiet { LiveView::quiet() } else { LiveView::of(left) }
                .with_intervals(args.interval),
            runtime,
            enclosures: None,
            peer_host: None,
            interruption,
            expected,
            sequence: 0,
            further: 0,
            end: End::Done,
            began: Stamp::now(),
            used: Resources::used(),
            _idle: idle,
        }
    }

    /// Warns of further conditions of the machine, which spoil the figures of all later runs.
    pub(crate) fn warn_of(&mut self, warnings: Vec<Warning>) {
        warn(&warnings);
        self.session = self.session.clone().warned_of(warnings);
    }

    /// Sets the slope of memory that counts as growth, per GiB of body, for all later runs.
    pub(crate) fn limit_slopes(&mut self, limit: ByteSize) {
        self.session = self.session.clone().limiting_slopes(limit);
    }

    /// Declares one end of all later runs to be a third-party program with this command line.
    pub(crate) fn declare_subject(&mut self, subject: Subject, command: &str) {
        self.session = self.session.clone().about(subject, command);
    }

    /// Returns whether standard output has the records.
    pub(crate) fn prints_json(&self) -> bool {
        self.args.json
    }

    /// Returns the folder of results, if there is one.
    pub(crate) fn results(&self) -> Option<PathBuf> {
        self.kept.folder().map(Path::to_owned)
    }

    /// Returns the folder of results; without one, the folder for temporary files.
    pub(crate) fn folder(&self) -> PathBuf {
        self.kept.folder().map_or_else(std::env::temp_dir, Path::to_owned)
    }

    /// Runs each end of all later runs in its own cgroup, which states the kernel's memory for that end. Prints a note
    /// if no cgroups can be made, because that memory is then unknown.
    pub(crate) fn enclose_ends(&mut self) {
        match Enclosures::find() {
            Ok(enclosures) => self.enclosures = Some(enclosures),
            Err(_) if self.args.quiet => {}
            Err(error) => note(&format!("the kernel's memory for each end stays unknown: {error}")),
        }
    }

    /// Runs every case in `rounds` rounds, or in more if a precision is requested, and writes each record before the
    /// next run starts. Does nothing once the user has interrupted earlier runs, the time is used up, or a record could
    /// not be written.
    ///
    /// # Errors
    /// Fails if this program cannot be started again.
    pub(crate) fn run(&mut self, cases: &[Case], rounds: u32, purpose: Purpose) -> anyhow::Result<()> {
        if matches!(self.end, End::Done) {
            let executor = self.executor()?.enclosing(self.enclosures.clone()).prepared_for(cases);
            self.run_by(&executor, cases, rounds, purpose);
        }
        Ok(())
    }

    /// Runs every case as [`run`](Self::run) does, by an executor.
    pub(crate) fn run_by(&mut self, executor: &dyn Executor, cases: &[Case], rounds: u32, purpose: Purpose) {
        self.run_rounds(executor, cases, 0..rounds, purpose);
    }

    /// Runs every case as [`run_by`](Self::run_by) does. Unless the user has set the number of rounds or a precision,
    /// further rounds follow while the confidence intervals are too wide to decide, up to [`MOST`] times `rounds`.
    ///
    /// # Errors
    /// Fails if the records cannot be read back.
    pub(crate) fn run_until_decided(
        &mut self,
        executor: &dyn Executor,
        cases: &[Case],
        rounds: u32,
    ) -> anyhow::Result<()> {
        self.run_by(executor, cases, rounds, Purpose::Measure);
        let is_fixed = self.args.rounds.is_some() || self.args.precision.is_some();
        let most = if is_fixed { rounds } else { rounds.saturating_mul(MOST) };
        for round in rounds..most {
            if !matches!(self.end, End::Done) {
                break;
            }
            let open = undecided(cases, &self.records()?);
            if open.is_empty() {
                break;
            }
            self.plan_further(&open);
            self.run_rounds(executor, &open, round..round + 1, Purpose::Measure);
        }
        Ok(())
    }

    /// Adds a round of `cases` to the planned runs. Otherwise, runs of further rounds would count in place of those
    /// that a time limit leaves out.
    fn plan_further(&mut self, cases: &[Case]) {
        self.expected = self.expected.and(Expectation::of(cases, 1));
        self.session = self.session.clone().planning(self.expected.runs());
    }

    fn run_rounds(&mut self, executor: &dyn Executor, cases: &[Case], rounds: Range<u32>, purpose: Purpose) {
        let session = self.session.clone().for_purpose(purpose);
        let entry = |case: &Case| Entry::new(case.clone(), session.clone(), executor);
        self.run_entries(cases.iter().map(entry).collect(), rounds, purpose);
    }

    fn run_entries(&mut self, entries: Vec<Entry<'_>>, rounds: Range<u32>, purpose: Purpose) {
        if !matches!(self.end, End::Done) {
            return;
        }
        let left = self.args.max_time.map(|longest| longest.saturating_sub(self.began.elapsed()));
        let mut plan = self.args.plan(rounds.end - rounds.start, purpose, left).from_round(rounds.start);
        let mut entries = entries;
        if let Some(earlier) = &self.earlier {
            plan = plan.in_schedule(earlier.schedule());
            entries = entries.into_iter().map(|entry| entry.after(earlier)).collect();
        }
        let (kept, made, json, sequence) =
            (&mut self.kept, &mut self.made, self.args.json, &mut self.sequence);
        let (last, further) = (rounds.end, &mut self.further);
        let mut keep = |record: &Record| -> anyhow::Result<()> {
            let mut record = numbered(record, sequence);
            // Rounds that `--precision` adds must not count in place of runs that a time limit leaves out.
            *further += u64::from(record.round >= last);
            record.planned_runs = record.planned_runs.map(|runs| runs.saturating_add(*further));
            let record = &record;
            kept.keep(record)?;
            *made += 1;
            if json { print(&record.to_line()?) } else { Ok(()) }
        };
        let running = run_entries(&entries, plan, &mut self.view, &mut keep);
        let stopped = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.interruption.wait() => Ok(Stop::Interrupted),
                stopped = running => stopped,
            }
        });
        self.end = End::of(stopped);
    }

    fn executor(&self) -> anyhow::Result<ProcessExecutor> {
        let executor = ProcessExecutor::of_this_program(self.args.settings());
        Ok(executor
            .context("cannot find this program's own file")?
            .on(self.args.affinity.clone())
            .settling(self.args.settle.unwrap_or_default())
            .with_servers_on(self.peer_host.clone()))
    }

    /// Runs a case once without a record, for the call sites of memory that each end keeps. `None` once the session has
    /// ended early.
    ///
    /// # Errors
    /// Fails if this program cannot be started again, or the run failed.
    pub(crate) fn call_sites(&mut self, case: &Case) -> anyhow::Result<Option<ByEnd<Vec<CallSite>>>> {
        if !matches!(self.end, End::Done) {
            return Ok(None);
        }
        let executor = self.executor()?.tracing();
        let running = executor.run(case, &mut self.view);
        let outcome = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.interruption.wait() => None,
                outcome = running => Some(outcome),
            }
        });
        let Some(outcome) = outcome else {
            self.end = End::Interrupted;
            return Ok(None);
        };
        outcome.fault.map_or(Ok(Some(outcome.call_sites)), |fault| {
            Err(anyhow!("{} cannot be traced: {}", case.key(), fault.message))
        })
    }

    /// Replaces the estimate of the runs that have not finished, once their cases are known.
    pub(crate) fn expect(&mut self, rest: Expectation) {
        self.view.expect(rest);
    }

    /// Writes a further file into the folder of results, if there is one.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub(crate) fn keep_text(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.kept.keep_text(name, text)
    }

    /// Returns the records of all runs, as they were written.
    ///
    /// # Errors
    /// Fails if the file cannot be read back.
    pub(crate) fn records(&self) -> anyhow::Result<Vec<Record>> {
        self.kept.records()
    }

    /// Removes the live view, prints the conclusion, and writes the report beside the records. Returns `verdict`,
    /// unless the session was interrupted or had no run left to make.
    ///
    /// # Errors
    /// Fails if the folder cannot be written, stdout is closed, or a record could not be written.
    pub(crate) fn close(
        mut self,
        title: &str,
        records: &[Record],
        analysis: &Analysis,
        text: &str,
        verdict: Verdict,
    ) -> anyhow::Result<Verdict> {
        self.view.finish();
        if self.view.is_live() {
            state_own_cost(self.began, self.used);
        }
        let stopped = self.end.stopped(&self.expected.share(records.len()));
        let title = self.args.title.as_deref().unwrap_or(title);
        let title = stopped.as_ref().map_or(title.to_owned(), |stopped| format!("{title} ({stopped})"));
        let reported = self.kept.report(&Report::new(&title, records, analysis), self.args.csv);
        if self.args.json {
            stderr_text(format_args!("{text}"))
        } else {
            conclude(text)?
        }
        let is_reader_gone = matches!(&self.end, End::Failed(error) if is_reader_gone(error));
        // If there are records, the text on stdout already states the interruption.
        let is_said =
            matches!(self.end, End::Interrupted) && analysis.interruption.is_some() && !self.args.json;
        if let Some(stopped) = stopped.filter(|_| !is_said && !is_reader_gone) {
            stderr_line(format_args!("{stopped}"));
        }
        if let Ok(Some(page)) = &reported
            && !is_reader_gone
        {
            stderr_line(format_args!("report: {}", file_url(page)));
        }
        match self.end {
            End::Done if self.earlier.is_some() && self.made == 0 => {
                stderr_line(format_args!(
                    "the session is complete: all its {} runs are recorded",
                    records.len()
                ));
                reported.map(|_| Verdict::Good)
            }
            End::Failed(error) => Err(error),
            End::Interrupted => reported.map(|_| Verdict::Interrupted),
            End::Done | End::OutOfTime | End::Futile => reported.map(|_| verdict),
        }
    }
}

/// Returns a record with its position in the session.
fn numbered(record: &Record, sequence: &mut u64) -> Record {
    let mut record = record.clone();
    record.sequence = Some(*sequence);
    *sequence += 1;
    record
}

/// Returns the cases of those series that further rounds may decide.
fn undecided(cases: &[Case], records: &[Record]) -> Vec<Case> {
    let proof = Proof::of(records);
    let open = proof.judgements.iter().filter(|judgement| judgement.needs_rounds());
    let open: Vec<CaseKey> = open.map(|judgement| judgement.series.key.case.clone()).collect();
    cases.iter().filter(|case| open.contains(&case.key().without_body())).cloned().collect()
}

/// Prints a warning of each condition of this machine that spoils the figures of some cases. The warnings are printed
/// even with `--quiet`, because the results are worth less.
fn warn(warnings: &[Warning]) {
    let screen = stderr_screen();
    let lines = warnings.iter().map(|warning| screen.headed(Tone::Warning, "Warning", &warning.to_string()));
    stderr_text(format_args!("{}", lines.collect::<String>()));
    if !warnings.is_empty() {
        stderr_line(format_args!("Remedies: longhaul doctor"));
    }
}
