//! The client: connects, makes the exchange, aborts it if it stalls, and collects the measurements of this end.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use receiver::Receipt;
use record::{Build, ByteSize, End, Fault, FaultKind, Record};
use run::{Baseline, Heartbeat, Measurement, Outcome, Session, this_host};
use tokio::time::{sleep, timeout};
use transport::{Body, Connection};

use crate::{
    Options, Target, Transfer,
    activity::{Activity, State},
    advice::with_advice,
    answer::Failure,
    credentials::without_secrets,
    dial::dial,
    transfer::{ContentReport, Exchange},
    upload::unacknowledged,
};

/// The longest time to close a connection gracefully. If a server does not respond in this time, nothing is lost.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A client of any HTTP server. All records of a client belong to one session.
#[derive(Clone, Debug)]
pub struct Client {
    options: Options,
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
        let (transfer, started) = (transfer.into(), Timestamp::now());
        let (size, end) = (transfer.size(), transfer.direction().client());
        let mut case = transfer.case(target, &self.options.limits);
        let Measured { outcome, receipt, .. } = self.measure(target, transfer, progress).await;
        if size.is_none() {
            case.body = ByteSize(outcome.ends[end].as_ref().map_or(0, |measured| measured.bytes));
        }
        let session = self.session.clone().with_peer(target.peer(&self.options.request));
        TransferReport { record: session.record(&case, 0, started, outcome), receipt }
    }

    /// Makes a transfer as [`run`](Self::run) does, and returns its outcome in place of a record.
    pub async fn transfer(
        &self,
        target: &Target,
        transfer: impl Into<Transfer>,
        progress: impl Fn(Heartbeat),
    ) -> Outcome {
        self.measure(target, transfer.into(), progress).await.outcome
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
        dial(target, &self.options).await.map(|(connection, _)| connection)
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

    /// Makes the transfer within the maximum time. Repeats it once if the server requires a Content-Length. The message
    /// of a failure has no secrets.
    async fn measure(&self, target: &Target, transfer: Transfer, progress: impl Fn(Heartbeat)) -> Measured {
        let mut deadline: Deadline = match self.options.max_time {
            Some(max_time) => Box::pin(sleep(max_time)),
            None => Box::pin(std::future::pending()),
        };
        let again = transfer.with_length_required();
        let mut measured = self.attempt(target, transfer, &progress, &mut deadline).await;
        if let Some(again) = again.filter(|_| requires_length(measured.status)) {
            measured = self.attempt(target, again, &progress, &mut deadline).await;
        }
        if let Some(fault) = &mut measured.outcome.fault {
            let secrets: Vec<_> = self.options.request.secrets(target).collect();
            fault.message = without_secrets(&with_advice(fault, target), &secrets);
        }
        measured
    }

    /// Connects, makes the exchange, aborts it if it stalls, and compares the content at both ends.
    async fn attempt(
        &self,
        target: &Target,
        transfer: Transfer,
        progress: &impl Fn(Heartbeat),
        deadline: &mut Deadline,
    ) -> Measured {
        let dialled = tokio::select! {
            dialled = dial(target, &self.options) => dialled,
            () = &mut *deadline => Err(self.out_of_time()),
        };
        let (connection, handshake) = match dialled {
            Ok(connected) => connected,
            Err(fault) => return Measured::failed(fault),
        };
        let baseline = Baseline::take();
        let linked = connection.clone();
        let measurement = Measurement::new(baseline, transfer.chunk(target), Arc::new(move || linked.link()));
        let (end, activity) = (transfer.direction().client(), Activity::default());
        let began = measurement.begin();
        let by = Exchange {
            target,
            options: &self.options.request,
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

    fn out_of_time(&self) -> Fault {
        let limit = self.options.max_time.unwrap_or_default().as_secs_f64();
        Fault::new(
            FaultKind::Timeout,
            format!("the transfer did not end within its maximum time of {limit} s"),
        )
    }
}

/// A future that ends when the maximum time of a transfer is over.
type Deadline = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The outcome of one attempt of a transfer.
struct Measured {
    outcome: Outcome,
    receipt: Option<Receipt>,
    /// The status of a refusal; `None` if the server did not refuse.
    status: Option<StatusCode>,
}

impl Measured {
    fn failed(fault: Fault) -> Self {
        Self { outcome: Outcome::failed(fault), receipt: None, status: None }
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
            Measured { outcome, receipt: content.receipt, status: None }
        }
        Err(Failure { fault, status }) => {
            outcome.fault = Some(fault);
            Measured { outcome, receipt: None, status }
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

/// Returns whether a server may have refused because of the chunked coding. The status is then 411, or 501 from a
/// server that does not know the coding (RFC 9112 section 6.1).
fn requires_length(status: Option<StatusCode>) -> bool {
    matches!(status, Some(StatusCode::LENGTH_REQUIRED | StatusCode::NOT_IMPLEMENTED))
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
