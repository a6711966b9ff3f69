//! The execution of one case: by worker processes, or by a mock in tests.

use async_trait::async_trait;
use process::CallSite;
use record::{
    BodyRates, ByEnd, Case, Conditions, CoreRoundTrip, End, EndRecord, Fault, FaultKind, Integrity, Latency,
    LinkRecord, NetworkRecord, Record, Stall,
};

use crate::{Heartbeat, HostFacts};

/// An executor of cases. A failed run is an outcome, not an error.
#[async_trait(?Send)]
pub trait Executor {
    /// Runs a case once, and reports its progress to an observer.
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome;
}

/// An observer of a session. By default, every method does nothing.
pub trait Observer {
    /// Called before each run with the name of the program of someone else that takes part; `None` if both ends are
    /// longhaul's own.
    fn facing(&mut self, _peer: Option<&str>) {}

    /// Called when a warm-up run begins, which is not recorded.
    fn warming_up(&mut self, _case: &Case, _round: u32) {}

    /// Called when a run begins.
    fn started(&mut self, _case: &Case, _round: u32) {}

    /// Called while the host of the servers' ends cannot be used, about once per second, with its name and the reason.
    fn waiting_for_host(&mut self, _host: &str, _reason: &str) {}

    /// Called when an end of the run reports progress.
    fn progress(&mut self, _case: &Case, _end: End, _heartbeat: Heartbeat) {}

    /// Called when the run is over and its record written.
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
    /// The failure, or `None` if the run succeeded.
    pub fault: Option<Fault>,
    /// The time of the transfer by the client's clock, in seconds.
    pub elapsed_s: Option<f64>,
    /// The time of the slowest handshake, in seconds.
    pub handshake_s: Option<f64>,
    /// The time until the first body byte reached the receiver, in seconds.
    pub first_byte_s: Option<f64>,
    /// The bytes that a proxy under proof had absorbed when its reader stood still.
    pub absorbed_bytes: Option<u64>,
    /// The standstill of the reader that the case demands; `None` without one.
    pub stall: Option<Stall>,
    /// The measurements of both ends; `None` for an end that made no report.
    pub ends: ByEnd<Option<EndRecord>>,
    /// The latency from the sender's hand-over to the receiver, of a single body with a limited rate.
    pub delivery: Option<Latency>,
    /// The rates of concurrent bodies.
    pub bodies: Option<BodyRates>,
    /// The host of the server's end, with the facts of this run; `None` for a run on one host.
    pub peer_host: Option<HostFacts>,
    /// The measurements of the emulated network between the ends; `None` without one.
    pub network: Option<NetworkRecord>,
    /// The conditions of the machine during the run, or those of both machines together.
    pub conditions: Option<Conditions>,
    /// The distance between the cores of the two ends.
    pub core_round_trip: Option<CoreRoundTrip>,
    /// The comparison of the digests sent and received.
    pub integrity: Option<Integrity>,
    /// The properties of the connection, as the client saw it.
    pub link: Option<LinkRecord>,
    /// The call sites of memory that stays allocated; empty unless they were requested.
    pub call_sites: ByEnd<Vec<CallSite>>,
}

impl Outcome {
    /// Returns the outcome of a run that failed before anything was measured.
    pub fn failed(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// Compares the digests of the bytes sent and received, if both are known.
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
