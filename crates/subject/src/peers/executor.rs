//! The executor of cases in which a peer is one end, and a worker of longhaul is the other end.

use std::{
    cell::RefCell,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};

use async_trait::async_trait;
use metrics::Stamp;
use record::{Case, Direction, Fault, FaultKind, Subject, mib};
use run::{Executor, Observer, Outcome, OwnEnd, OwnReport, ProcessExecutor};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Peer,
    readiness::Readiness,
    run_folder::RunFolder,
    watched::{Measured, Watched},
};
use crate::{Bodies, environment::Environment, program::Program, source::free_port};

/// Runs a peer once for each case, against a worker of longhaul.
pub struct PeerExecutor {
    peer: Peer,
    own: Rc<ProcessExecutor>,
    bodies: Option<Rc<Bodies>>,
    folder: PathBuf,
    timeout: Duration,
}

impl PeerExecutor {
    /// Makes an executor for a peer. `own` starts longhaul's end, and must be prepared for the cases. Temporary files are made
    /// below `folder`. The timeout is the longest time until a server is ready or a client connects.
    pub fn new(peer: Peer, own: Rc<ProcessExecutor>, folder: PathBuf, timeout: Duration) -> Self {
        Self { peer, own, bodies: None, folder, timeout }
    }

    /// Sets the files with the bodies that clients upload and servers give.
    #[must_use]
    pub fn giving(self, bodies: Option<Rc<Bodies>>) -> Self {
        Self { bodies, ..self }
    }

    /// Makes the transfer of a case between a peer's client and longhaul's server.
    async fn by_client(
        &self,
        case: &Case,
        run_folder: &RunFolder,
        observer: &mut dyn Observer,
    ) -> Result<(Outcome, Option<String>), Fault> {
        let path = self.peer.path(case, &Uuid::new_v4().simple().to_string());
        let (mut own, addr, certificate) = self.own.own_server(case, &path).await?;
        let mut program = self.start(case, run_folder, addr, &path, certificate.as_deref())?;
        let mut watched = Watched::start(program.processes().clone());
        self.connection(&mut own, &mut program).await?;
        watched.begin();
        let early = tokio::select! {
            report = own.report(observer) => Some(report),
            exited = program.exited() => exited.map(|()| None)?,
        };
        let (ended, measured) = (Stamp::now(), watched.end());
        let failed = match program.ended()? {
            Some(status) if !status.success() => {
                let what = format!("failed ({})", program.describe(status));
                Some(program.fault(FaultKind::Program, what).await)
            }
            _ => None,
        };
        let mut report = last_report(early, own, observer).await;
        if case.direction == Direction::Down {
            let elapsed = ended.monotonic().zip(report.began).and_then(|(end, began)| end.checked_sub(began));
            report.outcome.elapsed_s = elapsed.map(|elapsed| elapsed.as_secs_f64());
        }
        report.outcome.fault = failed.or(report.outcome.fault);
        Ok(self.conclude(case, report, &measured))
    }

    /// Waits until the client is connected.
    async fn connection(&self, own: &mut OwnEnd, program: &mut Program) -> Result<(), Fault> {
        let connected = tokio::select! {
            biased;
            connected = timeout(self.timeout, own.ready()) => Some(connected),
            exited = program.exited() => exited.map(|()| None)?,
        };
        let what = match connected {
            Some(Ok(connected)) => return connected,
            Some(Err(_)) => format!("did not connect within {} s", self.timeout.as_secs_f64()),
            None => {
                let ended = program.ended()?.map(|status| program.describe(status)).unwrap_or_default();
                format!("ended ({ended}) before it made a request")
            }
        };
        program.end();
        Err(program.fault(FaultKind::Program, what).await)
    }

    /// Makes the transfer of a case between longhaul's client and a peer's server.
    async fn by_server(
        &self,
        case: &Case,
        run_folder: &RunFolder,
        observer: &mut dyn Observer,
    ) -> Result<(Outcome, Option<String>), Fault> {
        let path = self.peer.path(case, "");
        let port = free_port()?;
        let addr = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let mut program = self.start(case, run_folder, addr, &path, None)?;
        // The memory peak of the start does not count.
        Readiness::of(case, run_folder, port)?.wait(&mut program, self.timeout).await?;
        program.processes().tree().restart_peak();
        let mut watched = Watched::start(program.processes().clone());
        let transfer = async {
            let mut own = self.own.own_client(case, &path, addr, run_folder.certificate.clone()).await?;
            own.ready().await?;
            watched.begin();
            own.go().await?;
            let report = own.report(observer).await;
            own.stop().await;
            Ok::<_, Fault>(report)
        };
        let transferred = transfer.await;
        let measured = watched.end();
        // A program may go to the background: only once its descendants have ended, too, has it died.
        let died = match program.gone()? {
            Some(status) => {
                let what = format!("ended ({}) during the transfer", program.describe(status));
                Some(program.fault(FaultKind::Program, what).await)
            }
            None => None,
        };
        program.stop().await;
        match (transferred, died) {
            (Err(fault), died) => Err(died.unwrap_or(fault)),
            (Ok(mut report), died) => {
                report.outcome.fault = died.or(report.outcome.fault);
                Ok(self.conclude(case, report, &measured))
            }
        }
    }

    fn start(
        &self,
        case: &Case,
        run_folder: &RunFolder,
        addr: SocketAddr,
        path: &str,
        trusted: Option<&str>,
    ) -> Result<Program, Fault> {
        let values = run_folder.values(case, addr, path, trusted, self.bodies.as_deref())?;
        run_folder.write(&self.peer.files(case, &values))?;
        let words: Vec<_> = self.peer.words(case, &values).into_iter().map(Into::into).collect();
        // The program of the user may need more of the user's environment than a ready-made one.
        let environment = if self.peer.is_custom() { Environment::Inherited } else { Environment::Fixed };
        Program::start_on(
            self.own.core(case, self.peer.role().end(case.direction)),
            environment,
            &words,
            None,
        )
    }

    /// Adds the measurements of the peer to those of longhaul's end. Returns the digest of the received body, too.
    fn conclude(&self, case: &Case, report: OwnReport, measured: &Measured) -> (Outcome, Option<String>) {
        let OwnReport { mut outcome, received, began, .. } = report;
        let end = self.peer.role().end(case.direction);
        let own = outcome.ends[end.other()].clone().unwrap_or_default();
        outcome.ends[end] = Some(measured.record(&own, began));
        if outcome.fault.is_none() && own.bytes != case.body.0 {
            let (moved, total) = (mib(own.bytes), mib(case.body.0));
            let what = format!("{} ended after {moved:.1} of {total:.1} MiB", self.peer);
            outcome.fault = Some(Fault::new(FaultKind::Truncated, what));
        }
        if outcome.fault.is_some() {
            outcome.elapsed_s = None;
        }
        (outcome, received)
    }
}

/// Returns the report of longhaul's server. A server that has not reported `early` is told that its client is done.
async fn last_report(early: Option<OwnReport>, mut own: OwnEnd, observer: &mut dyn Observer) -> OwnReport {
    let report = match early {
        Some(report) => report,
        None => {
            // If the end is gone, its report states that.
            let _ = own.finish().await;
            own.report(observer).await
        }
    };
    own.stop().await;
    report
}

#[async_trait(?Send)]
impl Executor for PeerExecutor {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome {
        let run_folder = match RunFolder::make(&self.folder, &self.peer, case, self.bodies.as_deref()) {
            Ok(run_folder) => run_folder,
            Err(fault) => return Outcome::failed(fault),
        };
        let received = RefCell::new(None);
        let transfer = async {
            let transferred = match self.peer.role() {
                Subject::Server => self.by_server(case, &run_folder, observer).await,
                _ => self.by_client(case, &run_folder, observer).await,
            };
            let (outcome, digest) = transferred.unwrap_or_else(|fault| (Outcome::failed(fault), None));
            received.replace(digest);
            outcome
        };
        let mut outcome = self.own.observed(case, transfer).await;
        if outcome.fault.is_none() && case.sink.digests() {
            let received = received.take().or_else(|| run_folder.stored_digest());
            outcome.prove(self.own.digest(case), received);
        }
        outcome
    }
}
