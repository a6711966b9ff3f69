//! The worker of the server's end on another host, from the side of the client's host.

use std::time::Duration;

use record::{End, Fault, FaultKind};
use tokio::time::timeout;

use super::{
    PeerHost,
    control::{Session, SessionLost},
    wire::{Answer, Demand},
};
use crate::{
    messages::{Event, Order},
    worker_process::EndWorker,
};

/// The time limit for the facts of a run after the demand to end it. The host gives its worker half a second to exit.
const ENDED: Duration = Duration::from_secs(5);

/// A worker on another host. Dropping it ends the control session, and the worker with it.
pub(crate) struct PeerWorker<'a> {
    host: &'a PeerHost,
    session: Session,
    end: End,
}

impl<'a> PeerWorker<'a> {
    pub(super) fn new(host: &'a PeerHost, session: Session, end: End) -> Self {
        Self { host, session, end }
    }

    pub(super) async fn demand(&mut self, demand: &Demand) -> Result<(), Fault> {
        self.session.demand(demand).await.map_err(|lost| self.lost(lost))
    }

    /// Waits for the next event. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Event, Fault> {
        match self.session.answer().await.map_err(|lost| self.lost(lost))? {
            Answer::Event(event) => Ok(*event),
            Answer::Fault(fault) => Err(self.named(fault)),
            Answer::Host(_) | Answer::Ended(_) | Answer::Alive => {
                Err(self.named(Fault::new(FaultKind::Worker, "answered out of turn")))
            }
        }
    }

    /// Returns `fault` with the name of the host in its message, and with its end.
    fn named(&self, fault: Fault) -> Fault {
        let message = format!("{}: {}", self.host.facts().name(), fault.message);
        Fault::new(fault.kind, message).at(fault.end.unwrap_or(self.end))
    }

    fn lost(&self, lost: SessionLost) -> Fault {
        let message = format!("the {} is lost", self.end);
        self.named(Fault::new(FaultKind::Worker, format!("{message}: {lost}")))
    }
}

impl EndWorker for PeerWorker<'_> {
    fn end(&self) -> End {
        self.end
    }

    async fn event(&mut self) -> Result<Event, Fault> {
        self.next().await
    }

    async fn order(&mut self, order: Order) -> Result<(), Fault> {
        self.demand(&Demand::Order(order)).await
    }

    /// Ends the run on the host, and keeps the session for the next run. Drops a session that does not answer.
    async fn stop(mut self) {
        let ended = timeout(ENDED, async {
            self.demand(&Demand::End).await.ok()?;
            loop {
                match self.session.answer().await.ok()? {
                    Answer::Ended(ended) => return Some(*ended),
                    // Events of the worker from before the end are of no use any more.
                    Answer::Event(_) | Answer::Fault(_) | Answer::Alive => {}
                    Answer::Host(_) => return None,
                }
            }
        });
        if let Ok(Some(ended)) = ended.await {
            self.host.keep(self.session, ended);
        }
    }
}
