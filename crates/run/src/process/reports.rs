//! Waiting for the reports of both ends of a run.

use std::{collections::BTreeSet, time::Duration};

use record::{Case, Fault, NetworkRecord};

use crate::{
    Observer,
    messages::{EndReport, Event, Order},
    worker_process::{EndWorker, WorkerProcess, unexpected},
};

/// The time limit for the report of one end after the report of the other end.
const REPORT: Duration = Duration::from_secs(5);

/// The reports of client and server, and of the network between them.
#[derive(Default)]
pub(super) struct Reports {
    pub(super) client: EndReport,
    pub(super) server: EndReport,
    /// The measurements of the emulated network; `None` without one.
    pub(super) network: Option<NetworkRecord>,
}

/// Waits until a worker is ready. Returns the report of a worker that has ended instead.
pub(super) async fn ready(worker: &mut impl EndWorker) -> Result<Option<EndReport>, Fault> {
    match worker.event().await? {
        Event::Ready => Ok(None),
        Event::Done(report) => Ok(Some(*report)),
        other => Err(unexpected(worker, other)),
    }
}

/// Waits for the reports of both ends. After the first report, the other end has [`REPORT`] for its own.
pub(super) async fn gather(
    case: &Case,
    mut client: WorkerProcess,
    mut server: impl EndWorker,
    observer: &mut dyn Observer,
) -> Reports {
    let (mut from_client, mut from_server) = (None, None);
    while from_client.is_none() && from_server.is_none() {
        tokio::select! {
            event = client.event() => from_client = follow(case, &client, event, observer),
            event = server.event() => from_server = follow(case, &server, event, observer),
        }
    }
    if from_server.is_none() {
        // A failure is ignored: if the server is gone, its next event says so.
        let _ = server.order(Order::Finish).await;
    }
    let reports = Reports {
        client: remaining(case, &mut client, from_client, observer).await,
        server: remaining(case, &mut server, from_server, observer).await,
        network: None,
    };
    tokio::join!(client.stop(), server.stop());
    reports
}

/// Waits for a report that is still missing, at most for [`REPORT`].
async fn remaining(
    case: &Case,
    worker: &mut impl EndWorker,
    mut report: Option<EndReport>,
    observer: &mut dyn Observer,
) -> EndReport {
    let followed = tokio::time::timeout(REPORT, async {
        while report.is_none() {
            let event = worker.event().await;
            report = follow(case, worker, event, observer);
        }
    });
    // A silent end adds nothing to the report of the other end.
    let _ = followed.await;
    report.unwrap_or_default()
}

/// Handles an event of a worker: passes progress to the observer, and returns a report. A failure counts as a report.
pub(super) fn follow(
    case: &Case,
    worker: &impl EndWorker,
    event: Result<Event, Fault>,
    observer: &mut dyn Observer,
) -> Option<EndReport> {
    match event {
        Ok(Event::Progress(heartbeat)) => {
            observer.progress(case, worker.end(), heartbeat);
            None
        }
        Ok(Event::Done(report)) => Some(*report),
        Ok(other) => Some(EndReport::failed(unexpected(worker, other))),
        Err(fault) => Some(EndReport::failed(fault)),
    }
}

/// Returns the common digest of all bodies. If digests differ, returns all of them joined, which matches no digest.
pub(super) fn joined(digests: &BTreeSet<String>) -> Option<String> {
    (!digests.is_empty()).then(|| digests.iter().map(String::as_str).collect::<Vec<_>>().join("+"))
}
