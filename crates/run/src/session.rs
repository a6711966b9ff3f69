//! One invocation: rounds over the whole matrix, a record as soon as a run ends.

use std::{error::Error, io};

use jiff::Timestamp;
use record::{Build, Case, End, EndRecord, Host, Purpose, Record, redacted_command};
use uuid::Uuid;

use crate::{Budget, Executor, Interruption, Observer, Outcome};

/// The way in which a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All runs were made.
    Done,
    /// The user interrupted the session.
    Interrupted,
}

/// A failure that ends a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Signals cannot be handled.
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
    /// A record could not be kept.
    #[error("{0}")]
    Record(#[source] Box<dyn Error + Send + Sync>),
}

/// The facts that all records of an invocation share.
#[derive(Clone, Debug)]
pub struct Session {
    run_id: String,
    command: String,
    host: Host,
    build: Build,
    purpose: Purpose,
    label: Option<String>,
    peer: Option<String>,
}

impl Session {
    /// A session of this command on a machine, by a build.
    pub fn new(host: Host, build: Build) -> Self {
        Self {
            run_id: Uuid::now_v7().to_string(),
            command: command_line(),
            host,
            build,
            purpose: Purpose::Measure,
            label: None,
            peer: None,
        }
    }

    /// Sets the purpose of all later runs.
    #[must_use]
    pub fn for_purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Sets the label of all later runs.
    #[must_use]
    pub fn labelled(self, label: impl Into<Option<String>>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Sets the URL of the peer of all later runs.
    #[must_use]
    pub fn with_peer(self, peer: impl Into<Option<String>>) -> Self {
        Self { peer: peer.into(), ..self }
    }

    /// Runs every case `rounds` times, the whole matrix before the next round, so that a machine that drifts affects
    /// all cases alike. Each record is handed to `keep` before the next run starts. Ctrl-C, SIGTERM and SIGHUP end the
    /// session; a run in flight is dropped, and with it its processes.
    ///
    /// # Errors
    /// `keep` failed, or signals cannot be handled.
    pub async fn run<E: Into<Box<dyn Error + Send + Sync>>>(
        &self,
        cases: &[Case],
        rounds: u32,
        executor: &dyn Executor,
        observer: &mut dyn Observer,
        keep: &mut dyn FnMut(&Record) -> Result<(), E>,
    ) -> Result<Stop, SessionError> {
        let mut interruption = Interruption::catch().map_err(SessionError::Signals)?;
        for round in 0..rounds {
            for case in cases {
                observer.started(case, round);
                let started = Timestamp::now();
                let outcome = tokio::select! {
                    outcome = executor.run(case, observer) => outcome,
                    () = interruption.wait() => return Ok(Stop::Interrupted),
                };
                let record = self.record(case, round, started, outcome);
                keep(&record).map_err(|error| SessionError::Record(error.into()))?;
                observer.finished(&record);
            }
        }
        Ok(Stop::Done)
    }

    /// The record of one run.
    pub fn record(&self, case: &Case, round: u32, started: Timestamp, outcome: Outcome) -> Record {
        let total = case.total_bytes() as f64;
        let budgeted = |end: End, measured: Option<EndRecord>| {
            measured.map(|mut measured| {
                measured.memory.hold_against(Budget::of(case, end).bytes());
                measured
            })
        };
        let mut record = Record::new(&self.run_id, case.clone());
        (record.purpose, record.label, record.peer) =
            (Some(self.purpose), self.label.clone(), self.peer.clone());
        (record.round, record.started_at) = (round, started.to_string());
        if outcome.fault.is_some() {
            record.outcome = record::Outcome::Error;
        }
        record.error = outcome.fault;
        record.elapsed_s = outcome.elapsed_s;
        record.goodput_bytes_per_s = outcome.elapsed_s.map(|elapsed| total / elapsed);
        (record.handshake_s, record.first_byte_s) = (outcome.handshake_s, outcome.first_byte_s);
        record.spin_us = Some(case.spin.unwrap_or_default().as_secs_f64() * 1e6);
        record.sender = budgeted(End::Sender, outcome.ends.sender);
        record.receiver = budgeted(End::Receiver, outcome.ends.receiver);
        (record.core_round_trip, record.integrity) = (outcome.core_round_trip, outcome.integrity);
        record.command = Some(self.command.clone());
        (record.host, record.build) = (self.host.clone(), self.build.clone());
        record.link = outcome.link;
        record
    }
}

/// The command line, without the folder of the program and without secrets.
fn command_line() -> String {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    redacted_command(std::iter::once("longhaul".into()).chain(arguments))
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, convert::Infallible};

    use async_trait::async_trait;
    use record::{Fault, FaultKind};

    use super::*;
    use crate::{Heartbeat, Unobserved, this_host};

    /// Runs nothing; fails for one protocol.
    struct Mock;

    #[async_trait(?Send)]
    impl Executor for Mock {
        async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome {
            let heartbeat = Heartbeat { bytes: 1, rss_bytes: None, baseline_rss_bytes: None };
            observer.progress(case, End::Sender, heartbeat);
            match case.protocol.as_str() {
                "h1" => Outcome::failed(Fault::new(FaultKind::Connect, "nobody")),
                _ => Outcome { elapsed_s: Some(2.0), ..Outcome::default() },
            }
        }
    }

    #[derive(Default)]
    struct Log(RefCell<Vec<String>>);

    impl Observer for &Log {
        fn started(&mut self, case: &Case, round: u32) {
            self.0.borrow_mut().push(format!("start {} {round}", case.protocol));
        }

        fn progress(&mut self, _: &Case, _: End, _: Heartbeat) {
            self.0.borrow_mut().push("progress".into());
        }

        fn finished(&mut self, record: &Record) {
            self.0.borrow_mut().push(format!("finish {}", record.case.protocol));
        }
    }

    fn session() -> Session {
        Session::new(this_host(), Build::default())
    }

    #[tokio::test]
    async fn rounds_cover_the_whole_matrix_and_each_record_is_kept_before_the_next_run() {
        let log = Log::default();
        let mut keep = |record: &Record| -> Result<(), Infallible> {
            log.0.borrow_mut().push(format!("write {} {}", record.case.protocol, record.round));
            Ok(())
        };
        let cases = [Case::new("tcp"), Case::new("h2")];
        let stop = session().run(&cases, 2, &Mock, &mut &log, &mut keep).await.unwrap();
        assert_eq!(stop, Stop::Done);
        let mut expected = Vec::new();
        for round in 0..2 {
            for name in ["tcp", "h2"] {
                expected.push(format!("start {name} {round}"));
                expected.push("progress".into());
                expected.push(format!("write {name} {round}"));
                expected.push(format!("finish {name}"));
            }
        }
        assert_eq!(*log.0.borrow(), expected);
    }

    #[tokio::test]
    async fn a_failing_case_is_a_record_and_the_rest_goes_on() {
        let mut records = Vec::new();
        let mut keep = |record: &Record| -> Result<(), Infallible> {
            records.push(record.clone());
            Ok(())
        };
        let cases = [Case::new("h1"), Case::new("h2")];
        let session = session().labelled("some".to_owned()).for_purpose(Purpose::Control);
        session.run(&cases, 1, &Mock, &mut Unobserved, &mut keep).await.unwrap();
        assert_eq!((records[0].is_ok(), records[1].is_ok()), (false, true));
        assert_eq!(records[0].error.as_ref().unwrap().kind, FaultKind::Connect);
        assert_eq!(records[1].goodput_bytes_per_s, Some(f64::from(1 << 30)));
        assert_eq!(records[0].run_id, records[1].run_id);
        assert_eq!((records[1].label.as_deref(), records[1].purpose), (Some("some"), Some(Purpose::Control)));
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_kept_ends_the_session() {
        let mut keep = |_: &Record| Err("disk full");
        let cases = [Case::new("tcp"), Case::new("h2")];
        let error = session().run(&cases, 1, &Mock, &mut Unobserved, &mut keep).await.unwrap_err();
        assert_eq!(error.to_string(), "disk full");
    }
}
