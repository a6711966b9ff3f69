//! Third-party clients, which upload bodies to longhaul's server or download bodies from it.

use std::{ffi::OsString, process::ExitStatus, time::Duration};

use async_trait::async_trait;
use metrics::Stamp;
use record::{Case, Direction, End, Fault, FaultKind, Subject, mib};
use run::{Executor, Observer, Outcome};
use tokio::{pin, time::sleep};

use crate::{
    Bodies, CommandLine,
    command::Placeholder,
    exchange::beside,
    origin::{Observed, Origin},
    program::Program,
    sampling::{Heartbeats, Sampling},
    standstill::{Standstill, allowance, stand_still},
    watch::{HEARTBEAT, Watch},
};

/// The longest time without a byte after a client and its descendants have ended. Their last bytes may wait in the
/// kernel for a slow reader.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// The interval at which the last bytes of a client that has ended are counted.
const LOOK: Duration = Duration::from_millis(10);

/// Runs a client once for each case, against a fresh server whose reader has the rate of the case.
pub struct ClientProgram {
    command: CommandLine,
    bodies: Option<Bodies>,
    timeout: Duration,
}

impl ClientProgram {
    /// Makes an executor for a client. A client is killed when no byte has moved for `timeout`.
    pub fn new(command: CommandLine, timeout: Duration) -> Self {
        Self { command, bodies: None, timeout }
    }

    /// Sets the files that the client uploads.
    #[must_use]
    pub fn uploading(self, bodies: impl Into<Option<Bodies>>) -> Self {
        Self { bodies: bodies.into(), ..self }
    }

    async fn transfer(&self, case: &Case, observer: &mut dyn Observer) -> Result<Outcome, Fault> {
        let standstill = Standstill::of(case, Subject::Client);
        let halt = standstill.as_ref().map(Standstill::halt);
        let origin = Origin::listen(case, self.timeout, halt.as_ref())?;
        let (observed, words) = (origin.observed(), self.words(case, &origin));
        let mut program = Program::start(&words, None)?;
        let processes = program.processes().clone();
        let (sampled, progress) = (processes.clone(), observed.clone());
        observed.before_each_receipt(move || processes.sample());
        let sampling = Sampling::following(sampled, move || progress.bytes());
        let serving = serve(origin, standstill.as_ref());
        pin!(serving);
        let timeout = self.timeout.saturating_add(allowance(case));
        let run = Run { case, observed: &observed, timeout };
        let status = tokio::select! {
            status = run.follow(&mut program, &sampling, observer) => status,
            () = &mut serving => Err(Fault::new(FaultKind::Listen, "the server has stopped")),
        };
        let watch = sampling.finish();
        let mut outcome = run.outcome(&program, &watch);
        // A client that gives up exits with a status other than 0. A client that is killed by a signal has no status.
        let gives_up = status.as_ref().is_ok_and(|status| status.code().is_some_and(|code| code != 0));
        outcome.fault = match status {
            Ok(status) => run.fault(&mut program, status).await,
            Err(fault) => Some(fault),
        };
        if let Some(standstill) = &standstill {
            standstill.conclude(&mut outcome, watch.began(), |_| gives_up);
        }
        if outcome.fault.is_none() {
            let sent = self.bodies.as_ref().and_then(|bodies| bodies.digest(case.body));
            let received = observed.receipt().and_then(|receipt| receipt.digest);
            outcome.prove(sent.map(|digest| digest.to_string()), received);
        }
        Ok(outcome)
    }

    /// Returns the command line of a run.
    fn words(&self, case: &Case, origin: &Origin) -> Vec<OsString> {
        self.command.filled(|placeholder| match placeholder {
            Placeholder::Size | Placeholder::N => case.body.0.to_string().into(),
            Placeholder::File => {
                self.bodies.as_ref().map(|bodies| bodies.file(case.body).into()).unwrap_or_default()
            }
            other => origin.value(other),
        })
    }
}

#[async_trait(?Send)]
impl Executor for ClientProgram {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome {
        self.transfer(case, observer).await.unwrap_or_else(Outcome::failed)
    }
}

/// Runs the server, and beside it the standstill of its reader, if there is one.
async fn serve(origin: Origin, standstill: Option<&Standstill>) {
    tokio::select! {
        () = origin.serve() => (),
        () = beside(stand_still(standstill)) => (),
    }
}

/// One run of a client.
struct Run<'a> {
    case: &'a Case,
    observed: &'a Observed,
    timeout: Duration,
}

impl Run<'_> {
    /// Waits until the client has ended and its bytes have arrived, and reports its progress.
    ///
    /// # Errors
    /// Fails if no byte has moved for the timeout, and if the exit status of the client cannot be read.
    async fn follow(
        &self,
        program: &mut Program,
        sampling: &Sampling,
        observer: &mut dyn Observer,
    ) -> Result<ExitStatus, Fault> {
        let mut heartbeats = Heartbeats::new(self.case, self.end(), sampling);
        let (mut moved, mut seen) = (Stamp::now(), 0);
        loop {
            let bytes = self.observed.bytes();
            heartbeats.report(bytes, observer);
            if bytes != seen {
                (seen, moved) = (bytes, Stamp::now());
            }
            match program.ended_within(HEARTBEAT).await? {
                None => {}
                Some(status)
                    if !status.success()
                        || self.is_whole()
                        || program.processes().are_gone() && moved.elapsed() >= LAST_BYTES =>
                {
                    return Ok(status);
                }
                Some(_) => sleep(LOOK).await,
            }
            if moved.elapsed() >= self.timeout {
                return Err(self.stalled(program).await);
            }
        }
    }

    async fn stalled(&self, program: &mut Program) -> Fault {
        let seconds = self.timeout.as_secs_f64();
        let what = match (self.observed.requests(), self.is_whole()) {
            (0, _) => format!("has sent no request for {seconds} s"),
            (_, true) => format!("still ran {seconds} s after its body had arrived"),
            (_, false) => format!("moved no byte for {seconds} s, after {}", self.progress()),
        };
        program.end();
        program.fault(FaultKind::Timeout, what).await
    }

    /// Returns the client's end of the body: sender or receiver.
    fn end(&self) -> End {
        Subject::Client.end(self.case.direction)
    }

    /// Returns whether the whole body has moved. An upload has a receipt then; a download was handed to the connection.
    fn is_whole(&self) -> bool {
        match self.case.direction {
            Direction::Up => self.observed.receipt().is_some_and(|receipt| receipt.bytes >= self.case.body.0),
            Direction::Down => self.observed.bytes() >= self.case.body.0,
        }
    }

    fn progress(&self) -> String {
        format!("{:.1} of {:.1} MiB", mib(self.observed.bytes()), mib(self.case.body.0))
    }

    /// Returns the measurements. The time of an upload is that from its first byte to its last.
    fn outcome(&self, program: &Program, watch: &Watch) -> Outcome {
        let mut outcome = Outcome::default();
        let elapsed_s = match self.case.direction {
            Direction::Up => self.observed.receipt().map(|receipt| receipt.elapsed_s),
            Direction::Down => watch.began().map(|began| began.elapsed().as_secs_f64()),
        };
        outcome.elapsed_s = elapsed_s.filter(|_| self.is_whole());
        outcome.ends[self.end()] = Some(watch.record(program.processes(), self.observed.bytes()));
        outcome
    }

    /// Returns the failure of a client that has ended; `None` if the client did not fail.
    async fn fault(&self, program: &mut Program, status: ExitStatus) -> Option<Fault> {
        let ended = program.describe(status);
        if !status.success() {
            return Some(program.fault(FaultKind::Program, format!("failed ({ended})")).await);
        }
        if self.observed.requests() == 0 {
            return Some(
                program.fault(FaultKind::Program, format!("ended ({ended}) without a request")).await,
            );
        }
        if !self.is_whole() {
            let what = format!("ended ({ended}) after {}", self.progress());
            return Some(program.fault(FaultKind::Truncated, what).await);
        }
        None
    }
}
