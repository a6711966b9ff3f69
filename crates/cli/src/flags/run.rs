//! The flags of `longhaul bench` and `longhaul prove`, and the cases that they describe.

use std::time::Duration;

use clap::Args;
use record::{
    ByteSize, Case, ChunkSize, DEFAULT_SEED, DEFAULT_SPIN, Direction, Limits, MAX_STREAMS, NetworkSpec,
    PROTOCOLS, PayloadKind, Protocol, Rate, SinkKind,
};
use run::Matrix;

use super::{
    SessionArgs,
    limits::LimitArgs,
    names::{Named, directions, flattened, protocol},
    network::{NetworkArgs, of_moderate_time},
    values::{chunks, count, distinct, measured_payload, sink, sizes, spin},
};
use crate::exit::Usage;

/// The axes of a matrix by default.
pub(crate) struct Defaults {
    /// Selects the default protocols.
    pub(crate) protocols: fn(&Protocol) -> bool,
    /// True if the ceilings run as well by default.
    pub(crate) ceilings: bool,
    /// The default directions.
    pub(crate) directions: &'static [Direction],
    /// The default chunk sizes, in bytes.
    pub(crate) chunks: &'static [u64],
    /// The default body sizes.
    pub(crate) bodies: &'static [ByteSize],
    /// The default number of rounds, which are the fewest with `--precision`.
    pub(crate) rounds: u32,
}

impl Defaults {
    /// The defaults of `bench`. The body exceeds 2 GB, since clients that buffer a whole body fail at that size. Six
    /// rounds are the fewest whose median has a confidence interval of 95 %.
    pub(crate) const BENCH: Self = Self {
        protocols: |protocol| !protocol.is_ceiling(),
        ceilings: true,
        directions: &[Direction::Up],
        chunks: &[64 << 10, 1 << 20],
        bodies: &[ByteSize(2 << 30)],
        rounds: 6,
    };

    /// The defaults of `prove`: both directions, small chunks, which show memory that is kept for each chunk, and large
    /// chunks. The largest size yields the slope within runs, and all sizes together yield the slope of peaks.
    pub(crate) const PROVE: Self = Self {
        protocols: Protocol::is_http,
        ceilings: false,
        directions: &[Direction::Up, Direction::Down],
        chunks: &[4 << 10, 64 << 10, 1 << 20],
        bodies: &[ByteSize(256 << 20), ByteSize(1 << 30), ByteSize(4 << 30)],
        rounds: 1,
    };

    /// The axes of the proof of a client or a server. One minute suffices for a client of 500 MiB/s. Three rounds of
    /// three sizes suffice for a confidence interval.
    pub(crate) const PROVE_SUBJECT: Self = Self {
        protocols: |protocol| protocol.is_http() && !protocol.is_encrypted() && !protocol.has_streams(),
        ceilings: false,
        directions: &[Direction::Up],
        chunks: &[64 << 10],
        bodies: &[ByteSize(64 << 20), ByteSize(256 << 20), ByteSize(1 << 30)],
        rounds: 3,
    };
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Protocols, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = protocol(), ignore_case = true, hide_possible_values = true)]
    protocol: Vec<Named<&'static Protocol>>,
    /// Leave out the ceiling rows, which bench runs once per round for each carrier unless --protocol names protocols
    #[arg(long)]
    no_ceiling: bool,
    /// The sender of the body: up (the client), down (the server), or both
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = directions(), hide_possible_values = true)]
    direction: Vec<Named<&'static [Direction]>>,
    /// Chunk sizes from 1 B to 64 MiB, also as a doubling range 4KiB..1MiB
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = chunks)]
    chunk_size: Vec<Vec<ChunkSize>>,
    /// Body sizes, also as a doubling range
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = sizes)]
    size: Vec<Vec<ByteSize>>,
    /// Content of the body: random, zero, cold (random, in a block that no cache of this machine holds) or file:PATH
    #[arg(long, value_name = "KIND", default_value = "random", value_parser = measured_payload(), hide_possible_values = true)]
    payload: PayloadKind,
    /// Seed of the generated body
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Use of the received bytes: discard, verify or save:DIR
    #[arg(long, default_value = "verify", value_parser = sink(), hide_possible_values = true)]
    sink: SinkKind,
    /// Concurrent connections
    #[arg(short = 'P', long, value_name = "N", default_value = "1", value_parser = count(1..=MAX_CONNECTIONS))]
    connections: u32,
    /// Bodies in flight on each connection (HTTP/2, HTTP/3 and QUIC)
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1..=MAX_STREAMS))]
    streams: u32,
    /// Threads of each end over which the connections are spread, each on its own core
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1..=MAX_THREADS))]
    threads: u32,
    /// Rate at which the receiver reads each body, in bytes per second [default: unlimited]
    #[arg(long, value_name = "RATE")]
    pub(crate) reader_rate: Option<Rate>,
    /// Rate at which the sender offers each body, in bytes per second [default: unlimited]
    #[arg(long, value_name = "RATE")]
    limit_rate: Option<Rate>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
    /// Time that a receiver busy-polls before it sleeps, up to 1s; 0 for none
    #[arg(long, value_name = "TIME", value_parser = spin)]
    spin: Option<Duration>,
    /// Print the memory budget of each end, term by term, and stop
    #[arg(long)]
    pub(crate) explain_memory: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

/// The largest `--connections`. Each connection takes two file descriptors of an end: the socket, and a second handle
/// to query it. The usual soft limit is 1,024 open files.
pub(crate) const MAX_CONNECTIONS: u32 = 480;

/// The largest `--threads`. Each thread of an end takes four file descriptors for its runtime and two for its connection: 128
/// threads take 777 of the usual soft limit of 1,024 open files.
pub(crate) const MAX_THREADS: u32 = 128;

impl RunArgs {
    /// Returns the name of a flag that only transfers have, if one is given.
    pub(crate) fn transfer_flag(&self) -> Option<&'static str> {
        let given = [
            ("--protocol", !self.protocol.is_empty()),
            ("--no-ceiling", self.no_ceiling),
            ("--direction", !self.direction.is_empty()),
            ("--chunk-size", !self.chunk_size.is_empty()),
            ("--size", !self.size.is_empty()),
            ("--payload", self.payload != PayloadKind::Random),
            ("--seed", self.seed != DEFAULT_SEED),
            ("--sink", self.sink != SinkKind::Verify),
            ("--connections and --streams", (self.connections, self.streams) != (1, 1)),
            ("--threads", self.threads != 1),
            ("--reader-rate", self.reader_rate.is_some()),
            ("--limit-rate", self.limit_rate.is_some()),
            ("--spin", self.spin.is_some()),
            ("--explain-memory", self.explain_memory),
            ("a limit", self.limits.names_any()),
        ];
        given.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// Returns whether a flag names protocols.
    pub(crate) fn names_protocols(&self) -> bool {
        !self.protocol.is_empty()
    }

    /// Returns whether a flag names chunk sizes.
    pub(crate) fn names_chunks(&self) -> bool {
        !self.chunk_size.is_empty()
    }

    /// Returns whether a flag names a time of busy-polling.
    pub(crate) fn names_spin(&self) -> bool {
        self.spin.is_some()
    }

    /// Returns the values of all limits.
    ///
    /// # Errors
    /// Fails if a value is out of range for its limit.
    pub(crate) fn limits(&self) -> Result<Limits, Usage> {
        self.limits.limits().map_err(Usage::new)
    }

    /// Returns the number of rounds, or the least number with `--precision`.
    pub(crate) fn rounds(&self, defaults: &Defaults) -> u32 {
        self.session.rounds.unwrap_or(defaults.rounds)
    }

    /// Returns the cases. A value that is given twice runs once, since the name of a case is unique.
    ///
    /// # Errors
    /// Fails if the payload cannot be used, or flags contradict each other.
    pub(crate) fn cases(&self, defaults: &Defaults) -> Result<Vec<Case>, Usage> {
        self.check_names()?;
        let protocols: Vec<&Protocol> = if self.protocol.is_empty() {
            PROTOCOLS.iter().filter(|protocol| (defaults.protocols)(protocol)).collect()
        } else {
            distinct(&self.protocol).iter().map(|Named(_, protocol)| *protocol).collect()
        };
        if let Some(ceiling) = protocols.iter().find(|row| row.is_ceiling() && !defaults.ceilings) {
            let reason = "a ceiling bounds goodput and proves nothing about memory; only bench runs it";
            return Err(Usage::new(format!("--protocol {}: {reason}", ceiling.name)));
        }
        let networks = self.network.specs(&protocols)?;
        // A ceiling has no congestion control. Over a network, it would only reach the rate of that network.
        let are_there =
            defaults.ceilings && self.protocol.is_empty() && !self.no_ceiling && !self.network.is_given();
        let mut template = Case::new("");
        (template.payload, template.seed, template.sink) =
            (self.payload.clone(), self.seed, self.sink.clone());
        (template.connections, template.streams) = (self.connections, self.streams);
        template.threads = self.threads;
        (template.reader_rate, template.limit_rate) = (self.reader_rate, self.limit_rate);
        let own = if self.limits.is_stock() { Duration::ZERO } else { DEFAULT_SPIN };
        template.spin = Some(self.spin.unwrap_or(own));
        template.limits = self.limits()?;
        let mut matrix = Matrix {
            protocols,
            ceilings: PROTOCOLS.iter().filter(|row| are_there && row.is_ceiling()).collect(),
            directions: self.directions(defaults),
            chunks: self.chunks(defaults)?,
            bodies: Vec::new(),
            template,
        };
        let mut cases = Vec::new();
        for network in networks {
            matrix.template.network = network;
            matrix.bodies = self.bodies(defaults, network)?;
            cases.append(&mut matrix.cases().map_err(Usage::new)?);
        }
        self.check_pace(&cases)?;
        Ok(cases)
    }

    /// Refuses chunks whose pause at `--limit-rate` would end the run by `--timeout`.
    fn check_pace(&self, cases: &[Case]) -> Result<(), Usage> {
        let Some(rate) = self.limit_rate else { return Ok(()) };
        let (rate, timeout) = (rate.bytes_per_s() as f64, self.session.timeout.as_secs_f64());
        let pause = |chunk: ChunkSize| u64::from(chunk) as f64 / rate;
        // A body of one chunk ends without a pause.
        let paused = cases.iter().filter(|case| case.body.0 > u64::from(case.chunk));
        let slow = paused.map(|case| case.chunk).find(|chunk| pause(*chunk) >= timeout);
        slow.map_or(Ok(()), |chunk| {
            Err(Usage::new(format!(
                "--limit-rate: a chunk of {chunk} takes {:.1} s at this rate, and --timeout is {timeout} s; use smaller \
                 chunks or a longer timeout",
                pause(chunk)
            )))
        })
    }

    /// Refuses file names that records cannot state, since no worker could find the file by them.
    fn check_names(&self) -> Result<(), Usage> {
        let payload = match &self.payload {
            PayloadKind::File(path) => Some(path),
            _ => None,
        };
        let sink = match &self.sink {
            SinkKind::Save(folder) => Some(folder),
            _ => None,
        };
        let unprintable = payload.into_iter().chain(sink).find(|path| path.to_str().is_none());
        unprintable.map_or(Ok(()), |path| {
            let reason = "its name is not UTF-8, so records cannot state it; use a symbolic link";
            Err(Usage::new(format!("{}: {reason}", path.display())))
        })
    }

    fn directions(&self, defaults: &Defaults) -> Vec<Direction> {
        let asked = flattened(&self.direction);
        if asked.is_empty() { defaults.directions.to_vec() } else { asked }
    }

    fn chunks(&self, defaults: &Defaults) -> Result<Vec<ChunkSize>, Usage> {
        if self.chunk_size.is_empty() {
            let chunks = defaults.chunks.iter().map(|bytes| ChunkSize::try_from(*bytes));
            return chunks.collect::<Result<_, _>>().map_err(Usage::new);
        }
        Ok(distinct(self.chunk_size.iter().flatten().copied()))
    }

    fn bodies(&self, defaults: &Defaults, network: Option<NetworkSpec>) -> Result<Vec<ByteSize>, Usage> {
        if self.payload == PayloadKind::Stdin {
            let reason = "--payload -: standard input can be read only once; use longhaul send";
            return Err(Usage::new(reason));
        }
        let own = payload::size(&self.payload).map_err(Usage::new)?;
        let (is_generated, is_sized) = (self.payload.is_generated(), own.is_some() || !self.size.is_empty());
        if !is_generated && !is_sized {
            let reason = format!(
                "--payload {}: it has no size of its own; use longhaul send, or --size",
                self.payload
            );
            return Err(Usage::new(reason));
        }
        match (own, self.size.as_slice()) {
            (Some(size), []) => Ok(vec![ByteSize(size)]),
            (Some(_), _) => {
                Err(Usage::new(format!("--payload {} has a size of its own; leave out --size", self.payload)))
            }
            (None, []) => Ok(match network {
                Some(network) => of_moderate_time(defaults.bodies, &network, self.connections, self.streams),
                None => defaults.bodies.to_vec(),
            }),
            (None, asked) => Ok(distinct(asked.iter().flatten().copied())),
        }
    }
}
