//! The client: makes transfers, and states them in records.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request};
use jiff::Timestamp;
use receiver::Receipt;
use record::{Build, ByteSize, Fault, Record};
use run::{Heartbeat, Outcome, Session, Threads, this_host};
use tokio::time::timeout;
use transport::{Body, Connection};

use crate::{
    Options, Target, Transfer,
    attempt::{CLOSE_TIMEOUT, Measured},
    dial::dial,
};

/// A client of any HTTP server. All records of a client belong to one session.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) options: Options,
    session: Session,
    pub(crate) threads: Arc<Threads>,
}

/// The report of a transfer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransferReport {
    /// The record with the measurements of this end, and with the failure if the transfer failed.
    pub record: Record,
    /// The confirmation of an upload by a longhaul server; `None` from any other server, for a download, and for several
    /// bodies.
    pub receipt: Option<Receipt>,
    /// The number of bytes that the server of a resumed upload had before the last try; `None` for any other transfer.
    pub resumed_at: Option<u64>,
}

impl Client {
    /// Creates a client whose records state `build`. They state no command line.
    pub fn new(options: Options, build: Build) -> Self {
        let session = Session::new(this_host(), build).labelled(options.label.clone());
        Self { options, session, threads: Arc::new(Threads::single()) }
    }

    /// Sets the command line that the records state. Records are shared and published, so it must be without secrets.
    #[must_use]
    pub fn with_command(self, command: impl Into<Option<String>>) -> Self {
        Self { session: self.session.with_command(command), ..self }
    }

    /// Spreads the connections of transfers over threads.
    #[must_use]
    pub fn over(self, threads: Threads) -> Self {
        Self { threads: Arc::new(threads), ..self }
    }

    /// Sets the timeout: the longest time of a handshake, and of a transfer without any progress.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { options: self.options.with_timeout(timeout), ..self }
    }

    /// Makes a transfer over new connections, with heartbeats to `progress`. A failure of the transfer is part of the
    /// record. Dropping the future cancels the transfer, closes its connections, and removes an unfinished file.
    pub async fn run(
        &self,
        target: &Target,
        transfer: impl Into<Transfer>,
        progress: impl Fn(Heartbeat),
    ) -> TransferReport {
        let (mut transfer, started) = (transfer.into(), Timestamp::now());
        let (size, end) = (transfer.size(), transfer.direction().client());
        let Measured { outcome, receipt, tries, redirects, resumption, target: last, .. } =
            self.measure(target, &mut transfer, progress).await;
        let (options, load) = (&self.options, self.options.load);
        let mut case = transfer.case(last.as_ref().unwrap_or(target), &options.limits);
        (case.connections, case.streams) = (load.connections, load.streams);
        case.threads = u32::try_from(self.threads.count()).unwrap_or(u32::MAX);
        if size.is_none() {
            let bytes = outcome.ends[end].as_ref().map_or(0, |measured| measured.bytes);
            case.body = ByteSize(bytes / load.bodies());
        }
        let case = case.towards_any_peer();
        let session = self.session.clone().with_peer(target.peer(&self.options));
        let mut record = session.record(&case, 0, started, outcome);
        (record.tries, record.redirects, record.resumption) = (Some(tries), redirects, resumption);
        TransferReport { record, receipt, resumed_at: transfer.resumed_at() }
    }

    /// Makes a transfer as [`run`](Self::run) does, and returns its outcome in place of a record.
    pub async fn transfer(
        &self,
        target: &Target,
        transfer: impl Into<Transfer>,
        progress: impl Fn(Heartbeat),
    ) -> Outcome {
        self.measure(target, &mut transfer.into(), progress).await.outcome
    }

    /// Connects to a server, and closes the connection.
    ///
    /// # Errors
    /// Fails if no handshake succeeds within the timeout.
    pub async fn probe(&self, target: &Target) -> Result<(), Fault> {
        let connection = self.connect(target).await?;
        let _ = timeout(CLOSE_TIMEOUT, connection.close()).await;
        Ok(())
    }

    /// Connects to a server.
    ///
    /// # Errors
    /// Fails if no handshake succeeds within the timeout.
    pub async fn connect(&self, target: &Target) -> Result<Arc<dyn Connection>, Fault> {
        Ok(dial(target, &self.options).await.map(|dialled| dialled.connection)?)
    }

    /// Creates a request for a target from these header fields, and applies the changes of the options.
    ///
    /// # Errors
    /// Fails if the changes make no valid request.
    pub fn request(
        &self,
        method: Method,
        target: &Target,
        fields: HeaderMap,
        body: Body,
    ) -> Result<Request<Body>, Fault> {
        self.options.request.request(method, target, fields, body)
    }
}

#[cfg(test)]
mod tests {
    use record::PayloadKind;

    use super::*;
    use crate::Upload;

    #[test]
    fn a_transfer_can_be_spawned_on_another_thread() {
        fn is_send(_: &impl Send) {}
        let client = Client::new(Options::default(), Build::default());
        let target = Target::parse("http://x/").unwrap();
        is_send(&client.run(&target, Upload::new(PayloadKind::Zero).unwrap(), |_| {}));
    }
}
