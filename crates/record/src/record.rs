//! The record: the measurements of one run of one case, at both ends.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    BodyRates, Build, ByEnd, Case, Conditions, CoreRoundTrip, Direction, End, EndRecord, Fault, Host,
    Latency, LimitedBy, Limits, NetworkRecord, PeerProgram, ProtocolFacts, Redirects, Resumption, Schedule,
    Shared, Stall, Subject, Warning,
};

/// The version of the record's format. It increases when the meaning of a field changes, but not when fields are added.
///
/// Since version 2, `cpu.s_per_gib` excludes busy-polling, `first_byte_s` of an upload is the first byte at the
/// receiver, and `peak_rss_bytes` is at least the highest sample.
pub const SCHEMA_VERSION: u32 = 2;

/// The oldest schema version that can be read. Figures that have another meaning in that version are null after
/// reading.
pub(crate) const OLDEST_VERSION: u32 = 1;

/// One run of one case: a line of `records.jsonl`. A figure that could not be taken is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "longhaul record"))]
#[non_exhaustive]
pub struct Record {
    /// The version of the record's format, which increases when the meaning of a field changes.
    pub schema_version: u32,
    /// The identifier of the session (one invocation of longhaul) that made the record.
    pub run_id: String,
    /// The case that was run.
    pub case: Case,
    /// The facts about the protocol of the case; null in records written before 2026-11-26.
    #[serde(default)]
    pub protocol: Option<ProtocolFacts>,
    /// The purpose of the run: measurement or control; null in records written before 2026-11-26.
    #[serde(default)]
    pub purpose: Option<Purpose>,
    /// The name that the user gave to the runs (`--label`); null without one.
    #[serde(default)]
    pub label: Option<String>,
    /// The URL of the peer of `send` or `fetch`, without secrets; the command line of the program under proof; or the
    /// name of the program in `bench --peer`. Null for all other runs.
    #[serde(default)]
    pub peer: Option<String>,
    /// The number of tries that `send` or `fetch` made (`--retry`). The figures are those of the last try. Null for all
    /// other runs, and in records written before 2026-11-27.
    #[serde(default)]
    pub tries: Option<u32>,
    /// The redirects that `send` or `fetch` followed (`-L`); null if there were none, and for all other runs.
    #[serde(default)]
    pub redirects: Option<Redirects>,
    /// The TLS session that `send` or `fetch` was to resume (`--resume-session`); null for all other runs, and in
    /// records written before 2026-11-27.
    #[serde(default)]
    pub resumption: Option<Resumption>,
    /// The role of the program of someone else whose memory is in `sender` or `receiver`: the program under proof, or
    /// that of `bench --peer`. Null if both ends are longhaul's own, and in records of `send` and `fetch`.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// The program that took the place of one end in `bench --peer`; null for all other runs.
    #[serde(default)]
    pub peer_program: Option<PeerProgram>,
    /// The largest slope of memory that does not count as growth, in bytes per GiB of body (`--slope-limit`); null
    /// unless `prove` made the run.
    #[serde(default)]
    pub slope_limit_bytes: Option<u64>,
    /// The number of the pass over the matrix, counted from 0.
    pub round: u32,
    /// The order of the runs in the session; null in records of `send` and `fetch`, and in records written before
    /// 2026-11-27.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// The number of runs that the session planned, over all its cases and rounds; null in records of `send` and
    /// `fetch`, and in records written before 2026-11-28.
    #[serde(default)]
    pub planned_runs: Option<u64>,
    /// The position of the run among the recorded runs of its session, counted from 0; null in records of `send` and
    /// `fetch`, and in records written before 2026-11-28.
    #[serde(default)]
    pub sequence: Option<u64>,
    /// The warnings: conditions of the machine, seen before the session, that spoil its figures.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// The time at which the run started, in the form of RFC 3339.
    pub started_at: String,
    /// The outcome. It is `ok` if every body arrived and was confirmed, or if a program under proof ended a transfer
    /// whose reader stood still (`stall.ended`). Otherwise it is `error`.
    pub outcome: Outcome,
    /// The failure of the run; null if and only if the outcome is `ok`.
    pub error: Option<Fault>,
    /// The duration in seconds by the client's clock, from handing over the first request to the confirmed end. Null
    /// for a proxy under proof, and if a reader stood still on purpose.
    ///
    /// Programs of someone else have other bounds. A client of `bench --peer`: from the end of its handshake to the
    /// receipt of an upload, or to the exit of the client. An upload of a client under proof: the time at the receiver.
    /// A download of such a client: from the first sample with body bytes to the exit of the client. A `program` under
    /// proof: from its start to its exit.
    pub elapsed_s: Option<f64>,
    /// The goodput: all body bytes divided by `elapsed_s`.
    pub goodput_bytes_per_s: Option<f64>,
    /// The duration in seconds of the slowest handshake of a connection, by the client's clock; null if no client of
    /// longhaul's own connected.
    pub handshake_s: Option<f64>,
    /// The time in seconds from handing over the request until the first body byte passed the receiver. Null if the
    /// receiver is not longhaul's, for uploads to another machine, and for uploads in records of schema version 1.
    pub first_byte_s: Option<f64>,
    /// The bytes that a proxy under proof and the sockets around it had taken in and not passed on while its reader
    /// stood still. They are counted when no more bytes came. Null for all other runs.
    #[serde(default)]
    pub absorbed_bytes: Option<u64>,
    /// The standstill of the reader. Null if the case demands none, if the body did not reach the beginning of the
    /// standstill, and in records written before 2026-11-27.
    #[serde(default)]
    pub stall: Option<Stall>,
    /// The time in microseconds that the receiver busy-polls before it sleeps; null in records written before
    /// 2026-11-26.
    #[serde(default)]
    pub spin_us: Option<f64>,
    /// The time from the sender's handing over of a byte to its arrival at the receiver, at the offsets where both ends
    /// read the clock, of all bodies.
    ///
    /// Null unless the sender was held to a rate (`--limit-rate`) and both ends were on one machine. Null with more
    /// than 32 bodies, with several bodies of a protocol without HTTP, and with several bodies in records written
    /// before 2026-11-28.
    #[serde(default)]
    pub delivery: Option<Latency>,
    /// The rates of concurrent bodies; null if there was one body.
    #[serde(default)]
    pub bodies: Option<BodyRates>,
    /// True if something other than the case disturbed the run, by the fixed rules in docs/explanation/measuring.md.
    /// Null if that is not known, and in records written before 2026-11-27.
    #[serde(default)]
    pub disturbed: Option<bool>,
    /// The disturbances of the run, in words: one for each rule in docs/explanation/measuring.md that applies.
    #[serde(default)]
    pub disturbances: Vec<String>,
    /// The conditions on the machine during the run; null if longhaul did not watch them, and in records written before
    /// 2026-11-27.
    #[serde(default)]
    pub conditions: Option<Conditions>,
    /// The cause that limited goodput, by the fixed rules in docs/explanation/limits-of-goodput.md. Null if the run
    /// failed, if no rule applies, and in records written before 2026-11-28.
    #[serde(default)]
    pub limited_by: Option<LimitedBy>,
    /// The emulated network between the ends, with its measurements; null without one, and in records written before
    /// 2026-11-28.
    #[serde(default)]
    pub network: Option<Box<NetworkRecord>>,
    /// The measurements of the end that sent the body; null if there are none.
    pub sender: Option<EndRecord>,
    /// The measurements of the end that received the body; null if there are none.
    pub receiver: Option<EndRecord>,
    /// The round-trip time between the cores of the two ends. Null if the ends were not bound to two cores of one
    /// machine, and in records written before 2026-11-24.
    #[serde(default)]
    pub core_round_trip: Option<CoreRoundTrip>,
    /// The digests of the body at both ends; null if the sink computes no digest.
    pub integrity: Option<Integrity>,
    /// The command line that made the record, without secrets; null in records written before 2026-11-23.
    #[serde(default)]
    pub command: Option<String>,
    /// The machine on which the run was made; the client's machine if the ends were on two machines (`peer_host`).
    pub host: Shared<Host>,
    /// The build of the program that made the record.
    pub build: Shared<Build>,
    /// The machine of the server if the ends were on two machines (`bench --to`); null for all other runs, and in
    /// records written before 2026-11-28.
    #[serde(default)]
    pub peer_host: Option<Shared<Host>>,
    /// The build of the program that ran the server on `peer_host`; null if `peer_host` is null.
    #[serde(default)]
    pub peer_build: Option<Shared<Build>>,
    /// The parameters of the connection in effect, as the client saw them. If there are several connections, those of
    /// the first one.
    pub link: Option<LinkRecord>,
    /// The values of all limits in force, by flag. The case states the same values.
    pub limits: Limits,
}

impl Record {
    /// Creates the record of a run of `case`, without any measurement.
    pub fn new(run_id: impl Into<String>, case: Case) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            run_id: run_id.into(),
            protocol: Some(ProtocolFacts::of(&case.protocol)),
            purpose: Some(Purpose::Measure),
            label: None,
            peer: None,
            tries: None,
            redirects: None,
            resumption: None,
            subject: None,
            peer_program: None,
            slope_limit_bytes: None,
            round: 0,
            schedule: None,
            planned_runs: None,
            sequence: None,
            warnings: Vec::new(),
            started_at: String::new(),
            outcome: Outcome::Ok,
            error: None,
            elapsed_s: None,
            goodput_bytes_per_s: None,
            handshake_s: None,
            first_byte_s: None,
            absorbed_bytes: None,
            stall: None,
            spin_us: None,
            delivery: None,
            bodies: None,
            disturbed: None,
            disturbances: Vec::new(),
            conditions: None,
            limited_by: None,
            network: None,
            sender: None,
            receiver: None,
            core_round_trip: None,
            integrity: None,
            command: None,
            host: Shared::default(),
            build: Shared::default(),
            peer_host: None,
            peer_build: None,
            link: None,
            limits: case.limits.clone(),
            case,
        }
    }

    /// Reads one line of `records.jsonl`, as this or an earlier version of longhaul wrote it.
    ///
    /// # Errors
    /// Fails if the line is not a record.
    pub fn from_json(line: &[u8]) -> serde_json::Result<Self> {
        let mut record: Self = serde_json::from_slice(line)?;
        // Earlier versions stated limits and busy-polling time only outside the case.
        let limits = record.limits.clone();
        let spin = record.spin_us.and_then(|us| Duration::try_from_secs_f64(us / 1e6).ok());
        record.case.complete(&limits, spin);
        if record.peer.is_some() && record.subject.is_none() && record.peer_program.is_none() {
            record.case.leave_out_defaults_for_any_peer();
        }
        record.case.name_profile();
        if record.schema_version == OLDEST_VERSION {
            record.drop_changed_figures();
        }
        Ok(record)
    }

    /// Drops the figures of a record of schema version 1 that have another meaning today. These are the processor time
    /// per GiB of a receiver that busy-polled, and the first byte of an upload, which version 1 took at the sender.
    fn drop_changed_figures(&mut self) {
        if self.case.direction == Direction::Up {
            self.first_byte_s = None;
        }
        if let Some(receiver) = self.receiver.as_mut().filter(|_| self.spin_us != Some(0.0)) {
            receiver.cpu.s_per_gib = None;
        }
    }

    /// Returns the record as one line of JSON, including the line break.
    ///
    /// # Errors
    /// Fails if a value cannot be written as JSON.
    pub fn to_line(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// Returns the measurements of one end, if there are any.
    pub fn end(&self, end: End) -> Option<&EndRecord> {
        match end {
            End::Sender => self.sender.as_ref(),
            End::Receiver => self.receiver.as_ref(),
        }
    }

    /// Returns the end whose place a program of someone else took in `bench --peer`; `None` for all other runs.
    pub fn peer_end(&self) -> Option<End> {
        self.peer_program.as_ref()?;
        self.subject.map(|subject| subject.end(self.case.direction))
    }

    /// Sets the measurements of both ends.
    pub fn set_ends(&mut self, ends: ByEnd<Option<EndRecord>>) {
        (self.sender, self.receiver) = (ends.sender, ends.receiver);
    }

    /// Returns whether the outcome is `ok`.
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }

    /// Returns the facts about the protocol: those that the record states, or else those of the protocol's name.
    pub fn facts(&self) -> ProtocolFacts {
        self.protocol.clone().unwrap_or_else(|| ProtocolFacts::of(&self.case.protocol))
    }
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every body arrived and was confirmed, or a program under proof ended a transfer whose reader stood still.
    Ok,
    /// The run failed.
    Error,
}

/// The purpose of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The run measures the case.
    Measure,
    /// An end grows on purpose, to show that a proof of constant memory would notice growth.
    Control,
}

/// The digests of the body at both ends, which prove that the content is intact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Integrity {
    /// The name of the digest's algorithm.
    pub algorithm: String,
    /// The digest of the bytes that were sent, in hexadecimal.
    pub sent: String,
    /// The digest of the bytes that were received, in hexadecimal.
    pub received: String,
    /// True if the two digests are equal.
    #[serde(rename = "match")]
    pub matches: bool,
}

/// The parameters of a connection in effect. A parameter that is unknown or does not apply is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LinkRecord {
    /// The application protocol that TLS negotiated (ALPN).
    pub alpn: Option<String>,
    /// The cipher suite that TLS negotiated, by its IANA name.
    pub cipher: Option<String>,
    /// The socket's send buffer in bytes, as the kernel reports it: Linux doubles the requested size.
    pub socket_send_buffer_bytes: Option<u64>,
    /// The socket's receive buffer in bytes, as the kernel reports it: Linux doubles the requested size.
    pub socket_receive_buffer_bytes: Option<u64>,
    /// The largest payload of a TCP segment or a UDP datagram, in bytes.
    pub mtu: Option<u64>,
    /// The IP address of the server; null in records of `send` and `fetch`, and in records written before 2026-11-27.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// TCP's congestion controller: the requested one, or the kernel's default if this user may not set the requested
    /// one. Null over QUIC, and in records written before 2026-11-27.
    #[serde(default)]
    pub congestion: Option<String>,
}

/// The JSON Schema of a record, as JSON text.
pub const SCHEMA: &str = include_str!("../record.schema.json");

#[cfg(test)]
mod tests;
