//! The flags of `longhaul bench`, and the matrix they mean.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, builder::RangedU64ValueParser};
use payload::{ChunkSize, Kind};
use transport::{MAX_STREAMS, TRANSPORTS, Transport};

use super::{
    limits::LimitArgs,
    values::{Chunks, Protocol, Sizes, duration, rate},
};
use crate::{
    case::{DEFAULT_SEED, Direction, Rates, SinkKind},
    distinct::distinct,
    exit::Usage,
    machine::Idle,
    matrix::Matrix,
    size::ByteSize,
};

/// What is run unless it is asked for otherwise.
pub(crate) struct Defaults {
    /// Whether the rows without HTTP are among the protocols.
    pub(crate) baselines: bool,
    /// In bytes.
    pub(crate) chunks: &'static [u64],
    pub(crate) bodies: &'static [ByteSize],
}

impl Defaults {
    /// Of `bench`. The body is past the 2 GB at which clients that read it all die.
    pub(crate) const BENCH: Self =
        Self { baselines: true, chunks: &[16 << 10, 64 << 10, 1 << 20], bodies: &[ByteSize(2 << 30)] };

    /// Of `prove`: sizes far enough apart for a slope, chunks as they are usual.
    pub(crate) const PROVE: Self = Self {
        baselines: false,
        chunks: &[64 << 10],
        bodies: &[ByteSize(256 << 20), ByteSize(1 << 30), ByteSize(4 << 30)],
    };
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Protocols, separated by commas [default: all eight; prove: the five of HTTP]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    protocol: Vec<Protocol>,
    /// Who sends the body: up (the client), down (the server), or both
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "up")]
    direction: Vec<Direction>,
    /// Chunk sizes from 1 B to 64 MiB, also as a doubling range 4KiB..1MiB [default: 16KiB,64KiB,1MiB; prove: 64KiB]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    chunk_size: Vec<Chunks>,
    /// Body sizes, also as a doubling range [default: 2GiB, or the payload file's size; prove: 256MiB,1GiB,4GiB]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    size: Vec<Sizes>,
    /// What is sent: random, zero or file:PATH
    #[arg(long, value_name = "KIND", default_value = "random")]
    payload: Kind,
    /// Seed of the generated body
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// What the receiver does with the bytes: discard, verify or save:DIR
    #[arg(long, default_value = "verify")]
    sink: SinkKind,
    /// Connections at once
    #[arg(long, value_name = "N", default_value = "1", value_parser = RangedU64ValueParser::<u32>::new().range(1..=MAX_CONNECTIONS))]
    connections: u32,
    /// Bodies in flight on each connection (h2c, h2, h3, quic)
    #[arg(long, value_name = "N", default_value = "1", value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_STREAMS)))]
    streams: u32,
    /// How fast the receiver takes each body, in bytes per second [default: as fast as it can]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    reader_rate: Option<ByteSize>,
    /// How fast the sender offers each body, in bytes per second [default: as fast as it can]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    limit_rate: Option<ByteSize>,
    /// Passes over the whole matrix
    #[arg(long, value_name = "N", default_value = "3", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    pub(crate) rounds: u32,
    /// A core for each end: auto (where there are two), off, or SENDER:RECEIVER
    #[arg(long, value_name = "CORES", default_value = "auto")]
    pub(crate) affinity: Affinity,
    /// How cores wait that have nothing to do
    #[arg(long, value_name = "NAME", default_value = "poll")]
    pub(crate) idle: Idle,
    /// How long a run may wait for cores that are far apart, as a host may move them, to come close [default: not at all]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) settle: Option<Duration>,
    /// How long a transfer may stand still
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Folder for the results [default: results/UTCTIME-HOST]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print what each end may take of memory, term by term, and stop
    #[arg(long)]
    pub(crate) explain_memory: bool,
    /// Print records on stdout and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// No live view
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

/// The most `--connections`: each is two file descriptors at an end, a socket and a
/// second handle to ask about it, and 1,024 open files is the usual soft limit.
const MAX_CONNECTIONS: u64 = 480;

impl BenchArgs {
    /// The matrix that the flags mean; what is named twice runs once, as a case's name is unique.
    ///
    /// # Errors
    /// The payload cannot be used, or flags contradict each other.
    pub(crate) fn matrix(&self, defaults: &Defaults) -> Result<Matrix, Usage> {
        let is_default = |p: &&&dyn Transport| defaults.baselines || p.features().baseline.is_some();
        let protocols = match self.protocol.as_slice() {
            [] => TRANSPORTS.iter().filter(is_default).copied().collect(),
            asked => distinct(asked.iter()).iter().map(|protocol| protocol.0).collect(),
        };
        Ok(Matrix {
            protocols,
            directions: distinct(self.direction.iter().copied()),
            chunks: self.chunks(defaults)?,
            bodies: self.bodies(defaults)?,
            payload: self.payload.clone(),
            seed: self.seed,
            sink: self.sink.clone(),
            connections: self.connections,
            streams: self.streams,
            rates: Rates { reader: self.reader_rate, limit: self.limit_rate },
            limits: self.limits.limits(),
        })
    }

    fn chunks(&self, defaults: &Defaults) -> Result<Vec<ChunkSize>, Usage> {
        if self.chunk_size.is_empty() {
            let chunks = defaults.chunks.iter().map(|bytes| ChunkSize::try_from(*bytes));
            return chunks.collect::<Result<_, _>>().map_err(|error| Usage(error.to_string()));
        }
        Ok(distinct(self.chunk_size.iter().flat_map(|c| c.0.clone())))
    }

    fn bodies(&self, defaults: &Defaults) -> Result<Vec<ByteSize>, Usage> {
        if self.payload == Kind::Stdin {
            return Err(Usage("--payload -: standard input can be read once only; use longhaul send".into()));
        }
        let own = self.payload.size().map_err(|error| Usage(error.to_string()))?;
        match (own, self.size.as_slice()) {
            (Some(size), []) => Ok(vec![ByteSize(size)]),
            (Some(_), _) => {
                Err(Usage(format!("--size contradicts --payload {}: a file has its own size", self.payload)))
            }
            (None, []) => Ok(defaults.bodies.to_vec()),
            (None, asked) => Ok(distinct(asked.iter().flat_map(|s| s.0.clone()))),
        }
    }
}

/// Which cores the ends run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// One each, where there are two.
    Auto,
    /// Where the kernel puts them.
    Off,
    /// These.
    Cores { sender: usize, receiver: usize },
}

impl FromStr for Affinity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cores = |(sender, receiver): (&str, &str)| {
            Some(Self::Cores { sender: sender.parse().ok()?, receiver: receiver.parse().ok()? })
        };
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => text
                .split_once(':')
                .and_then(cores)
                .ok_or_else(|| "it must be auto, off or SENDER:RECEIVER such as 0:1".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinity_reads_what_the_help_says() {
        assert_eq!("auto".parse(), Ok(Affinity::Auto));
        assert_eq!("2:0".parse(), Ok(Affinity::Cores { sender: 2, receiver: 0 }));
        assert!("0".parse::<Affinity>().is_err() && "0:x".parse::<Affinity>().is_err());
    }
}
