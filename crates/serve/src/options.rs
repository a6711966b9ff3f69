//! The options of a server, and their defaults.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use receiver::{Halt, save::Quota};
use record::{ByteSize, ChunkSize, H2_FRAME, LimitValue, Limits, Profile, Rate, SinkKind};
use run::MeasuringHost;
use transport::{
    ChunkExtensions, ClientAuthorities, Guards, Identity, KeyLog, Spread, TlsVersion, WindowBudget,
};

use crate::{Access, AccessLog, Receipts};

/// The default of [`Options::max_chunk`], in bytes. The block of a generated body has the length of one chunk and one
/// period, so this bounds the memory that a query can demand.
const MAX_CHUNK: u64 = 1 << 20;

/// The default of [`Options::min_chunk`], in bytes. Each chunk is one HTTP chunk or frame: with chunks of one byte, a
/// client costs half a core over HTTP/1.1.
const MIN_CHUNK: u64 = 1 << 10;

/// The default of [`Options::min_rate`], in bytes per second: twice that of Apache's mod_reqtimeout.
const MIN_RATE: u64 = 1 << 10;

/// The budget of bytes, shared by all connections, by which receive windows may grow: room for some 90 connections of
/// HTTP/2 at full speed. A thousand connections hold no more than twice as much.
const RECEIVE_BUDGET: u64 = 64 << 20;

/// The budget of bytes, shared by all connections, by which send windows of QUIC may grow: room for 34 connections at
/// full speed. A small chunk is copied into the send window, so a thousand connections could otherwise keep 1.6 GiB.
const SEND_BUDGET: u64 = 32 << 20;

/// The default of `--h2-frame` for unknown clients, in bytes: a thousand frames of 256 KiB would take 250 MiB.
const FRAME: u64 = 64 << 10;

/// The default of `--max-header` for unknown clients, in bytes, as in Node and in hyper for HTTP/2. A decoded
/// head may take seven times as much, and each connection and each request may hold one.
const HEAD: u32 = 16 << 10;

/// The options of a [`Server`](crate::Server). The defaults suit unknown clients.
///
/// ```
/// use longhaul_record::{ByteSize, SinkKind};
/// use longhaul_serve::Options;
/// # use record as longhaul_record;
///
/// let mut options = Options::default();
/// options.uploads = SinkKind::Save("/srv/uploads".into());
/// options.max_body = Some(ByteSize(10 << 30));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The address for cleartext: HTTP/1.1, and HTTP/2 by prior knowledge. Port 0 picks a free port.
    ///
    /// If neither this nor [`listen_unix`](Self::listen_unix) nor [`listen_tls`](Self::listen_tls) is set, the server
    /// binds [`DEFAULT_PORT`](crate::DEFAULT_PORT) and [`DEFAULT_TLS_PORT`](crate::DEFAULT_TLS_PORT) of 127.0.0.1, or
    /// a free port in place of one in use.
    pub listen: Option<SocketAddr>,
    /// The path of a Unix socket for cleartext, beside `listen`. Its clients count as clients of this machine.
    pub listen_unix: Option<PathBuf>,
    /// The address for TLS on TCP (HTTP/1.1, HTTP/2) and for QUIC on UDP (HTTP/3), under one port number. Port 0 picks
    /// a port that is free for both.
    pub listen_tls: Option<SocketAddr>,
    /// The address for the figures of the server in the text format of Prometheus (`GET /metrics`), in
    /// cleartext. The rules of [`access`](Self::access) hold there as well. `None`, the default, has no such
    /// port.
    pub listen_metrics: Option<SocketAddr>,
    /// The use of uploaded bytes. The default verifies them, and a receipt then states their digest.
    pub uploads: SinkKind,
    /// Windows and buffers. The default is [`Limits::for_any_peer`] of the default profile, with frames of
    /// 64 KiB for HTTP/2.
    pub limits: Limits,
    /// The bounds on heads, streams and unvalidated QUIC addresses. By default, a head may have 16 KiB and 100 fields,
    /// and must arrive within 10 s. A connection may have 128 concurrent requests. From 8 concurrent QUIC handshakes
    /// with unvalidated addresses on, further clients get a Retry packet.
    pub guards: Guards,
    /// The certificate and its key. `None` makes a self-signed certificate in memory, for localhost, the loopback
    /// addresses and the address of `listen_tls`.
    pub identity: Option<Identity>,
    /// The authorities of which each client over TLS and QUIC must present a certificate. `None`, the
    /// default, asks for none.
    pub clients: Option<ClientAuthorities>,
    /// True if GET, HEAD and OPTIONS are answered in early data of a resumed session; other methods then get
    /// 425. It has no effect with `clients`. The default is false.
    pub accepts_early_data: bool,
    /// The oldest version of TLS over TCP that is accepted. The default is TLS 1.3.
    pub oldest_tls: TlsVersion,
    /// The file to which the secrets of TLS and QUIC connections are written; `None` writes none.
    pub key_log: Option<KeyLog>,
    /// The rules by which requests are admitted.
    pub access: Access,
    /// The log of requests; `None` writes none.
    pub access_log: Option<AccessLog>,
    /// The rate at which the server reads the body of an upload. `None`, the default, sets no limit.
    pub reader_rate: Option<Rate>,
    /// The threads over which connections are spread. `None`, the default, leaves all of them to the thread
    /// that runs the server. All limits are those of the server as a whole.
    pub spread: Option<Spread>,
    /// The halt of the reader in the middle of each upload. `None`, the default, never halts it.
    pub reader_halt: Option<Halt>,
    /// The function that gets the receipt of each complete upload, before the client gets it. `None` by default.
    pub receipts: Option<Receipts>,
    /// The largest body that an upload may have. `None` accepts any.
    pub max_body: Option<ByteSize>,
    /// The bounds on the files in the folder of uploads. The default bounds only the space that must stay free.
    pub quota: Quota,
    /// The time after the last byte of an incomplete upload at which the upload expires; 1 h by default.
    pub partial_ttl: Duration,
    /// The most incomplete uploads that can be resumed; further ones are refused (503). The default is 256. 0
    /// counts as 1.
    pub max_partial: u32,
    /// The largest chunk of a generated body that a client may ask for; 1 MiB by default.
    pub max_chunk: ChunkSize,
    /// The smallest chunk of a generated body that a client may ask for; 1 KiB by default.
    pub min_chunk: ChunkSize,
    /// The largest generated body that a client may ask for. `None`, the default, generates any.
    pub max_size: Option<ByteSize>,
    /// The most concurrent connections. A few further connections wait for a place up to the handshake timeout; all
    /// others are closed. The default is 1,024, and 0 counts as 1. With several ports, a sixteenth of the places is
    /// reserved for each port.
    pub max_connections: u32,
    /// The most concurrent connections of one IPv4 address or IPv6 /64; further ones are closed. Loopback
    /// addresses are exempt. The default is 64. 0 counts as 1.
    pub max_connections_per_address: u32,
    /// The most concurrent requests over all connections; further ones are refused (503). The default is 1,024. 0
    /// counts as 1.
    pub max_requests: u32,
    /// The host that runs and measures the server ends of `bench --to`. `None`, the default, measures nothing.
    pub measuring: Option<MeasuringHost>,
    /// The time within which the handshake of a connection must be complete; 10 s by default.
    pub handshake_timeout: Duration,
    /// The time after which a connection without a request is closed, and a transfer without progress is aborted; 30 s
    /// by default.
    pub idle_timeout: Duration,
    /// The least rate of a transfer in either direction, averaged over the idle timeout; 1 KiB/s by default. `None`
    /// accepts any rate.
    pub min_rate: Option<Rate>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: None,
            listen_unix: None,
            listen_tls: None,
            listen_metrics: None,
            uploads: SinkKind::Verify,
            limits: limits(),
            guards: guards(),
            identity: None,
            clients: None,
            accepts_early_data: false,
            oldest_tls: TlsVersion::default(),
            key_log: None,
            access: Access::default(),
            access_log: None,
            reader_rate: None,
            spread: None,
            reader_halt: None,
            receipts: None,
            max_body: None,
            quota: Quota::default(),
            partial_ttl: Duration::from_secs(60 * 60),
            max_partial: 256,
            max_chunk: ChunkSize::try_from(MAX_CHUNK).unwrap_or(ChunkSize::DEFAULT),
            min_chunk: ChunkSize::try_from(MIN_CHUNK).unwrap_or(ChunkSize::DEFAULT),
            max_size: None,
            max_connections: 1024,
            max_connections_per_address: 64,
            max_requests: 1024,
            measuring: None,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            min_rate: Rate::try_from(MIN_RATE).ok(),
        }
    }
}

/// Returns the windows and buffers for unknown clients. A server buffers a frame of HTTP/2 until its last
/// byte arrives, which a client may withhold.
fn limits() -> Limits {
    let mut limits = Limits::for_any_peer(Profile::default());
    // The value is within the range of the limit, as a test checks.
    let _ = limits.set(&H2_FRAME, LimitValue::Bytes(FRAME));
    limits
}

/// Returns the bounds on unknown clients.
fn guards() -> Guards {
    let mut guards = Guards::default();
    guards.header_bytes = HEAD;
    guards.header_count = 100;
    guards.header_timeout = Duration::from_secs(10);
    guards.streams = 128;
    guards.retry_from = 8;
    guards.chunk_extensions = ChunkExtensions::Any;
    guards.data_frame_budget = 8 << 20;
    guards.receive_budget = Some(WindowBudget::new(RECEIVE_BUDGET));
    guards.send_budget = Some(WindowBudget::new(SEND_BUDGET));
    guards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_that_the_documentation_states() {
        let options = Options::default();
        assert_eq!((options.min_chunk.get(), options.max_chunk.get()), (1 << 10, 1 << 20));
        assert_eq!((options.max_connections, options.max_requests), (1024, 1024));
        assert_eq!(options.max_connections_per_address, 64);
        assert_eq!((options.partial_ttl, options.max_partial), (Duration::from_secs(3600), 256));
        assert_eq!(options.limits.bytes(&H2_FRAME), FRAME);
        assert_eq!(options.min_rate.map(Rate::bytes_per_s), Some(1024));
        let Guards { header_bytes, header_count, header_timeout, streams, retry_from, .. } = options.guards;
        assert_eq!((header_bytes, header_count, streams, retry_from), (16_384, 100, 128, 8));
        assert_eq!(header_timeout, Duration::from_secs(10));
    }
}
