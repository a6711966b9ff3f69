//! The record: what one run of one case measured, on both ends, as one line of JSON.
//!
//! Its fields are what scripts lean on; they grow, and never change their meaning. A figure that could not
//! be taken is null.

mod fault;

use std::time::Duration;

pub(crate) use fault::{Fault, FaultKind, fault};
use metrics::{
    Latency, Point, Throughput,
    process::{ContextSwitches, Faults},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub(crate) use transport::End;
use transport::{Limits, Stats};

use crate::{
    budget::Budget,
    build::Build,
    case::{Case, Direction, SinkKind, without_body},
    host::Host,
    size::ByteSize,
};

/// The version of this format.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// One run of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "longhaul record")]
pub(crate) struct Record {
    /// The version of this format.
    pub(crate) schema_version: u32,
    /// The same for all records of one invocation.
    pub(crate) run_id: String,
    /// What was run.
    pub(crate) case: CaseRecord,
    /// Which pass over the matrix, from 0.
    pub(crate) round: u32,
    /// When, by RFC 3339.
    pub(crate) started_at: String,
    /// Whether every body arrived and was confirmed.
    pub(crate) outcome: Outcome,
    /// What went wrong; null exactly if the outcome is ok.
    pub(crate) error: Option<Fault>,
    /// By the client's clock, from handing over the first request to the confirmed end.
    pub(crate) elapsed_s: Option<f64>,
    /// All body bytes over `elapsed_s`.
    pub(crate) goodput_bytes_per_s: Option<f64>,
    /// The slowest connection's handshake, on the client.
    pub(crate) handshake_s: Option<f64>,
    /// From handing over the request to the first body byte that passed the client.
    pub(crate) first_byte_s: Option<f64>,
    /// The end that sent the body.
    pub(crate) sender: Option<EndRecord>,
    /// The end that received it.
    pub(crate) receiver: Option<EndRecord>,
    /// How far apart the cores of the two ends were; null where they were not bound to two, and in records of before
    /// 2026-11-24.
    #[serde(default)]
    pub(crate) core_round_trip: Option<CoreRoundTrip>,
    /// The proof of the content; null where the sink takes no digest.
    pub(crate) integrity: Option<Integrity>,
    /// The command line that made it; null in records of before 2026-11-23.
    #[serde(default)]
    pub(crate) command: Option<String>,
    /// The machine.
    pub(crate) host: Host,
    /// The binary.
    pub(crate) build: Build,
    /// The connection as it was in effect, as the client saw it (the first, if there are several).
    pub(crate) link: Option<LinkRecord>,
    /// Every limit in force, by its flag's name.
    pub(crate) limits: Limits,
}

impl Record {
    /// What one end measured.
    pub(crate) fn end(&self, end: End) -> Option<&EndRecord> {
        match end {
            End::Sender => self.sender.as_ref(),
            End::Receiver => self.receiver.as_ref(),
        }
    }
}

/// A case, as records carry it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CaseRecord {
    /// The join key.
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) direction: Direction,
    pub(crate) chunk_bytes: u64,
    /// One body.
    pub(crate) body_bytes: u64,
    /// All bodies of the run.
    pub(crate) total_bytes: u64,
    pub(crate) payload: String,
    pub(crate) sink: SinkKind,
    pub(crate) connections: u32,
    /// Bodies in flight on each connection.
    pub(crate) streams: u32,
    /// How fast the receiver was allowed to take the body; null if as fast as it could.
    pub(crate) reader_rate_bytes_per_s: Option<u64>,
    /// How fast the sender was allowed to offer it; null if as fast as it could.
    pub(crate) limit_rate_bytes_per_s: Option<u64>,
}

impl CaseRecord {
    /// The name without the body: the same for all sizes.
    pub(crate) fn series(&self) -> String {
        without_body(&self.name, ByteSize(self.body_bytes))
    }
}

impl From<&Case> for CaseRecord {
    fn from(case: &Case) -> Self {
        Self {
            name: case.name(),
            protocol: case.transport.name().into(),
            direction: case.direction,
            chunk_bytes: case.chunk.into(),
            body_bytes: case.body.0,
            total_bytes: case.total_bytes(),
            payload: case.payload.to_string(),
            sink: case.sink.clone(),
            connections: case.connections,
            streams: case.streams,
            reader_rate_bytes_per_s: case.rates.reader.map(|rate| rate.0),
            limit_rate_bytes_per_s: case.rates.limit.map(|rate| rate.0),
        }
    }
}

/// Whether a run came to its confirmed end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Ok,
    Error,
}

/// What one end measured of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct EndRecord {
    /// Body bytes that passed its meter.
    pub(crate) bytes: u64,
    pub(crate) memory: MemoryRecord,
    pub(crate) cpu: CpuRecord,
    pub(crate) faults: Option<Faults>,
    pub(crate) context_switches: Option<ContextSwitches>,
    /// Null under 20 windows.
    pub(crate) throughput: Option<Throughput>,
    /// Null on the receiver.
    pub(crate) chunk_latency: Option<Latency>,
    pub(crate) transport: Option<Stats>,
}

/// Memory of one end, in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct MemoryRecord {
    /// VmRSS after the handshake, before the first body byte and before payload block and histograms exist.
    pub(crate) baseline_rss_bytes: Option<u64>,
    /// VmHWM at the end.
    pub(crate) peak_rss_bytes: Option<u64>,
    /// As the baseline, without pages that a file backs.
    pub(crate) baseline_anon_bytes: Option<u64>,
    /// The most of any sample.
    pub(crate) peak_anon_bytes: Option<u64>,
    /// The most that the end may add to its baseline.
    pub(crate) budget_bytes: Option<u64>,
    pub(crate) within_budget: Option<bool>,
    /// The most kernel memory of any sample in the sockets' queues, which RSS does not see.
    pub(crate) socket_peak_bytes: Option<u64>,
    /// Seconds, RSS, anonymous RSS, body bytes.
    pub(crate) timeline: Vec<Point>,
}

impl MemoryRecord {
    /// What was added to the baseline.
    pub(crate) fn growth(&self) -> Option<u64> {
        Some(self.peak_rss_bytes?.saturating_sub(self.baseline_rss_bytes?))
    }

    /// Holds the growth against a budget.
    fn judge(&mut self, budget: &Budget) {
        let bytes = budget.bytes();
        self.budget_bytes = Some(bytes);
        self.within_budget = self.growth().map(|growth| growth <= bytes);
    }
}

impl EndRecord {
    /// The same, held against the budget of this end of a case.
    pub(crate) fn judged(mut self, case: &Case, end: End) -> Self {
        self.memory.judge(&Budget::of(case, end));
        self
    }
}

/// Processor time from the baseline to the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CpuRecord {
    pub(crate) user_s: Option<f64>,
    pub(crate) system_s: Option<f64>,
    /// Both, per GiB of body; null without a body.
    pub(crate) s_per_gib: Option<f64>,
}

/// How long a cache line takes from the sender's core to the receiver's and back, in nanoseconds. A hypervisor may move
/// the cores of a virtual machine: where the two figures differ by a multiple, it did so meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CoreRoundTrip {
    /// Before the ends were started.
    pub(crate) before_ns: u64,
    /// After they had ended.
    pub(crate) after_ns: u64,
}

impl CoreRoundTrip {
    /// The longer of the two.
    pub(crate) fn most(self) -> Duration {
        Duration::from_nanos(self.before_ns.max(self.after_ns))
    }
}

/// The proof of the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Integrity {
    pub(crate) algorithm: String,
    pub(crate) sent: String,
    pub(crate) received: String,
    #[serde(rename = "match")]
    pub(crate) matches: bool,
}

/// A connection as it was in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct LinkRecord {
    pub(crate) alpn: Option<String>,
    pub(crate) cipher: Option<String>,
    /// As the kernel accounts it: Linux doubles what was asked for.
    pub(crate) socket_send_buffer_bytes: Option<u64>,
    pub(crate) socket_receive_buffer_bytes: Option<u64>,
    /// The largest payload of a TCP segment or a UDP datagram.
    pub(crate) mtu: Option<u64>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::case::tests::plain;

    /// A run that went well, of which nothing was measured but two peaks of memory.
    pub(crate) fn record(protocol: &str) -> Record {
        let case = plain(protocol);
        let end = EndRecord {
            bytes: case.body.0,
            memory: MemoryRecord {
                baseline_rss_bytes: Some(7 << 20),
                peak_rss_bytes: Some(8 << 20),
                baseline_anon_bytes: None,
                peak_anon_bytes: None,
                budget_bytes: Some(4 << 20),
                within_budget: Some(true),
                socket_peak_bytes: None,
                timeline: Vec::new(),
            },
            cpu: CpuRecord { user_s: None, system_s: None, s_per_gib: None },
            faults: None,
            context_switches: None,
            throughput: None,
            chunk_latency: None,
            transport: None,
        };
        Record {
            schema_version: SCHEMA_VERSION,
            run_id: "some".into(),
            case: CaseRecord::from(&case),
            round: 0,
            started_at: "2026-11-23T00:00:00Z".into(),
            outcome: Outcome::Ok,
            error: None,
            elapsed_s: Some(1.0),
            goodput_bytes_per_s: Some(case.body.0 as f64),
            handshake_s: None,
            first_byte_s: None,
            sender: Some(end.clone()),
            receiver: Some(end),
            core_round_trip: None,
            integrity: None,
            command: Some("longhaul bench".into()),
            host: Host::here(),
            build: Build::this(),
            link: None,
            limits: case.limits,
        }
    }

    /// The schema stands beside the code, so that a change to a record shows in a review.
    #[test]
    fn the_committed_schema_is_the_one_of_these_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/record.schema.json");
        let mut schema = serde_json::to_string_pretty(&schemars::schema_for!(Record)).unwrap();
        schema.push('\n');
        if std::env::var_os("LONGHAUL_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        let hint = "run LONGHAUL_WRITE_SCHEMA=1 cargo test -p longhaul schema, and commit the file";
        assert!(committed == schema, "record.schema.json is not up to date: {hint}");
    }
}
