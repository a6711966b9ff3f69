//! The flags of `longhaul serve`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, builder::RangedU64ValueParser};
use payload::ChunkSize;

use super::{
    limits::LimitArgs,
    trust::KeyLogArgs,
    values::{chunk, duration},
};
use crate::{case::SinkKind, size::ByteSize};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address for cleartext: HTTP/1.1, and HTTP/2 by prior knowledge; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Address for TLS on TCP (HTTP/1.1, HTTP/2) and QUIC on UDP (HTTP/3), under one port number
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen_tls: Option<SocketAddr>,
    /// What becomes of uploads: discard, verify, or save:DIR
    #[arg(long, default_value = "verify")]
    pub(crate) sink: SinkKind,
    /// Certificate chain in PEM [default: self-signed, in memory]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: KeyLogArgs,
    /// How long running transfers may take to end after SIGTERM or Ctrl-C
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// The largest body that is taken [default: any]
    #[arg(long, value_name = "SIZE", help_heading = "Guards")]
    pub(crate) max_body: Option<ByteSize>,
    /// The largest chunk of a generated body that is given
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = chunk, help_heading = "Guards")]
    pub(crate) max_chunk: ChunkSize,
    /// Connections at once; further ones wait
    #[arg(long, value_name = "N", default_value = "1024", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1 << 20), help_heading = "Guards")]
    pub(crate) max_connections: u32,
    /// Requests at once on a connection, over HTTP/2 and HTTP/3
    #[arg(long, value_name = "N", default_value = "128", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1 << 16), help_heading = "Guards")]
    pub(crate) max_streams: u32,
    /// Bytes of a request's head
    #[arg(long, value_name = "BYTES", default_value = "65536", value_parser = RangedU64ValueParser::<u32>::new().range(8192..=1 << 20), help_heading = "Guards")]
    pub(crate) max_header: u32,
    /// Fields of a request's head, over HTTP/1.1
    #[arg(long, value_name = "N", default_value = "100", help_heading = "Guards")]
    pub(crate) max_header_count: usize,
    /// How long a request's head may take, over HTTP/1.1
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, help_heading = "Guards")]
    pub(crate) header_timeout: Duration,
    /// How long a handshake may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, help_heading = "Guards")]
    pub(crate) handshake_timeout: Duration,
    /// How long a connection may ask for nothing, and a transfer stand still
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, help_heading = "Guards")]
    pub(crate) idle_timeout: Duration,
    /// QUIC connections from which on a new client must prove its address
    #[arg(long, value_name = "N", default_value = "64", help_heading = "Guards")]
    pub(crate) retry_from: usize,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}
