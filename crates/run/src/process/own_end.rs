//! Longhaul's end of a case whose other end is a program of someone else.

use std::{net::SocketAddr, time::Duration};

use record::{Case, End, Fault};

use super::{
    ProcessExecutor, content,
    reports::{follow, joined},
};
use crate::{
    Heartbeat, Observer, Outcome,
    messages::{EndReport, Event, Order, Partner, Role, ServerAddress},
    worker_process::{EndWorker as _, WorkerProcess, unexpected},
};

/// A running worker that is longhaul's end of a case. Dropping it kills the process.
pub struct OwnEnd {
    worker: WorkerProcess,
    case: Case,
}

/// The report of longhaul's end.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct OwnReport {
    /// The measurements of the end, and its failure, if any. The elapsed time of a server is that of an upload.
    pub outcome: Outcome,
    /// The digest of the bodies that longhaul's end received; `None` if it received none or computed no digest.
    pub received: Option<String>,
    /// The start of the transfer by CLOCK_MONOTONIC.
    pub began: Option<Duration>,
}

impl ProcessExecutor {
    /// Starts longhaul's server for a client of someone else, which must request `path`. Returns the server, its
    /// address, and the PEM of its certificate if the protocol is encrypted.
    ///
    /// # Errors
    /// Fails if the worker cannot be started or cannot listen.
    pub async fn own_server(
        &self,
        case: &Case,
        path: &str,
    ) -> Result<(OwnEnd, SocketAddr, Option<String>), Fault> {
        let mut worker = self.foreign(case, Role::Server, path).await?;
        let event = worker.event().await?;
        let Event::Listening(address) = event else { return Err(unexpected(&worker, event)) };
        // The order waits in the pipe until the client is connected.
        worker.order(Order::Go).await?;
        Ok((OwnEnd { worker, case: case.clone() }, address.addr, address.certificate))
    }

    /// Starts longhaul's client for a server of someone else. The server must present `certificate` if the protocol is
    /// encrypted.
    ///
    /// # Errors
    /// Fails if the worker cannot be started.
    pub async fn own_client(
        &self,
        case: &Case,
        path: &str,
        addr: SocketAddr,
        certificate: Option<String>,
    ) -> Result<OwnEnd, Fault> {
        let role = Role::Client(ServerAddress { addr, certificate });
        Ok(OwnEnd { worker: self.foreign(case, role, path).await?, case: case.clone() })
    }

    async fn foreign(&self, case: &Case, role: Role, path: &str) -> Result<WorkerProcess, Fault> {
        let mut job = self.job(case, role, path, None);
        job.partner = Partner::Foreign;
        self.start(job).await
    }

    /// Returns the core of the first thread of an end of a case; `None` without a binding.
    pub fn core(&self, case: &Case, end: End) -> Option<usize> {
        self.cores(case)?.of_end(end).first().copied()
    }

    /// Returns the digest of the generated bodies of a case, if the executor was [prepared](Self::prepared_for) for the
    /// case.
    pub fn digest(&self, case: &Case) -> Option<String> {
        self.digests.get(&content(case)).cloned()
    }
}

impl OwnEnd {
    /// Waits until the end is connected to the other program and has taken its baseline. Cancel-safe.
    ///
    /// # Errors
    /// Fails if the end has failed or exited.
    pub async fn ready(&mut self) -> Result<(), Fault> {
        match self.worker.event().await? {
            Event::Ready => Ok(()),
            other => Err(unexpected(&self.worker, other)),
        }
    }

    /// Orders a client to begin the transfer.
    ///
    /// # Errors
    /// Fails if the worker is gone.
    pub async fn go(&mut self) -> Result<(), Fault> {
        self.worker.order(Order::Go).await
    }

    /// Orders a server to report, since its client is done.
    ///
    /// # Errors
    /// Fails if the worker is gone.
    pub async fn finish(&mut self) -> Result<(), Fault> {
        self.worker.order(Order::Finish).await
    }

    /// Waits for the report, and passes progress to the observer. The progress of the other program is unknown. If
    /// longhaul's end sends, its bytes also count as the progress of the receiver. Cancel-safe.
    pub async fn report(&mut self, observer: &mut dyn Observer) -> OwnReport {
        loop {
            let event = self.worker.event().await;
            if let (Ok(Event::Progress(heartbeat)), End::Sender) = (&event, self.worker.end()) {
                let received =
                    Heartbeat { bytes: heartbeat.bytes, rss_bytes: None, baseline_rss_bytes: None };
                observer.progress(&self.case, End::Receiver, received);
            }
            if let Some(report) = follow(&self.case, &self.worker, event, observer) {
                return OwnReport::of(report, self.worker.end());
            }
        }
    }

    /// Waits for the exit of the worker, so that it disturbs no later run. Kills a worker that stays.
    pub async fn stop(self) {
        self.worker.stop().await;
    }
}

impl OwnReport {
    fn of(report: EndReport, end: End) -> Self {
        let mut outcome = Outcome {
            fault: report.fault.map(|fault| fault.at(end)),
            elapsed_s: report.elapsed_s,
            handshake_s: report.handshake_s,
            link: report.link,
            ..Outcome::default()
        };
        outcome.ends[end] = report.end;
        if end == End::Receiver {
            let first_byte = report.first_byte.zip(report.began);
            let first_byte = first_byte.and_then(|(first, began)| first.checked_sub(began));
            outcome.first_byte_s = first_byte.map(|first| first.as_secs_f64());
        }
        Self { outcome, received: joined(&report.received), began: report.began }
    }
}
