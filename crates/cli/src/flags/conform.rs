//! The flags of `longhaul conform`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args};
use client::Options;
use record::{ByteSize, Direction, NetworkSpec, Protocol, RelayKind};
use subject::{CONFORM_CASES, ConformCase, LEAST_BODY, Ready};

use super::{
    connect::ConnectArgs,
    names::{Named, directions, flattened, http_protocol, named},
    network::check_queue,
    request::RequestArgs,
    trust::{KeyLogArgs, TrustArgs},
    values::{duration, process_id},
};
use crate::exit::Usage;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("program").args(["url", "proxy", "client"]))]
pub(crate) struct ConformArgs {
    /// URL at which a server of yours takes uploads. The server is the command after --, or a running process
    /// (--watch). {port} stands for a free port
    pub(crate) url: Option<String>,
    /// Test a proxy of yours at this URL; without a command or --watch, the bytes that it absorbs stand for its memory
    #[arg(long, value_name = "URL", requires = "upstream")]
    pub(crate) proxy: Option<String>,
    /// Port of 127.0.0.1 to which the proxy passes requests on, in cleartext: longhaul listens there
    #[arg(long, value_name = "PORT", requires = "proxy")]
    pub(crate) upstream: Option<u16>,
    /// Test a client of yours: the command after --, with {url}, {file}, {size}, {cacert}, {host} and {port} filled in
    #[arg(long, requires = "command")]
    pub(crate) client: bool,
    /// URL that gives bodies, with {size} for their size in bytes
    #[arg(long, value_name = "URL", requires = "url")]
    pub(crate) download: Option<String>,
    /// Watch this running process and its descendants, in place of a command
    #[arg(long, value_name = "PID", value_parser = process_id, conflicts_with_all = ["command", "client"])]
    pub(crate) watch: Option<u32>,
    /// Sign that the program is ready: a port, a URL that answers, or a text that is part of its output [default: a
    /// handshake at its URL]
    #[arg(long, value_name = "PORT|PATTERN|URL", requires = "command", conflicts_with = "client")]
    pub(crate) ready: Option<Ready>,
    /// Cases to run, separated by commas [default: all; --list shows them]
    #[arg(long = "case", value_name = "NAMES", value_delimiter = ',', value_parser = case())]
    cases: Vec<Named<&'static ConformCase>>,
    /// Protocols to test [default: all that the program speaks at its URL; --client: h1c]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = http_protocol(), ignore_case = true)]
    protocol: Vec<Named<&'static Protocol>>,
    /// Directions of the bodies: up, down, or both [default: both; --client: up]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = directions(), hide_possible_values = true)]
    direction: Vec<Named<&'static [Direction]>>,
    /// Time for which a stalled reader stands still
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) stall: Duration,
    /// Size of a large body; the bound is an eighth of it
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = body)]
    pub(crate) size: ByteSize,
    /// Time without a byte after which a transfer counts as stalled
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    timeout: Duration,
    /// Emulate a network between longhaul and the program, such as rtt=40ms,rate=500Mbit (loss and reorder: h3 only)
    ///
    /// SPEC is as for `bench --network`. A relay carries the bytes from socket to socket, and TCP ends at it.
    #[arg(long, value_name = "SPEC")]
    network: Option<NetworkSpec>,
    /// Print the cases, and stop
    #[arg(long)]
    pub(crate) list: bool,
    /// Print the verdict and all cases as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the cases to a file as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    key_log: KeyLogArgs,
    /// Command line of the program, run as it is without a shell
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

impl ConformArgs {
    /// Returns the cases to run.
    pub(crate) fn cases(&self) -> Vec<&'static ConformCase> {
        match self.cases.is_empty() {
            true => CONFORM_CASES.iter().collect(),
            false => self.cases.iter().map(|case| case.1).collect(),
        }
    }

    /// Returns the protocols that the user names.
    ///
    /// # Errors
    /// Fails if one of them is not HTTP.
    pub(crate) fn protocols(&self) -> Result<Vec<&'static Protocol>, Usage> {
        match self.protocol.iter().find(|protocol| !protocol.1.is_http()) {
            Some(other) => Err(Usage::new(format!("--protocol {}: conform tests HTTP", other.0))),
            None => Ok(self.protocol.iter().map(|protocol| protocol.1).collect()),
        }
    }

    /// Returns the emulated network.
    ///
    /// # Errors
    /// Fails with a relay of packets or of the kernel, and if the network loses or reorders packets while TCP is
    /// allowed: the program runs outside the relay's namespaces. Also fails if the queue of the network holds no
    /// packet, or flags name other addresses.
    pub(crate) fn network(&self) -> Result<Option<NetworkSpec>, Usage> {
        let Some(network) = self.network else { return Ok(None) };
        let may_use_tcp =
            self.protocol.is_empty() || self.protocol.iter().any(|named| !named.1.is_over_udp());
        let refused = |remedy| {
            let reason = "a program of yours runs outside the relay's namespaces";
            Err(Usage::new(format!("--network {network}: {reason}; {remedy}")))
        };
        if network.relay != RelayKind::Sockets {
            return refused("use relay=sockets");
        }
        if network.needs_packets() && may_use_tcp {
            return refused("leave out loss= and reorder=, or add --protocol h3");
        }
        let may_use_udp = (self.protocol.is_empty() && !self.client)
            || self.protocol.iter().any(|named| named.1.is_over_udp());
        check_queue(&network, may_use_udp)?;
        if self.connect.is_given() {
            let reason =
                "not with -4, -6, --resolve, --connect-to or --unix-socket: the relay has its own address";
            return Err(Usage::new(format!("--network: {reason}")));
        }
        Ok(Some(network))
    }

    /// Returns the directions to test.
    pub(crate) fn directions(&self) -> Vec<Direction> {
        match self.direction.is_empty() {
            true if self.client => vec![Direction::Up],
            true => vec![Direction::Down, Direction::Up],
            false => flattened(&self.direction),
        }
    }

    /// Returns the options of longhaul's client.
    ///
    /// # Errors
    /// Fails if a file cannot be used.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        Ok(Options::default()
            .with_trust(self.trust.trust()?)
            .with_identity(self.trust.identity()?)
            .with_oldest_tls(self.trust.oldest())
            .with_key_log(self.key_log.open()?)
            .with_timeout(self.timeout)
            .with_addresses(self.connect.addresses())
            .with_request(self.request.options()?))
    }
}

fn case() -> impl clap::builder::TypedValueParser<Value = Named<&'static ConformCase>> {
    named(CONFORM_CASES.iter().map(|case| (case.name, case)))
}

/// Parses the size of a large body.
fn body(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: record::SizeError| error.to_string())?;
    if size < LEAST_BODY {
        return Err(format!("'{text}' is too small to show growth; use at least {LEAST_BODY}"));
    }
    Ok(size)
}
