//! Executors of single cases, their outcomes, and observers of a session.

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
    /// Runs a case once, and reports its progress to `observer`.
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome;
}

/// An observer of the runs of a session. By default, every method does nothing.
pub trait Observer {
    /// Called before each run with the name of the peer; `None` without one. The peer is a program of someone else or a
    /// URL.
    fn facing(&mut self, _peer: Option<&str>) {}

    /// Called when a warm-up run begins. Warm-up runs are not recorded.
    fn warming_up(&mut self, _case: &Case, _round: u32) {}

    /// Called when a counted run begins.
    fn started(&mut self, _case: &Case, _round: u32) {}

    /// Called about once per second while the host of the servers' ends cannot be used, with its name and the reason.
    fn waiting_for_host(&mut self, _host: &str, _reason: &str) {}

    /// Called when an end of the run reports progress.
    fn progress(&mut self, _case: &Case, _end: End, _heartbeat: Heartbeat) {}

    /// Called when a counted run has ended and its record has been kept.
    fn finished(&mut self, _record: &Record) {}
}

/// An observer that ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// The outcome of a run: the part of its record that only the run determines.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// The failure, or `None` if the run succeeded.
    pub fault: Option<Fault>,
    /// The time of the transfer by the client's clock, in seconds.
    pub elapsed_s: Option<f64>,
    /// The time of the slowest handshake of the run, in seconds.
    pub handshake_s: Option<f64>,
    /// The time from the start of the transfer until the first body byte reached the receiver, in seconds.
    pub first_byte_s: Option<f64>,
    /// The bytes that a proxy under proof had absorbed when its reader stopped reading.
    pub absorbed_bytes: Option<u64>,
    /// The pause of the reader that the case demands; `None` without one.
    pub stall: Option<Stall>,
    /// The measurements of both ends; `None` for an end that made no report.
    pub ends: ByEnd<Option<EndRecord>>,
    /// The latency from the sender's hand-over of bytes to their arrival at the receiver; `None` unless both ends
    /// stamped offsets.
    pub delivery: Option<Latency>,
    /// The rates of concurrent bodies, as the client measured them.
    pub bodies: Option<BodyRates>,
    /// The host of the server's end, with its facts during this run; `None` for a run on one host.
    pub peer_host: Option<HostFacts>,
    /// The measurements of the emulated network between the ends; `None` without one.
    pub network: Option<NetworkRecord>,
    /// The conditions of the machine during the run, or those of both machines together.
    pub conditions: Option<Conditions>,
    /// The distance between the cores of the two ends; `None` if it was not measured.
    pub core_round_trip: Option<CoreRoundTrip>,
    /// The comparison of the digests of the bytes sent and received.
    pub integrity: Option<Integrity>,
    /// The properties of the client's connections.
    pub link: Option<LinkRecord>,
    /// The call sites of memory that stays allocated; empty unless the executor traces.
    pub call_sites: ByEnd<Vec<CallSite>>,
}

impl Outcome {
    /// Returns the outcome of a run that failed before anything was measured.
    pub fn failed(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// Compares the digests of the bytes sent and received, if both are known. A difference is a fault.
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
