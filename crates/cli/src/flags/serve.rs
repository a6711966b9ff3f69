//! The flags of `longhaul serve`.

use std::{
    ffi::OsStr,
    net::SocketAddr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};
use record::{ByteSize, ChunkSize, Rate, SinkKind};
use serve::{Asked, Options};
use transport::{ClientAuthorities, Identity};

use super::{
    MAX_THREADS,
    access::AccessArgs,
    limits::LimitArgs,
    trust::{KeyLogArgs, TlsArgs},
    values::{chunk, count, duration, sink, up_to_a_day},
};
use crate::{
    exit::Usage,
    log::{self, LogFormat},
};

/// The place where a server takes connections in cleartext.
#[derive(Clone, Debug)]
pub(crate) enum Listen {
    /// An address for TCP.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Returns a parser of the place for cleartext. A path need not be UTF-8.
fn listen() -> impl TypedValueParser<Value = Listen> {
    OsStringValueParser::new().try_map(|text| match text.as_bytes().strip_prefix(b"unix:") {
        Some(b"") => Err("name the path of a socket: unix:PATH".into()),
        Some(path) => Ok(Listen::Unix(OsStr::from_bytes(path).into())),
        None => {
            let text = text.to_string_lossy();
            let unusable =
                |_| format!("'{text}' is not an address with a port, such as 127.0.0.1:8080, or unix:PATH");
            text.parse().map(Listen::Tcp).map_err(unusable)
        }
    })
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address for cleartext: HTTP/1.1, and HTTP/2 by prior knowledge; port 0 picks a free one. unix:PATH is a Unix
    /// socket
    #[arg(long, value_name = "ADDR|unix:PATH", value_parser = listen())]
    pub(crate) listen: Option<Listen>,
    /// Address for TLS on TCP (HTTP/1.1, HTTP/2) and QUIC on UDP (HTTP/3), under one port number
    #[arg(long, value_name = "ADDR")]
    listen_tls: Option<SocketAddr>,
    /// Address for the figures of the server, in cleartext: GET /metrics, for Prometheus
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Also run and measure the servers' ends for `bench --to` on other hosts; needs TLS and --token-file
    ///
    /// Each run starts a process of its own, which listens on a free port of the address for TLS until the run has ended.
    #[arg(long)]
    pub(crate) measure: bool,
    /// Port of the measured servers, over TCP or UDP, for a firewall that lets one port through [default: a free port
    /// for each run]
    #[arg(long, value_name = "PORT", requires = "measure", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) measure_port: Option<u16>,
    /// Use of uploaded bytes: discard, verify, or save:DIR
    #[arg(long, default_value = "verify", value_parser = sink(), hide_possible_values = true)]
    pub(crate) sink: SinkKind,
    /// Threads over which connections are spread, each on its own core if there are as many cores
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1..=MAX_THREADS))]
    pub(crate) threads: u32,
    /// Certificate chain in PEM [default: self-signed, in memory]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Refuse clients over TLS and QUIC without a certificate that an authority in this PEM file has signed
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,
    /// Answer GET, HEAD and OPTIONS in early data (0-RTT) of a resumed session, before the handshake is complete. Other
    /// methods are answered 425
    #[arg(long, conflicts_with = "client_ca")]
    accept_early_data: bool,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    key_log: KeyLogArgs,
    #[command(flatten)]
    access: AccessArgs,
    /// Time that running transfers may take to end after SIGTERM or Ctrl-C
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Announce the addresses as a line of JSON, which is the default unless stdout is a terminal
    #[arg(long)]
    pub(crate) json: bool,
    /// Log to stderr what the connections do, and why they end
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Form of the log and of everything else on stderr: text, or json (one object per line)
    #[arg(long, value_name = "FORM", default_value = "text", hide_possible_values = true)]
    pub(crate) log_format: LogFormat,
    /// Largest body of an upload [default: unlimited]
    #[arg(long, value_name = "SIZE", help_heading = "Guards")]
    max_body: Option<ByteSize>,
    /// Most bytes of all files in the folder of save:DIR together [default: unlimited]
    #[arg(long, value_name = "SIZE", help_heading = "Guards")]
    max_stored: Option<ByteSize>,
    /// Time after its last byte at which an incomplete upload expires (see `send -C -`)
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = up_to_a_day, help_heading = "Guards")]
    partial_ttl: Duration,
    /// Bytes of the file system of save:DIR that stay free [default: 64MiB, or a tenth of a small file system]
    #[arg(long, value_name = "SIZE", help_heading = "Guards")]
    min_free: Option<ByteSize>,
    /// Largest chunk of a generated body
    #[arg(long, value_name = "SIZE", value_parser = chunk, help_heading = "Guards")]
    max_chunk: Option<ChunkSize>,
    /// Smallest chunk of a generated body [default: 1KiB, or --max-chunk if that is less]
    #[arg(long, value_name = "SIZE", value_parser = chunk, help_heading = "Guards")]
    min_chunk: Option<ChunkSize>,
    /// Largest generated body [default: unlimited]
    #[arg(long, value_name = "SIZE", help_heading = "Guards")]
    max_size: Option<ByteSize>,
    /// Most concurrent connections; a few further ones wait, all others are closed
    #[arg(long, value_name = "N", value_parser = count(1..=1 << 20), help_heading = "Guards")]
    max_connections: Option<u32>,
    /// Most concurrent connections of one IPv4 address or IPv6 /64 that is not loopback; further ones are closed
    #[arg(long, value_name = "N", default_value = "64", value_parser = count(1..=1 << 20), help_heading = "Guards")]
    max_connections_per_address: u32,
    /// Most concurrent requests over all connections; further ones are refused
    #[arg(long, value_name = "N", value_parser = count(1..=1 << 20), help_heading = "Guards")]
    max_requests: Option<u32>,
    /// Most concurrent requests on a connection, over HTTP/2 and HTTP/3
    #[arg(long, value_name = "N", default_value = "128", value_parser = count(1..=1 << 16), help_heading = "Guards")]
    max_streams: u32,
    /// Largest head of a request, in bytes
    #[arg(long, value_name = "BYTES", value_parser = count(8192..=1 << 20), help_heading = "Guards")]
    max_header: Option<u32>,
    /// Most fields in the head of a request
    #[arg(long, value_name = "N", default_value = "100", value_parser = count(1..=1000), help_heading = "Guards")]
    max_header_count: u32,
    /// Time within which a request's head must be complete, over HTTP/1.1
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = up_to_a_day, help_heading = "Guards")]
    header_timeout: Duration,
    /// Time within which a handshake must be complete
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = up_to_a_day, help_heading = "Guards")]
    handshake_timeout: Duration,
    /// Idle timeout of a connection without a request, and of a transfer without progress
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = up_to_a_day, help_heading = "Guards")]
    idle_timeout: Duration,
    /// Least bytes per second of a transfer, averaged over the idle timeout; 0 accepts any rate
    #[arg(long, value_name = "RATE", default_value = "1KiB", help_heading = "Guards")]
    min_rate: ByteSize,
    /// Number of QUIC handshakes with unvalidated addresses from which new clients get a Retry packet
    #[arg(long, value_name = "N", default_value = "8", help_heading = "Guards")]
    retry_from: usize,
    #[command(flatten)]
    limits: LimitArgs,
}

impl ServeArgs {
    /// Returns whether requests need no token.
    pub(crate) fn is_open(&self) -> bool {
        self.access.is_open()
    }

    /// Returns the file of the token, if requests need one.
    pub(crate) fn token_file(&self) -> Option<&Path> {
        self.access.token_file()
    }

    /// Returns whether no flag names an address.
    pub(crate) fn has_default_ports(&self) -> bool {
        self.listen.is_none() && self.listen_tls.is_none()
    }

    /// Returns which limits are given by flags. These are refused if they do not fit the machine.
    pub(crate) fn asked(&self) -> Asked {
        let mut asked = Asked::default();
        asked.connections = self.max_connections.is_some();
        asked.requests = self.max_requests.is_some();
        asked.sizes = self.max_chunk.is_some() || self.max_header.is_some() || self.limits.names_any();
        asked
    }

    /// Returns the options of the server.
    ///
    /// # Errors
    /// Fails if a file cannot be used, or a value is out of range for its limit.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        let mut options = Options::default();
        match &self.listen {
            Some(Listen::Tcp(addr)) => options.listen = Some(*addr),
            Some(Listen::Unix(path)) => options.listen_unix = Some(path.clone()),
            None => {}
        }
        (options.listen_tls, options.listen_metrics) = (self.listen_tls, self.metrics);
        options.uploads = self.sink.clone();
        options.limits = self.limits.over(options.limits).map_err(Usage::new)?;
        options.guards.header_bytes = self.max_header.unwrap_or(options.guards.header_bytes);
        options.guards.header_count = self.max_header_count as usize;
        options.guards.header_timeout = self.header_timeout;
        options.guards.streams = self.max_streams;
        options.guards.retry_from = self.retry_from;
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            options.identity = Some(Identity::read(certificate, key).map_err(Usage::new)?);
        }
        options.clients = self.client_ca.as_deref().map(client_authorities).transpose()?;
        options.accepts_early_data = self.accept_early_data;
        options.access = self.access.access(self.key.as_deref())?;
        options.access_log = self.access.log()?;
        options.oldest_tls = self.tls.oldest();
        options.key_log = self.key_log.open()?;
        if options.key_log.is_some() {
            log::warning("--keylog or SSLKEYLOGFILE writes the secrets of all connections to a file");
        }
        (options.max_body, options.max_size) = (self.max_body, self.max_size);
        (options.quota.max_stored, options.quota.min_free) = (self.max_stored, self.min_free);
        options.partial_ttl = self.partial_ttl;
        options.max_chunk = self.max_chunk.unwrap_or(options.max_chunk);
        options.min_chunk = self.min_chunk.unwrap_or(options.min_chunk.min(options.max_chunk));
        options.max_connections = self.max_connections.unwrap_or(options.max_connections);
        options.max_connections_per_address = self.max_connections_per_address;
        options.max_requests = self.max_requests.unwrap_or(options.max_requests);
        options.min_rate = Rate::try_from(self.min_rate.0).ok();
        (options.handshake_timeout, options.idle_timeout) = (self.handshake_timeout, self.idle_timeout);
        Ok(options)
    }
}

fn client_authorities(path: &Path) -> Result<ClientAuthorities, Usage> {
    ClientAuthorities::read(path).map_err(|error| Usage::new(format!("--client-ca: {error}")))
}
