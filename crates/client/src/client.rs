//! The client: connects, makes the exchange unless it stalls, and gathers the measurements of this end.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use receiver::Receipt;
use record::{Build, ByteSize, Record};
use run::{Baseline, Heartbeat, Measurement, Outcome, Session, this_host};
use tokio::time::timeout;

use crate::{Options, Target, Transfer, dial::dial};

/// The longest time to end a connection in good order. A server that does not respond within it loses nothing.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A client of any HTTP server. All records of a client belong to one session.
#[derive(Clone, Debug)]
pub struct Client {
    options: Options,
    session: Session,
}

/// The outcome of a transfer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransferReport {
    /// The measurements of this end; the failure, if the transfer failed.
    pub record: Record,
    /// The confirmation of an upload by a longhaul server.
    pub receipt: Option<Receipt>,
}

impl Client {
    /// A client whose records state `build`.
    pub fn new(options: Options, build: Build) -> Self {
        let session = Session::new(this_host(), build).labelled(options.label.clone());
        Self { options, session }
    }

    /// Makes a transfer over a connection of its own, with heartbeats to `progress`. It never fails: a failure is part
    /// of the record. Dropping the future cancels the transfer, ends its connection, and removes an unfinished file.
    pub async fn run(
        &self,
        target: &Target,
        transfer: impl Into<Transfer>,
        progress: impl Fn(Heartbeat),
    ) -> TransferReport {
        let (transfer, started) = (transfer.into(), Timestamp::now());
        let (size, end) = (transfer.size(), transfer.direction().client());
        let mut case = transfer.case(target, &self.options.limits);
        let (mut outcome, receipt) = self.measure(target, transfer, progress).await;
        if size.is_none() {
            case.body = ByteSize(outcome.ends[end].as_ref().map_or(0, |measured| measured.bytes));
        }
        outcome.spin_s = Some(0.0);
        let session = self.session.clone().with_peer(target.url());
        TransferReport { record: session.record(&case, 0, started, outcome), receipt }
    }

    /// Connects, makes the exchange unless it stalls, and compares the content at both ends.
    async fn measure(
        &self,
        target: &Target,
        transfer: Transfer,
        progress: impl Fn(Heartbeat),
    ) -> (Outcome, Option<Receipt>) {
        let (connection, handshake) = match dial(target, &self.options).await {
            Ok(connected) => connected,
            Err(fault) => return (Outcome::failed(fault), None),
        };
        let baseline = Baseline::take();
        let linked = connection.clone();
        let measurement = Measurement::new(baseline, transfer.chunk(), Arc::new(move || linked.link()));
        let end = transfer.direction().client();
        let began = measurement.begin();
        let exchange = async {
            let content = transfer.exchange(target, connection.as_ref(), measurement.meter()).await?;
            Ok((content, began.elapsed()))
        };
        let exchanged = measurement.watch_over(self.options.timeout, progress, exchange).await;
        let (measured, link) = measurement.read();
        let _ = timeout(CLOSE_TIMEOUT, connection.close()).await;

        let mut outcome = Outcome::default();
        outcome.handshake_s = Some(handshake.as_secs_f64());
        outcome.first_byte_s = measurement.first_byte().map(|first| first.as_secs_f64());
        (outcome.ends[end], outcome.link) = (Some(measured), Some(link));
        let mut receipt = None;
        match exchanged {
            Ok((content, elapsed)) => {
                outcome.elapsed_s = Some(elapsed.as_secs_f64());
                outcome.prove(content.sent.and_then(|sent| sent.digest()), content.received);
                if outcome.fault.is_none() {
                    outcome.fault = content.output.keep().await.err();
                }
                receipt = content.receipt;
            }
            Err(fault) => outcome.fault = Some(fault),
        }
        (outcome, receipt)
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
