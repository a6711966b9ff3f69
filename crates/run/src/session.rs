//! Sessions: rounds over the whole matrix, with a record of each run as soon as it ends.

use std::{borrow::Cow, error::Error, io};

use jiff::Timestamp;
use record::{
    Build, ByteSize, Case, End, EndRecord, Host, PeerProgram, Purpose, Record, Subject, Warning,
    redacted_words,
};
use uuid::Uuid;

use crate::{
    Budget, Earlier, Executor, Interruption, Observer, Outcome, Plan,
    earlier::RecordedRounds,
    other_build,
    rounds::{Next, Rounds},
};

/// The reason why a session ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All planned runs have been made.
    Done,
    /// The time limit of the plan has passed, or the next round might not end in time.
    OutOfTime,
    /// A signal interrupted the session (see [`Interruption`]).
    Interrupted,
    /// After a round, at least three runs had been made, and all had failed.
    Futile,
}

/// A failure that ends a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The handler of signals cannot be installed.
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
    /// A record could not be written.
    #[error("{0}")]
    Record(#[source] Box<dyn Error + Send + Sync>),
}

/// A session: the facts that all its records share.
#[derive(Clone, Debug)]
pub struct Session {
    run_id: String,
    command: Option<String>,
    host: Host,
    build: Build,
    purpose: Purpose,
    label: Option<String>,
    peer: Option<String>,
    subject: Option<Subject>,
    peer_program: Option<PeerProgram>,
    slope_limit: Option<ByteSize>,
    planned_runs: Option<u64>,
    warnings: Vec<Warning>,
}

impl Session {
    /// Returns a session on the machine `host` and with the program `build`. Its records state no command line.
    pub fn new(host: Host, build: Build) -> Self {
        Self {
            run_id: Uuid::now_v7().to_string(),
            command: None,
            host,
            build,
            purpose: Purpose::Measure,
            label: None,
            peer: None,
            subject: None,
            peer_program: None,
            slope_limit: None,
            planned_runs: None,
            warnings: Vec::new(),
        }
    }

    /// Continues an earlier invocation of the program: all records state the identifier and command line of that
    /// invocation.
    #[must_use]
    pub fn continuing(self, earlier: &Earlier) -> Self {
        let command = earlier.command.clone().or(self.command);
        Self { run_id: earlier.run_id.clone(), command, ..self }
    }

    /// Sets the command line that the records state. Records are shared and published, so it must be without secrets.
    /// That of longhaul itself is [`command_line`].
    #[must_use]
    pub fn with_command(self, command: impl Into<Option<String>>) -> Self {
        Self { command: command.into(), ..self }
    }

    /// Sets the purpose that the records state.
    #[must_use]
    pub fn for_purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Sets the label that the records state.
    #[must_use]
    pub fn labelled(self, label: impl Into<Option<String>>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Sets the URL of the peer that the records state.
    #[must_use]
    pub fn with_peer(self, peer: impl Into<Option<String>>) -> Self {
        Self { peer: peer.into(), ..self }
    }

    /// Declares one end of every run to be a program of someone else, with its role and its command line. Neither end
    /// has a budget then: the buffers of such a program are unknown.
    #[must_use]
    pub fn about(self, subject: Subject, command: impl Into<String>) -> Self {
        Self { subject: Some(subject), peer: Some(command.into()), ..self }
    }

    /// Declares one end of every run to be a program of someone else, with its role and its name in tables. The other
    /// end is longhaul's own, whose memory has a budget.
    #[must_use]
    pub fn beside(self, subject: Subject, name: impl Into<String>, program: PeerProgram) -> Self {
        Self { subject: Some(subject), peer: Some(name.into()), peer_program: Some(program), ..self }
    }

    /// Sets the slope of memory from which the records count as growth, in bytes per GiB of body.
    #[must_use]
    pub fn limiting_slopes(self, limit: impl Into<Option<ByteSize>>) -> Self {
        Self { slope_limit: limit.into(), ..self }
    }

    /// Sets the number of planned runs that the records state.
    #[must_use]
    pub fn planning(self, runs: u64) -> Self {
        Self { planned_runs: Some(runs), ..self }
    }

    /// Adds conditions of the machine that spoil the figures of every run.
    #[must_use]
    pub fn warned_of(mut self, mut warnings: Vec<Warning>) -> Self {
        self.warnings.append(&mut warnings);
        self
    }

    /// Runs every case once in each round of the plan. Since each round covers the whole matrix, drift of the machine
    /// affects all cases alike.
    ///
    /// Each record is passed to `keep` before the next run starts; warm-up runs have no records. SIGINT (Ctrl-C),
    /// SIGTERM and SIGHUP end the session. The running case is then dropped, together with its processes. After the
    /// session, these signals do not end this process any more ([`Interruption::catch`]).
    ///
    /// # Errors
    /// Fails if `keep` fails, or if signals cannot be handled.
    pub async fn run<E: Into<Box<dyn Error + Send + Sync>>>(
        &self,
        cases: &[Case],
        plan: impl Into<Plan>,
        executor: &dyn Executor,
        observer: &mut dyn Observer,
        keep: &mut dyn FnMut(&Record) -> Result<(), E>,
    ) -> Result<Stop, SessionError> {
        let entry = |case: &Case| Entry::new(case.clone(), self.clone(), executor);
        let entries: Vec<Entry<'_>> = cases.iter().map(entry).collect();
        run_entries(&entries, plan, observer, keep).await
    }

    /// Returns whether an end has a budget. A program of someone else has none, nor has longhaul's end opposite a
    /// program under proof ([`about`](Self::about)). Runs with `--profile stock` have none.
    fn has_budget(&self, case: &Case, end: End) -> bool {
        let is_own = match (self.subject, &self.peer_program) {
            (None, _) => true,
            (Some(subject), Some(_)) => subject.end(case.direction) != end,
            (Some(_), None) => false,
        };
        is_own && !case.is_stock()
    }

    /// Returns the record of one run.
    pub fn record(&self, case: &Case, round: u32, started: Timestamp, outcome: Outcome) -> Record {
        let total = case.total_bytes() as f64;
        let budgeted = |end: End, measured: Option<EndRecord>| {
            measured.map(|mut measured| {
                if self.has_budget(case, end) {
                    measured.memory.hold_against(Budget::of(case, end).bytes());
                }
                measured
            })
        };
        let mut record = Record::new(&self.run_id, case.clone());
        (record.purpose, record.label, record.peer) =
            (Some(self.purpose), self.label.clone(), self.peer.clone());
        (record.subject, record.peer_program) = (self.subject, self.peer_program.clone());
        record.slope_limit_bytes = self.slope_limit.map(|limit| limit.0);
        (record.planned_runs, record.warnings) = (self.planned_runs, self.warnings.clone());
        (record.round, record.started_at) = (round, started.to_string());
        if outcome.fault.is_some() {
            record.outcome = record::Outcome::Error;
        }
        record.error = outcome.fault;
        record.elapsed_s = outcome.elapsed_s;
        record.goodput_bytes_per_s = outcome.elapsed_s.map(|elapsed| total / elapsed);
        (record.handshake_s, record.first_byte_s) = (outcome.handshake_s, outcome.first_byte_s);
        record.spin_us = Some(case.spin.unwrap_or_default().as_secs_f64() * 1e6);
        (record.absorbed_bytes, record.stall) = (outcome.absorbed_bytes, outcome.stall);
        record.sender = budgeted(End::Sender, outcome.ends.sender);
        record.receiver = budgeted(End::Receiver, outcome.ends.receiver);
        (record.core_round_trip, record.integrity) = (outcome.core_round_trip, outcome.integrity);
        record.command = self.command.clone();
        (record.host, record.build) = (self.host.clone().into(), self.build.clone().into());
        if let Some(peer) = outcome.peer_host {
            record.warnings.extend(peer.named_warnings().chain(other_build(&self.build, &peer)));
            (record.peer_host, record.peer_build) = (Some(peer.host.into()), Some(peer.build.into()));
        }
        (record.link, record.network) = (outcome.link, outcome.network.map(Box::new));
        (record.delivery, record.bodies) = (outcome.delivery, outcome.bodies);
        record.conditions = outcome.conditions;
        record.judge_disturbance();
        record.judge_limit();
        record
    }
}

/// A case, the executor that runs it, and the session whose facts its records state.
#[derive(Clone)]
pub struct Entry<'a> {
    /// The case.
    pub case: Case,
    /// The session. Entries that run together have sessions with one identifier.
    pub session: Session,
    /// The executor.
    pub executor: &'a dyn Executor,
    recorded: RecordedRounds,
}

impl<'a> Entry<'a> {
    /// Returns the entry of a case without recorded runs.
    pub fn new(case: Case, session: Session, executor: &'a dyn Executor) -> Self {
        Self { case, session, executor, recorded: RecordedRounds::new() }
    }

    /// Skips the runs that an earlier invocation has recorded.
    #[must_use]
    pub fn after(self, earlier: &Earlier) -> Self {
        let recorded = earlier.rounds(&self.case.key(), self.session.peer.as_deref());
        Self { recorded: recorded.cloned().unwrap_or_default(), ..self }
    }
}

impl AsRef<Case> for Entry<'_> {
    fn as_ref(&self) -> &Case {
        &self.case
    }
}

/// Runs every entry once in each round of the plan, as [`Session::run`] does. Cases with different executors take turns
/// within each round.
///
/// # Errors
/// Fails if `keep` fails, or if signals cannot be handled.
pub async fn run_entries<E: Into<Box<dyn Error + Send + Sync>>>(
    entries: &[Entry<'_>],
    plan: impl Into<Plan>,
    observer: &mut dyn Observer,
    keep: &mut dyn FnMut(&Record) -> Result<(), E>,
) -> Result<Stop, SessionError> {
    let (plan, interruption) = (plan.into(), Interruption::catch().map_err(SessionError::Signals)?);
    let mut steps = Steps { plan, interruption, is_warm: false };
    let mut rounds = Rounds::begin(plan);
    loop {
        let round = match rounds.next() {
            Next::Round(round) => round,
            Next::Done => return Ok(Stop::Done),
            Next::OutOfTime => return Ok(Stop::OutOfTime),
            Next::Futile => return Ok(Stop::Futile),
        };
        for entry in plan.order(entries, round) {
            if let Some(goodput) = entry.recorded.get(&round) {
                rounds.count(entry.case.key(), entry.session.peer.clone(), *goodput);
                continue;
            }
            if !steps.is_warm {
                if steps.warm_up(entries, &rounds, observer).await.is_none() {
                    return Ok(Stop::Interrupted);
                }
                rounds.begin_round();
            }
            if rounds.is_over() {
                return Ok(Stop::OutOfTime);
            }
            observer.facing(entry.session.peer.as_deref());
            observer.started(&entry.case, round);
            let Some(record) = steps.run(entry, round, observer).await else {
                return Ok(Stop::Interrupted);
            };
            rounds.keep(&record);
            keep(&record).map_err(|error| SessionError::Record(error.into()))?;
            observer.finished(&record);
        }
        rounds.end_round();
    }
}

/// The runs of a session, one at a time, until a signal interrupts them.
struct Steps {
    plan: Plan,
    interruption: Interruption,
    is_warm: bool,
}

impl Steps {
    /// Makes the warm-up runs, which are not recorded, within the time limit of `rounds`. Returns `None` if a signal
    /// interrupts one.
    async fn warm_up(
        &mut self,
        entries: &[Entry<'_>],
        rounds: &Rounds,
        observer: &mut dyn Observer,
    ) -> Option<()> {
        self.is_warm = true;
        for round in 0..self.plan.schedule.warmup_rounds {
            for entry in self.plan.order(entries, u32::MAX - round) {
                if rounds.is_out_of_time() {
                    return Some(());
                }
                observer.facing(entry.session.peer.as_deref());
                observer.warming_up(&entry.case, round);
                self.run(entry, round, observer).await?;
            }
        }
        Some(())
    }

    /// Makes one run. Returns `None` if a signal interrupts it.
    async fn run(&mut self, entry: &Entry<'_>, round: u32, observer: &mut dyn Observer) -> Option<Record> {
        let started = Timestamp::now();
        let outcome = tokio::select! {
            outcome = entry.executor.run(&entry.case, observer) => outcome,
            () = self.interruption.wait() => return None,
        };
        let mut record = entry.session.record(&entry.case, round, started, outcome);
        record.schedule = Some(self.plan.schedule);
        Some(record)
    }
}

/// Returns the command line of this process as a shell reads it, for [`Session::with_command`]. The process must be
/// longhaul itself: the first word is `longhaul`, and secrets are found and replaced by its flags.
pub fn command_line() -> String {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let words = redacted_words(std::iter::once("longhaul".into()).chain(arguments));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Returns a word as a shell reads it. Words of characters that are usual in lists, paths and URLs need no quotation
/// marks.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    // Null bytes alone cannot be quoted, and the arguments of a process have none.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

#[cfg(test)]
mod tests;
