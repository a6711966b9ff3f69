//! One cell of the matrix, and its name: the key that joins records everywhere.

use std::{fmt, path::PathBuf, str::FromStr};

use payload::{ChunkSize, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use transport::{Limits, Setting, Transport};

use crate::size::ByteSize;

/// The seed of the generated body unless another is asked for.
pub(crate) const DEFAULT_SEED: u64 = 1;

/// Who sends the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// The client sends: an upload.
    Up,
    /// The server sends: a download.
    Down,
}

/// What the receiver does with the bytes. Its text form is the `--sink` flag's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub(crate) enum SinkKind {
    /// Lets them go.
    Discard,
    /// Digests them.
    Verify,
    /// Digests them and saves them in a folder.
    Save(PathBuf),
    /// Keeps the whole body, then digests it: the control that `prove` must catch.
    Collect,
}

impl SinkKind {
    /// Whether the receiver takes a digest.
    pub(crate) fn digests(&self) -> bool {
        *self != Self::Discard
    }
}

impl FromStr for SinkKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("save:")) {
            ("discard", _) => Ok(Self::Discard),
            ("verify", _) => Ok(Self::Verify),
            ("collect", _) => Ok(Self::Collect),
            (_, Some(folder)) if !folder.is_empty() => Ok(Self::Save(folder.into())),
            _ => Err("it must be discard, verify or save:DIR".into()),
        }
    }
}

impl From<SinkKind> for String {
    fn from(sink: SinkKind) -> String {
        sink.to_string()
    }
}

impl TryFrom<String> for SinkKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// One case.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) transport: &'static dyn Transport,
    pub(crate) direction: Direction,
    pub(crate) chunk: ChunkSize,
    pub(crate) body: ByteSize,
    pub(crate) payload: Kind,
    pub(crate) seed: u64,
    pub(crate) sink: SinkKind,
    pub(crate) connections: u32,
    pub(crate) streams: u32,
    pub(crate) rates: Rates,
    pub(crate) limits: Limits,
}

/// How fast a body may go, in bytes per second; `None` is as fast as it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rates {
    /// How fast the receiver takes it.
    pub(crate) reader: Option<ByteSize>,
    /// How fast the sender offers it.
    pub(crate) limit: Option<ByteSize>,
}

impl Case {
    /// Body bytes over all connections and streams.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.body.0.saturating_mul(u64::from(self.connections) * u64::from(self.streams))
    }

    /// Protocol, direction, chunk and body, then every axis that is not at its default: unique in a matrix.
    pub(crate) fn name(&self) -> String {
        let chunk = ByteSize(self.chunk.into());
        let mut name = format!("{}/{}/{chunk}/{}", self.transport.name(), self.direction, self.body);
        for axis in self.unusual_axes() {
            name.push('+');
            name.push_str(&axis);
        }
        name
    }

    /// The name without the body: the same for all sizes.
    pub(crate) fn series(&self) -> String {
        without_body(&self.name(), self.body)
    }

    fn unusual_axes(&self) -> Vec<String> {
        let mut axes = Vec::new();
        if (self.connections, self.streams) != (1, 1) {
            axes.push(format!("c{}s{}", self.connections, self.streams));
        }
        match &self.payload {
            Kind::Random => {}
            Kind::Zero => axes.push("payload=zero".into()),
            Kind::Stdin => axes.push("payload=stdin".into()),
            Kind::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                axes.push(format!("payload=file:{}", name.display()));
            }
        }
        if self.seed != DEFAULT_SEED {
            axes.push(format!("seed={}", self.seed));
        }
        match &self.sink {
            SinkKind::Verify => {}
            SinkKind::Save(_) => axes.push("sink=save".into()),
            SinkKind::Discard | SinkKind::Collect => axes.push(format!("sink={}", self.sink)),
        }
        axes.extend(self.rates.reader.map(|rate| format!("reader={rate}")));
        axes.extend(self.rates.limit.map(|rate| format!("limit={rate}")));
        let defaults = Limits::default();
        for limit in self.transport.limits() {
            let value = self.limits.get(*limit);
            if value == defaults.get(*limit) {
                continue;
            }
            axes.push(match value {
                Setting::Bytes(bytes) => format!("{}={}", limit.flag(), ByteSize(bytes)),
                Setting::Auto => format!("{}=auto", limit.flag()),
                Setting::Choice(name) => format!("{}={name}", limit.flag()),
            });
        }
        axes
    }
}

/// A case's name without its body: the same for all sizes.
pub(crate) fn without_body(name: &str, body: ByteSize) -> String {
    name.replacen(&format!("/{body}"), "", 1)
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

impl fmt::Display for SinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discard => f.write_str("discard"),
            Self::Verify => f.write_str("verify"),
            Self::Save(folder) => write!(f, "save:{}", folder.display()),
            Self::Collect => f.write_str("collect"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A case at every default.
    pub(crate) fn plain(protocol: &str) -> Case {
        Case {
            transport: transport::by_name(protocol).unwrap(),
            direction: Direction::Up,
            chunk: ChunkSize::try_from(65_536).unwrap(),
            body: ByteSize(2 << 30),
            payload: Kind::Random,
            seed: DEFAULT_SEED,
            sink: SinkKind::Verify,
            connections: 1,
            streams: 1,
            rates: Rates::default(),
            limits: Limits::default(),
        }
    }

    #[test]
    fn the_name_is_short_at_defaults_and_tells_every_other_axis() {
        assert_eq!(plain("h2").name(), "h2/up/64KiB/2GiB");
        let mut case = Case {
            direction: Direction::Down,
            chunk: ChunkSize::try_from(65_563).unwrap(),
            connections: 4,
            streams: 8,
            payload: Kind::File("/tmp/some.iso".into()),
            seed: 7,
            sink: SinkKind::Discard,
            rates: Rates { reader: Some(ByteSize(150 << 20)), limit: None },
            ..plain("h2")
        };
        case.limits.h2_frame = 16 << 10;
        let expected =
            "h2/down/65563B/2GiB+c4s8+payload=file:some.iso+seed=7+sink=discard+reader=150MiB+h2-frame=16KiB";
        assert_eq!(case.name(), expected);
        assert_eq!(case.total_bytes(), 64 << 30);
    }

    #[test]
    fn a_limit_that_a_protocol_does_not_know_leaves_its_name_alone() {
        let mut case = plain("h1c");
        case.limits.h2_window = 1 << 16;
        assert_eq!(case.name(), "h1c/up/64KiB/2GiB");
        case.limits.h1_buffer = 1 << 16;
        assert_eq!(case.name(), "h1c/up/64KiB/2GiB+h1-buffer=64KiB");
    }
}
