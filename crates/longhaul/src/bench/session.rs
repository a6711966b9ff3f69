//! One invocation: rounds over the whole matrix, a record as soon as a run ends.

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::executor::{Executor, Measured, Observer};
use crate::{
    build::Build,
    case::Case,
    host::Host,
    record::{CaseRecord, End, Outcome, Record, SCHEMA_VERSION},
    report::Sample,
};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Done,
    Interrupted,
}

/// What all records of an invocation share, and what is kept of them for the summary.
pub(crate) struct Session {
    run_id: String,
    command: String,
    host: Host,
    build: Build,
    samples: Vec<Sample>,
}

impl Session {
    /// A session of this command.
    pub(crate) fn new(host: Host, build: Build) -> Self {
        Self { run_id: Uuid::now_v7().to_string(), command: command_line(), host, build, samples: Vec::new() }
    }

    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Runs every case `rounds` times, the whole matrix before the next round, so that a machine that
    /// drifts hurts all cases alike. Ctrl-C and SIGTERM end it; a run in flight is dropped, and with it its
    /// processes.
    ///
    /// # Errors
    /// A record could not be written.
    pub(super) async fn run(
        &mut self,
        cases: &[Case],
        rounds: u32,
        executor: &dyn Executor,
        observer: &mut dyn Observer,
        write: &mut dyn FnMut(&Record) -> anyhow::Result<()>,
    ) -> anyhow::Result<Stop> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        for round in 0..rounds {
            for case in cases {
                observer.started(case, round);
                let started = Timestamp::now();
                let measured = tokio::select! {
                    measured = executor.run(case, observer) => measured,
                    _ = interrupt.recv() => return Ok(Stop::Interrupted),
                    _ = terminate.recv() => return Ok(Stop::Interrupted),
                };
                let record = self.record(case, round, started, measured);
                write(&record)?;
                observer.finished(&record);
                self.samples.push(Sample::from(&record));
            }
        }
        Ok(Stop::Done)
    }

    /// The record of one run.
    pub(crate) fn record(&self, case: &Case, round: u32, started: Timestamp, measured: Measured) -> Record {
        let total = case.total_bytes() as f64;
        Record {
            schema_version: SCHEMA_VERSION,
            run_id: self.run_id.clone(),
            case: CaseRecord::from(case),
            round,
            started_at: started.to_string(),
            outcome: if measured.fault.is_none() { Outcome::Ok } else { Outcome::Error },
            error: measured.fault,
            elapsed_s: measured.elapsed_s,
            goodput_bytes_per_s: measured.elapsed_s.map(|elapsed| total / elapsed),
            handshake_s: measured.handshake_s,
            first_byte_s: measured.first_byte_s,
            sender: measured.sender.map(|sender| sender.judged(case, End::Sender)),
            receiver: measured.receiver.map(|receiver| receiver.judged(case, End::Receiver)),
            core_round_trip: measured.core_round_trip,
            integrity: measured.integrity,
            command: Some(self.command.clone()),
            host: self.host.clone(),
            build: self.build.clone(),
            link: measured.link,
            limits: case.limits.clone(),
        }
    }
}

/// The command line, without the folder that this binary happens to be in.
fn command_line() -> String {
    std::iter::once("longhaul".into()).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        case::tests::plain,
        instruments::Sign,
        record::{End, Fault, FaultKind},
    };

    /// Runs nothing; fails for one protocol.
    struct Mock;

    #[async_trait(?Send)]
    impl Executor for Mock {
        async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Measured {
            let sign = Sign { bytes: 1, rss_bytes: None, baseline_rss_bytes: None };
            observer.progress(case, End::Sender, sign);
            let fault = || Fault { kind: FaultKind::Connect, message: "nobody".into(), end: None };
            match case.transport.name() {
                "h1" => Measured { fault: Some(fault()), ..Measured::default() },
                _ => Measured { elapsed_s: Some(2.0), ..Measured::default() },
            }
        }
    }

    #[derive(Default)]
    struct Log(RefCell<Vec<String>>);

    impl Observer for &Log {
        fn started(&mut self, case: &Case, round: u32) {
            self.0.borrow_mut().push(format!("start {} {round}", case.transport.name()));
        }

        fn progress(&mut self, _: &Case, _: End, _: Sign) {
            self.0.borrow_mut().push("progress".into());
        }

        fn finished(&mut self, record: &Record) {
            self.0.borrow_mut().push(format!("finish {}", record.case.protocol));
        }
    }

    fn session() -> Session {
        Session::new(Host::here(), Build::this())
    }

    #[tokio::test]
    async fn rounds_go_over_the_whole_matrix_and_each_record_is_written_before_the_next_run() {
        let log = Log::default();
        let mut write = |record: &Record| {
            log.0.borrow_mut().push(format!("write {} {}", record.case.protocol, record.round));
            Ok(())
        };
        let cases = [plain("tcp"), plain("h2")];
        let stop = session().run(&cases, 2, &Mock, &mut &log, &mut write).await.unwrap();
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
        let mut session = session();
        let mut write = |record: &Record| {
            records.push(record.clone());
            Ok(())
        };
        let cases = [plain("h1"), plain("h2")];
        session.run(&cases, 1, &Mock, &mut &Log::default(), &mut write).await.unwrap();
        assert_eq!((records[0].outcome, records[1].outcome), (Outcome::Error, Outcome::Ok));
        assert_eq!(records[0].error.as_ref().unwrap().kind, FaultKind::Connect);
        assert_eq!(records[1].goodput_bytes_per_s, Some(f64::from(1 << 30)));
        assert_eq!(records[0].run_id, records[1].run_id);
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_written_ends_the_session() {
        let mut write = |_: &Record| anyhow::bail!("disk full");
        let cases = [plain("tcp"), plain("h2")];
        let error = session().run(&cases, 1, &Mock, &mut &Log::default(), &mut write).await.unwrap_err();
        assert_eq!(error.to_string(), "disk full");
    }
}
