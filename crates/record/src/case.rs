//! A case as plain data: protocol, direction, sizes, other axes and limits of one transfer to measure.

mod limits;
mod recorded_key;
#[cfg(test)]
mod tests;

use std::time::Duration;

use recorded_key::RecordedKey;
use serde::{Deserialize, Serialize};

use crate::{
    ByteSize, CaseKey, ChunkSize, DEFAULT_SEED, DEFAULT_SPIN, Direction, Limits, NetworkSpec, PayloadKind,
    Rate, SinkKind,
    key::Axis,
    printable::{is_printable, printable},
    spin::spin_name,
};

/// One case: a transfer by its protocol, direction, chunk size, body size and every other axis.
///
/// ```
/// use longhaul_record::{Case, Direction};
///
/// let mut case = Case::new("h2");
/// case.direction = Direction::Down;
/// case.streams = 8;
/// assert_eq!(case.key().to_string(), "h2/down/64KiB/2GiB+c1s8");
/// assert_eq!(case.total_bytes(), 16 << 30);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "OnDisk"))]
#[serde(from = "OnDisk", into = "OnDisk")]
#[non_exhaustive]
pub struct Case {
    /// The name of the protocol, such as `h2`.
    pub protocol: String,
    /// The direction of the body: upload or download.
    pub direction: Direction,
    /// The number of body bytes that are handed to the protocol at once.
    pub chunk: ChunkSize,
    /// The size of one body.
    pub body: ByteSize,
    /// The content of the body.
    pub payload: PayloadKind,
    /// The seed of generated content.
    pub seed: u64,
    /// The receiver's use of the bytes.
    pub sink: SinkKind,
    /// The number of concurrent connections.
    pub connections: u32,
    /// The number of bodies in flight on each connection.
    pub streams: u32,
    /// The number of threads over which each end that is longhaul's own spreads its connections.
    pub threads: u32,
    /// The rate at which the receiver takes each body; `None` if the receiver reads as fast as it can.
    pub reader_rate: Option<Rate>,
    /// The time for which the receiver stands still after the beginning of each body; `None` if it reads on. Only
    /// `prove` runs such cases, to see how the program under proof treats a stalled reader.
    pub reader_stall: Option<Duration>,
    /// The rate at which the sender offers each body; `None` if the sender writes as fast as it can.
    pub limit_rate: Option<Rate>,
    /// The emulated network between the ends; `None` if they talk to each other directly.
    pub network: Option<NetworkSpec>,
    /// The time that the receiver busy-polls before it sleeps; `None` for `send` and `fetch`, whose receivers sleep at
    /// once.
    pub spin: Option<Duration>,
    /// The values of all limits that are in force.
    pub limits: Limits,
    /// The key of a case whose name does not follow from its fields alone; `None` for any other case.
    ///
    /// A case that was read from a record keeps its recorded key. Defaults of limits differ between versions, and an
    /// axis at the default of an earlier version must stay out of the name.
    recorded: Option<RecordedKey>,
}

/// A column of tables that list cases: the name of the column, and a function that returns its text for a case. The
/// function returns `None` if the case has no such value.
pub type CaseColumn = (&'static str, fn(&Case) -> Option<String>);

impl AsRef<Self> for Case {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Case {
    /// The name of the axis that states for how long the reader stands still.
    pub const STALL: &'static str = "stall";

    /// The name of the axis that states the emulated network.
    const NETWORK: &'static str = "network";

    /// The name of the axis that states the rate of a slow reader.
    const READER: &'static str = "reader";

    /// The columns of protocol, sizes and axes, with the names and units of the case in a record. New columns are added
    /// at the end.
    pub const COLUMNS: &'static [CaseColumn] = &[
        ("protocol", |case| Some(case.protocol.clone())),
        ("direction", |case| Some(case.direction.to_string())),
        ("chunk_bytes", |case| Some(case.chunk.get().to_string())),
        ("body_bytes", |case| Some(case.body.0.to_string())),
        ("total_bytes", |case| Some(case.total_bytes().to_string())),
        ("payload", |case| Some(case.payload.to_string())),
        ("sink", |case| Some(case.sink.to_string())),
        ("connections", |case| Some(case.connections.to_string())),
        ("streams", |case| Some(case.streams.to_string())),
        ("reader_rate_bytes_per_s", |case| Some(case.reader_rate?.bytes_per_s().to_string())),
        ("limit_rate_bytes_per_s", |case| Some(case.limit_rate?.bytes_per_s().to_string())),
        ("reader_stall_s", |case| Some(case.reader_stall?.as_secs_f64().to_string())),
        ("threads", |case| Some(case.threads.to_string())),
        ("network", |case| Some(case.network?.to_string())),
    ];

    /// Creates a case with all defaults: a verified upload of 2 GiB in chunks of 64 KiB.
    pub fn new(protocol: impl Into<String>) -> Self {
        Self {
            protocol: protocol.into(),
            direction: Direction::Up,
            chunk: ChunkSize::DEFAULT,
            body: ByteSize(2 << 30),
            payload: PayloadKind::Random,
            seed: DEFAULT_SEED,
            sink: SinkKind::Verify,
            connections: 1,
            streams: 1,
            threads: 1,
            reader_rate: None,
            reader_stall: None,
            limit_rate: None,
            network: None,
            spin: Some(DEFAULT_SPIN),
            limits: Limits::default(),
            recorded: None,
        }
    }

    /// Returns the number of bodies over all connections and streams.
    pub fn bodies(&self) -> u64 {
        u64::from(self.connections) * u64::from(self.streams)
    }

    /// Returns the number of body bytes over all connections and streams.
    pub fn total_bytes(&self) -> u64 {
        self.body.0.saturating_mul(self.bodies())
    }

    /// Returns the case with its protocol and its recorded name in [`printable`](crate::printable()) form.
    pub(crate) fn printable(mut self) -> Self {
        let name = self.key().to_string();
        let key =
            if is_printable(&name) { self.recorded_key().cloned() } else { printable(&name).parse().ok() };
        self.protocol = printable(&self.protocol);
        self.set_key(key);
        self
    }

    /// Returns the identity of the case: the key by which records are joined.
    ///
    /// A case that was read from a record has the key under which it was recorded. After a change of a field, the key
    /// follows from the fields. The keys of [`towards_any_peer`](Self::towards_any_peer) and
    /// [`with_reader_at_a_quarter`](Self::with_reader_at_a_quarter) also hold until a field changes.
    pub fn key(&self) -> CaseKey {
        self.recorded_key().cloned().unwrap_or_else(|| CaseKey {
            protocol: Some(self.protocol.clone()),
            direction: self.direction,
            chunk: self.chunk.into(),
            body: Some(self.body),
            axes: self.axes(Limits::of),
        })
    }

    /// Returns the case of a transfer to any peer (`send`, `fetch`). Its key has only the limits that differ from those
    /// of [`Limits::for_any_peer`].
    #[must_use]
    pub fn towards_any_peer(mut self) -> Self {
        let axes = self.axes(Limits::for_any_peer);
        let key = CaseKey { axes, ..self.key() };
        self.set_key(Some(key));
        self
    }

    /// Returns the case with a reader at `rate`, which is a quarter of a goodput that was measured before. The key has
    /// the word `quarter` in place of the rate, so that the cases of several sessions have one key.
    #[must_use]
    pub fn with_reader_at_a_quarter(mut self, rate: Rate) -> Self {
        self.reader_rate = Some(rate);
        let mut key = self.key();
        for axis in &mut key.axes {
            if matches!(axis, Axis::Setting { name, .. } if name == Self::READER) {
                *axis = Axis::setting(Self::READER, "quarter");
            }
        }
        self.set_key(Some(key));
        self
    }

    /// Returns the axes that are not at their defaults. `preset` returns the limits of a profile.
    fn axes(&self, preset: limits::Preset) -> Vec<Axis> {
        let mut axes = Vec::new();
        if (self.connections, self.streams) != (1, 1) {
            axes.push(Axis::Load { connections: self.connections, streams: self.streams });
        }
        if self.threads != 1 {
            axes.push(Axis::setting("threads", self.threads));
        }
        match &self.payload {
            PayloadKind::Random => {}
            PayloadKind::Zero => axes.push(Axis::setting("payload", "zero")),
            // The size of the block follows from the machine, so the name leaves it out.
            PayloadKind::Cold(_) => axes.push(Axis::setting("payload", "cold")),
            PayloadKind::Stdin => axes.push(Axis::setting("payload", "stdin")),
            PayloadKind::Form => axes.push(Axis::setting("payload", "form")),
            PayloadKind::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
                axes.push(Axis::setting("payload", format_args!("file:{name}")));
            }
        }
        if self.seed != DEFAULT_SEED {
            axes.push(Axis::setting("seed", self.seed));
        }
        match &self.sink {
            SinkKind::Verify => {}
            SinkKind::Save(_) => axes.push(Axis::setting("sink", "save")),
            SinkKind::Discard | SinkKind::Collect | SinkKind::Keep(_) | SinkKind::Burn(_) => {
                axes.push(Axis::setting("sink", &self.sink))
            }
        }
        axes.extend(self.reader_rate.map(|rate| Axis::setting(Self::READER, rate)));
        axes.extend(
            self.reader_stall
                .map(|stall| Axis::setting(Self::STALL, format_args!("{}s", stall.as_secs_f64()))),
        );
        axes.extend(self.limit_rate.map(|rate| Axis::setting("limit", rate)));
        axes.extend(self.network.map(|network| Axis::setting(Self::NETWORK, network)));
        let spin = self.spin.filter(|spin| *spin != DEFAULT_SPIN);
        axes.extend(spin.map(|spin| Axis::setting("spin", spin_name(spin))));
        axes.extend(self.limit_axes(preset));
        axes
    }

    /// Sets the limits and the busy-polling time, which older records state outside the case.
    pub(crate) fn complete(&mut self, limits: &Limits, spin: Option<Duration>) {
        self.keep_key(|case| {
            case.limits = limits.clone();
            case.spin = case.spin.or(spin.filter(|spin| !spin.is_zero()));
        });
    }
}

/// The JSON form of a case in a record.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Case"))]
struct OnDisk {
    /// The case's name: the key by which records are joined.
    name: String,
    /// The name of the protocol, such as `h2`.
    protocol: String,
    /// The direction of the body: upload or download.
    direction: Direction,
    /// The number of body bytes that are handed to the protocol at once.
    chunk_bytes: ChunkSize,
    /// The size of one body.
    body_bytes: u64,
    /// The size of all bodies of the run together, in bytes.
    total_bytes: u64,
    /// The content of the body, in the form of the `--payload` flag.
    payload: PayloadKind,
    /// The seed of generated content; 1 for records written before the seed was recorded.
    #[serde(default = "default_seed")]
    seed: u64,
    /// The receiver's use of the bytes, in the form of the `--sink` flag.
    sink: SinkKind,
    /// The number of concurrent connections.
    connections: u32,
    /// The number of bodies in flight on each connection.
    streams: u32,
    /// The number of threads over which each end that is longhaul's own spreads its connections; 1 in records written
    /// before 2026-11-28.
    #[serde(default = "one")]
    threads: u32,
    /// The rate at which the receiver was allowed to take each body, in bytes per second; null if unlimited.
    reader_rate_bytes_per_s: Option<Rate>,
    /// The time in seconds for which the receiver stood still after the beginning of each body; null if it read on, and
    /// in records written before 2026-11-27.
    #[serde(default)]
    reader_stall_s: Option<f64>,
    /// The rate at which the sender was allowed to offer each body, in bytes per second; null if unlimited.
    limit_rate_bytes_per_s: Option<Rate>,
    /// The emulated network between the ends, in the form of the `--network` flag; null if the ends talked to each
    /// other directly, and in records written before 2026-11-28.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    network: Option<NetworkSpec>,
    /// Microseconds that the receiver busy-polls before it sleeps; null for `send` and `fetch`, whose receivers sleep
    /// at once. Records of schema version 1 state the time outside the case instead.
    #[serde(default)]
    spin_us: Option<f64>,
    /// The values of all limits in force, by flag. The oldest records state the limits outside the case instead.
    #[serde(default)]
    limits: Option<Limits>,
}

fn default_seed() -> u64 {
    DEFAULT_SEED
}

fn one() -> u32 {
    1
}

impl From<Case> for OnDisk {
    fn from(case: Case) -> Self {
        Self {
            name: case.key().to_string(),
            total_bytes: case.total_bytes(),
            protocol: case.protocol,
            direction: case.direction,
            chunk_bytes: case.chunk,
            body_bytes: case.body.0,
            payload: case.payload,
            seed: case.seed,
            sink: case.sink,
            connections: case.connections,
            streams: case.streams,
            threads: case.threads,
            reader_rate_bytes_per_s: case.reader_rate,
            reader_stall_s: case.reader_stall.map(|stall| stall.as_secs_f64()),
            limit_rate_bytes_per_s: case.limit_rate,
            network: case.network,
            spin_us: case.spin.map(|spin| spin.as_secs_f64() * 1e6),
            limits: Some(case.limits),
        }
    }
}

impl From<OnDisk> for Case {
    fn from(read: OnDisk) -> Self {
        let mut case = Self {
            recorded: None,
            protocol: read.protocol,
            direction: read.direction,
            chunk: read.chunk_bytes,
            body: ByteSize(read.body_bytes),
            payload: read.payload,
            seed: read.seed,
            sink: read.sink,
            connections: read.connections,
            streams: read.streams,
            threads: read.threads,
            reader_rate: read.reader_rate_bytes_per_s,
            reader_stall: read.reader_stall_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            limit_rate: read.limit_rate_bytes_per_s,
            network: read.network,
            spin: read.spin_us.and_then(|us| Duration::try_from_secs_f64(us / 1e6).ok()),
            limits: read.limits.unwrap_or_default(),
        };
        case.set_key(read.name.parse().ok());
        case
    }
}
