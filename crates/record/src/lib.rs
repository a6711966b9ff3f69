//! The data of longhaul: cases, limits and the records of their runs.
//!
//! A [`Case`] is one transfer to measure: a combination of protocol, direction, sizes and other axes. Its [`CaseKey`]
//! is the identity by which records are joined. A [`Record`] holds the measurements of one run at both ends: one line
//! of JSON. This crate reads, writes and describes records, but runs no transfers. Any program can therefore work on
//! results from another machine or day.
//!
//! ```no_run
//! use std::path::Path;
//!
//! for record in longhaul_record::read(Path::new("results/2026-11-26-epyc-2-cores/sweep"))? {
//!     let mib_per_s = record.goodput_bytes_per_s.map(longhaul_record::mib_per_s);
//!     println!("{} {mib_per_s:?}", record.case.key());
//! }
//! # Ok::<(), longhaul_record::ReadError>(())
//! ```

mod bit_rate;
mod budget;
mod case;
mod chunk;
mod compressed;
mod conditions;
mod content;
mod distributions;
mod end_record;
mod ends;
mod fault;
mod framing;
mod key;
mod limited_by;
mod limits;
mod machine;
mod network;
mod printable;
mod protocol;
mod protocol_facts;
mod reader;
mod record;
mod redaction;
mod redirects;
mod resumption;
mod schedule;
mod seen_lines;
mod shared;
mod size;
mod spin;
mod stall;
mod subject;
mod transport_stats;
mod warning;
mod writer;

pub use bit_rate::{BitRate, BitRateError};
pub use budget::Term;
pub use case::{Case, CaseColumn};
pub use chunk::{ChunkSize, ChunkSizeError};
pub use conditions::{Conditions, CoreConditions};
pub use content::{DEFAULT_SEED, PayloadKind, PayloadKindError, SinkKind, SinkKindError};
pub use distributions::{BodyRates, Latency, Throughput, Weight};
pub use end_record::{
    ContextSwitches, CpuRecord, EndRecord, HeapPoint, Held, MemoryRecord, PageFaults, ThreadRecord,
    TimelinePoint,
};
pub use ends::{ByEnd, Direction, End, WordError};
pub use fault::{Fault, FaultKind};
pub use framing::{FrameSizes, Framing};
pub use key::{Axis, CaseKey, CaseKeyError};
pub use limited_by::{Cause, LimitedBy};
pub use limits::*;
pub use machine::{Awake, Build, CoreRoundTrip, Host, IdlePolicy};
pub use network::{
    DirectionCount, NetworkRecord, NetworkSpec, NetworkSpecError, PRESETS, RelayKind, RelayResources,
};
pub use printable::{printable, quoted};
pub use protocol::{Carrier, CarrierKind, Engine, PROTOCOLS, Protocol, ProtocolKind};
pub use protocol_facts::ProtocolFacts;
pub use reader::{
    Damage, DamagedLine, RECORD_FILES, ReadError, ReadRecords, read, read_each, read_each_unseen,
    read_undamaged, records_file,
};
pub use record::{Integrity, LinkRecord, Outcome, Purpose, Record, SCHEMA, SCHEMA_VERSION};
pub use redaction::{REDACTED, redacted_command, redacted_header, redacted_url, redacted_words};
pub use redirects::Redirects;
pub use resumption::Resumption;
pub use schedule::{Order, Schedule};
pub use seen_lines::SeenLines;
pub use shared::Shared;
pub use size::{
    ByteSize, DEFAULT_SLOPE_LIMIT, Rate, RateError, SizeError, counted, gbit_per_s, mib, mib_per_s, speed,
    three_digits,
};
pub use spin::DEFAULT_SPIN;
pub use stall::Stall;
pub use subject::{PeerProgram, Subject};
pub use transport_stats::{QuicBlocked, QuicStats, SendWaits, TcpBusy, TcpStats, TransportStats};
pub use warning::Warning;
pub use writer::{Results, ResumeFileError, Resumed, WriteError};
