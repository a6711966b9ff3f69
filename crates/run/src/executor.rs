//! The execution of one case: by worker processes, or by a mock in tests.

use async_trait::async_trait;
use process::CallSite;
use record::{
    BodyRates, ByEnd, Case, Conditions, CoreRoundTrip, End, EndRecord, Fault, FaultKind, Integrity, Latency,
    LinkRecord, Record,
};

use crate::Heartbeat;

/// Runs one case once. It never fails: a failure is part of the outcome.
#[async_trait(?Send)]
pub trait Executor {
    /// Runs a case, with its progress reported to an observer.
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome;
}

/// Follows a session. Every method does nothing by default.
pub trait Observer {
    /// A run begins that does not count.
    fn warming_up(&mut self, _case: &Case, _round: u32) {}

    /// A run begins.
    fn started(&mut self, _case: &Case, _round: u32) {}

    /// An end of the run makes progress.
    fn progress(&mut self, _case: &Case, _end: End, _heartbeat: Heartbeat) {}

    /// The run is over, and its record written.
    fn finished(&mut self, _record: &Record) {}
}

/// An observer that ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// The outcome of a run: the part of a record that is not known beforehand.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// The failure, if the run failed.
    pub fault: Option<Fault>,
    /// Seconds by the client's clock.
    pub elapsed_s: Option<f64>,
    /// Seconds of the slowest handshake.
    pub handshake_s: Option<f64>,
    /// Seconds to the first body byte at the receiver.
    pub first_byte_s: Option<f64>,
    /// The measurements of both ends.
    pub ends: ByEnd<Option<EndRecord>>,
    /// The time from the sender's hands to the receiver's; of a single body that was held to a rate.
    pub delivery: Option<Latency>,
    /// The rates of concurrent bodies.
    pub bodies: Option<BodyRates>,
    /// The machine during the run.
    pub conditions: Option<Conditions>,
    /// The distance between the cores of the two ends.
    pub core_round_trip: Option<CoreRoundTrip>,
    /// The proof of the content.
    pub integrity: Option<Integrity>,
    /// The connection as the client saw it.
    pub link: Option<LinkRecord>,
    /// The call sites of what stays allocated; empty unless they were asked for.
    pub call_sites: ByEnd<Vec<CallSite>>,
}

impl Outcome {
    /// The outcome of a run that failed before anything was measured.
    pub fn failed(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// Compares the digests of the bytes sent and received, where both are known.
    pub fn prove(&mut self, sent: Option<String>, received: Option<String>) {
        let Some((sent, received)) = sent.zip(received) else { return };
        let matches = sent == received;
        if !matches {
            let message = format!("{sent} was sent, {received} was received");
            self.fault.get_or_insert(Fault::new(FaultKind::Integrity, message));
        }
        self.integrity = Some(Integrity { algorithm: payload::ALGORITHM.into(), sent, received, matches });
    }
}
