//! The flags of `longhaul send` and `longhaul fetch`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;
use client::{Form, FormField, Options, Target};
use record::{ByteSize, ChunkSize, DEFAULT_SEED, PayloadKind, Protocol, Rate};

use super::{
    connect::ConnectArgs,
    handshake::HandshakeArgs,
    limits::LimitArgs,
    load::LoadArgs,
    names::{Named, http_protocol},
    proxy::ProxyArgs,
    repeat::{RepeatArgs, announce},
    request::RequestArgs,
    trust::{KeyLogArgs, TrustArgs},
    values::{chunk, count, duration, interval, payload, seconds, upload_file},
};
use crate::{exit::Usage, start_at::StartAt};

/// The flags that `send` and `fetch` share.
#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    /// URL: http:// or https://, then a host name or an address. User information in the URL is sent as by --user
    url: String,
    /// Protocol: h1c or h2c for http://, h1, h2 or h3 for https:// [default: h1c or h2]
    #[arg(long, value_name = "NAME", value_parser = http_protocol(), ignore_case = true, hide_possible_values = true)]
    protocol: Option<Named<&'static Protocol>>,
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    repeat: RepeatArgs,
    /// Abort when no byte has moved for this long; waiting for the source or for the response does not count
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// Abort when the transfer takes longer than this, name resolution included; a bare number is seconds
    #[arg(short, long, value_name = "TIME", value_parser = seconds)]
    max_time: Option<Duration>,
    /// Time at which the transfer starts, by the clock of this machine: RFC 3339, at most 10 minutes ahead
    #[arg(long, value_name = "TIME", value_parser = StartAt::parse, conflicts_with = "retry")]
    pub(crate) start_at: Option<StartAt>,
    /// Number of transfers, one after the other, each in a process of its own; the median goodput is printed last
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count(1..=u32::MAX), conflicts_with_all = ["start_at", "continue_at"])]
    pub(crate) rounds: u32,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    proxy: ProxyArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) handshake: HandshakeArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    key_log: KeyLogArgs,
    /// Name of the transfer in its record: transfers of one case, label and peer form one series
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// New folder of results for the records, which `merge`, `report` and `compare` read
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
    /// Print each record on stdout and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Show no progress
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print a line on stderr for each interval of this length, in place of other progress: bytes and goodput; a bare
    /// number is seconds
    #[arg(long, value_name = "TIME", value_parser = interval, conflicts_with = "quiet")]
    pub(crate) interval: Option<Duration>,
    /// Log to stderr what the connection does
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

impl RemoteArgs {
    /// Returns the URL and the protocol.
    ///
    /// # Errors
    /// Fails if the URL cannot be used, or if the protocol does not fit the URL or the proxy.
    pub(crate) fn target(&self) -> Result<Target, Usage> {
        let protocol = self.protocol.map(|Named(_, protocol)| protocol);
        let target = Target::parse(&self.url).and_then(|target| target.with_protocol(protocol));
        let target = target.map_err(Usage::new)?;
        self.proxy.check(&target)?;
        self.load.check(&target)?;
        self.handshake.check(&target)?;
        Ok(target)
    }

    /// Returns the options of the client.
    ///
    /// # Errors
    /// Fails if a file cannot be used, or a value is out of range for its limit.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        Ok(Options::default()
            .with_trust(self.trust.trust()?)
            .with_identity(self.trust.identity()?)
            .with_oldest_tls(self.trust.oldest())
            .with_key_log(self.key_log.open()?)
            .with_timeout(self.timeout)
            .with_max_time(self.max_time)
            .with_addresses(self.connect.addresses())
            .with_proxy(self.proxy.proxy()?)
            .with_handshake(self.handshake.kind())
            .with_load(self.load.load())
            .with_retries(self.repeat.retries((!self.quiet && !self.json).then_some(announce)))
            .with_request(self.request.options()?.following(self.repeat.max_redirects()))
            .with_limits(self.limits.limits_for_any_peer().map_err(Usage::new)?)
            .with_label(self.label.clone()))
    }
}

/// The fewest chunks in a second of a body with `--limit-rate`, unless a chunk size is given.
const CHUNKS_PER_S: u64 = 10;

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// Content of the body: random, zero, file:PATH, or - for standard input
    #[arg(long, value_name = "KIND", default_value = "random", value_parser = payload(), hide_possible_values = true)]
    payload: PayloadKind,
    /// File to upload, as by --payload file:FILE; - and . are standard input
    #[arg(short = 'T', long, value_name = "FILE", value_parser = upload_file(), conflicts_with = "payload")]
    upload_file: Option<PayloadKind>,
    /// Field of a form (multipart/form-data), sent by POST: NAME=VALUE, NAME=@FILE or NAME=<FILE, then ;type=MEDIA/TYPE and
    /// ;filename=NAME; - is standard input (repeatable)
    #[arg(short = 'F', long = "form", value_name = "NAME=VALUE", conflicts_with_all = ["payload", "upload_file", "size", "seed", "continue_at"])]
    form: Vec<OsString>,
    /// Size of a generated body
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<ByteSize>,
    /// Chunk size, from 1 B to 64 MiB [default: 64KiB, or the bytes of 0.1 s at --limit-rate if those are fewer]
    #[arg(long, value_name = "SIZE", value_parser = chunk)]
    chunk_size: Option<ChunkSize>,
    /// Rate at which the body is offered, in bytes per second [default: unlimited]
    #[arg(long, value_name = "RATE")]
    pub(crate) limit_rate: Option<Rate>,
    /// Seed of a generated body
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,
    /// Resume an interrupted upload (-C -), where the server offers it (draft-ietf-httpbis-resumable-upload-11)
    #[arg(short = 'C', long, value_name = "-", value_parser = ["-"])]
    pub(crate) continue_at: Option<String>,
    /// Announce the length of the body by Content-Length, in place of the chunked coding
    #[arg(long)]
    pub(crate) content_length: bool,
    /// Ask for the permission to send the body over HTTP/1.1 (Expect: 100-continue), and wait for it up to this time; a bare
    /// number is seconds [default: with -H 'Expect: 100-continue', 1s]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expect100_timeout: Option<Duration>,
}

impl SendArgs {
    /// Returns the content of the body.
    pub(crate) fn payload(&self) -> &PayloadKind {
        self.upload_file.as_ref().unwrap_or(&self.payload)
    }

    /// Returns the chunk size. The default is smaller for a slow body, whose pause after each chunk would otherwise be
    /// longer than servers wait for bytes.
    pub(crate) fn chunk_size(&self) -> ChunkSize {
        let steady = |rate: Rate| ChunkSize::try_from((rate.bytes_per_s() / CHUNKS_PER_S).max(1)).ok();
        let steady = self.limit_rate.and_then(steady).unwrap_or(ChunkSize::DEFAULT);
        self.chunk_size.unwrap_or(ChunkSize::DEFAULT.min(steady))
    }

    /// Returns the options of the client.
    ///
    /// # Errors
    /// Fails if a file cannot be used, or a value is out of range for its limit.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        let options = self.remote.options()?;
        let request = options.request.clone().with_continue_timeout(self.expect100_timeout);
        Ok(options.with_request(request))
    }

    /// Returns the form of the body; `None` if no flag states a field.
    ///
    /// # Errors
    /// Fails if a field has another syntax, or its file cannot be read. No error message shows a value.
    pub(crate) fn form(&self) -> Result<Option<Form>, Usage> {
        if self.form.is_empty() {
            return Ok(None);
        }
        let fields: Result<Vec<_>, _> = self.form.iter().map(|field| FormField::parse(field)).collect();
        fields.and_then(Form::new).map(Some).map_err(|error| Usage::new(format!("-F: {error}")))
    }

    /// Returns the URL and the protocol. A URL that ends in a slash gets the name of the payload's file.
    ///
    /// # Errors
    /// Fails if the URL cannot be used, or if the protocol does not fit the URL.
    pub(crate) fn target(&self) -> Result<Target, Usage> {
        let target = self.remote.target()?;
        Ok(match self.payload() {
            PayloadKind::File(path) => target.with_file_name(path),
            _ => target,
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// File to save the body in, or - for standard output [default: the body is read and dropped]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Resume an interrupted download (-C -), which was kept as FILE.part if the server sent a validator
    #[arg(short = 'C', long, value_name = "-", value_parser = ["-"], requires = "output")]
    pub(crate) continue_at: Option<String>,
    /// Rate at which the body is read, in bytes per second [default: unlimited]
    #[arg(long, value_name = "RATE")]
    pub(crate) reader_rate: Option<Rate>,
}
