//! The client: connects, makes the exchange, aborts it if it stalls, and collects the measurements of this end.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request};
use jiff::Timestamp;
use receiver::Receipt;
use record::{Build, ByteSize, End, Fault, Record, Redirects};
use run::{Baseline, Heartbeat, Measurement, Outcome, Session, this_host};
use tokio::time::timeout;
use transport::{Body, Connection};

use crate::{
    Options, Target, Transfer,
    activity::{Activity, State},
    answer::{Failure, Refusal},
    dial::{DialError, dial},
    redirect::Way,
    transfer::{ContentReport, Exchange},
    tries::Deadline,
    upload::unacknowledged,
};

/// The longest time to close a connection gracefully. If a server does not respond in this time, nothing is lost.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A client of any HTTP server. All records of a client belong to one session.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) options: Options,
    session: Session,
}

/// The report of a transfer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransferReport {
    /// The record with the measurements of this end, and with the failure if the transfer failed.
    pub record: Record,
    /// The confirmation of an upload by a longhaul server; `None` from any other server, and for a download.
    pub receipt: Option<Receipt>,
}

impl Client {
    /// Creates a client whose records state `build`.
    pub fn new(options: Options, build: Build) -> Self {
        let session = Session::new(this_host(), build).labelled(options.label.clone());
        Self { options, session }
    }

    /// Sets the longest time without a byte that moves.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { options: self.options.with_timeout(timeout), ..self }
    }

    /// Makes a transfer over a new connection, with heartbeats to `progress`. A failure of the transfer is part of the
    /// record. Dropping the future cancels the transfer, closes its connection, and removes an unfinished file.
    pub async fn run(
        &self,
        target: &Target,
        transfer: impl Into<Transfer>,
        progress: impl Fn(Heartbeat),
    ) -> TransferReport {
        let (mut transfer, started) = (transfer.into(), Timestamp::now());
        let (size, end) = (transfer.size(), transfer.direction().client());
        let Measured { outcome, receipt, tries, redirects, target: last, .. } =
            self.measure(target, &mut transfer, progress).await;
        let mut case = transfer.case(last.as_ref().unwrap_or(target), &self.options.limits);
        if size.is_none() {
            case.body = ByteSize(outcome.ends[end].as_ref().map_or(0, |measured| measured.bytes));
        }
        let session = self.session.clone().with_peer(target.peer(&self.options));
        let mut record = session.record(&case, 0, started, outcome);
        (record.tries, record.redirects) = (Some(tries), redirects);
        TransferReport { record, receipt }
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
        Ok(dial(target, &self.options).await.map(|(connection, _)| connection)?)
    }

    /// Makes a request for a target with these header fields, and with the changes of the options.
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

    /// Connects, makes the exchange, aborts it if it stalls, and compares the content at both ends.
    pub(crate) async fn attempt(
        &self,
        way: &Way<'_>,
        transfer: &mut Transfer,
        progress: &impl Fn(Heartbeat),
        deadline: &mut Deadline,
    ) -> Measured {
        let target = way.target();
        let dialled = tokio::select! {
            dialled = dial(target, &self.options) => dialled,
            () = &mut *deadline => Err(DialError::Unreachable(self.out_of_time())),
        };
        let (connection, handshake) = match dialled {
            Ok(connected) => connected,
            Err(error) => return Measured::undialled(error),
        };
        let baseline = Baseline::take();
        let linked = connection.clone();
        let measurement = Measurement::new(baseline, transfer.chunk(target), Arc::new(move || linked.link()));
        let (end, activity) = (transfer.direction().client(), Activity::default());
        let began = measurement.begin();
        let by = Exchange {
            target,
            options: way.options(),
            connection: connection.as_ref(),
            meter: measurement.meter(),
            activity: &activity,
        };
        let exchange = async {
            let content = transfer.exchange(&by).await?;
            Ok((content, began.elapsed()))
        };
        let pulse = || pulse(&activity, measurement.meter().bytes(), connection.as_ref());
        let exchanged = tokio::select! {
            exchanged = measurement.watch_pulse(self.options.timeout, pulse, progress, exchange) => exchanged,
            () = &mut *deadline => Err(self.out_of_time().into()),
        };
        let outcome = outcome(&measurement, handshake, end);
        let _ = timeout(CLOSE_TIMEOUT, connection.close()).await;
        conclude(outcome, exchanged).await
    }
}

/// The outcome of one attempt of a transfer.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) outcome: Outcome,
    receipt: Option<Receipt>,
    /// The refusal of the server; `None` if it did not refuse.
    pub(crate) refusal: Option<Refusal>,
    /// The target of a 303 in response to a whole upload.
    pub(crate) see_other: Option<String>,
    /// True if no address of the host was found.
    pub(crate) is_unresolved: bool,
    /// The number of tries, of which this is the last.
    pub(crate) tries: u32,
    /// The redirects before the attempt; `None` if there were none.
    pub(crate) redirects: Option<Redirects>,
    /// The target of the attempt; `None` for that of the user.
    pub(crate) target: Option<Target>,
}

impl Measured {
    fn undialled(error: DialError) -> Self {
        let is_unresolved = matches!(error, DialError::Unresolved(_));
        Self { outcome: Outcome::failed(error.into()), is_unresolved, ..Self::default() }
    }

    /// Returns the attempt with the result of the request that confirms it.
    pub(crate) fn confirmed(mut self, confirmed: Result<(), Fault>) -> Self {
        if let Err(fault) = confirmed {
            self.outcome.fault.get_or_insert(fault);
            self.outcome.elapsed_s = None;
        }
        self
    }

    /// Returns the attempt with the reason why its refusal is the end, after the message.
    pub(crate) fn explained(mut self, reason: &str) -> Self {
        if let Some(fault) = &mut self.outcome.fault {
            fault.message += &format!("; {reason}");
        }
        self
    }
}

/// Returns the outcome with the measurements of an exchange that has ended.
fn outcome(measurement: &Measurement, handshake: Duration, end: End) -> Outcome {
    let (measured, link) = measurement.read();
    let mut outcome = Outcome::default();
    outcome.handshake_s = Some(handshake.as_secs_f64());
    // The time of the first byte is known only if this end is the receiver.
    if end == End::Receiver {
        outcome.first_byte_s = measurement.until_first_byte().map(|time| time.as_secs_f64());
    }
    (outcome.ends[end], outcome.link) = (Some(measured), Some(link));
    outcome
}

/// Completes the outcome of an exchange with its duration and the proof of its content, or with its failure.
async fn conclude(mut outcome: Outcome, exchanged: Result<(ContentReport, Duration), Failure>) -> Measured {
    match exchanged {
        Ok((content, elapsed)) => {
            outcome.elapsed_s = Some(elapsed.as_secs_f64()).filter(|_| !content.is_partial);
            outcome.integrity = content.proof;
            outcome.prove(content.sent.and_then(|sent| sent.digest()), content.received);
            match outcome.fault {
                None => outcome.fault = content.output.keep().await.err(),
                Some(_) => content.output.discard(),
            }
            let (receipt, see_other) = (content.receipt, content.see_other);
            Measured { outcome, receipt, see_other, ..Measured::default() }
        }
        Err(Failure { fault, refusal }) => {
            outcome.fault = Some(fault);
            Measured { outcome, refusal, ..Measured::default() }
        }
    }
}

/// Returns a number that changes when bytes of the transfer move; `None` while none could move.
fn pulse(activity: &Activity, bytes: u64, connection: &dyn Connection) -> Option<u64> {
    match activity.state() {
        State::Waiting => None,
        State::Moving => Some(bytes),
        State::Complete => unacknowledged(connection, bytes),
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
