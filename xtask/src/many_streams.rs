//! `cargo xtask many-streams`: opens many uploads at one server, first idle and then active ones, over each protocol.
//!
//! The resident memory of the server must stay within the bound that it prints at its start, and every upload must be confirmed.

mod body;

use std::{fs, net::SocketAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use record::{ByteSize, Limits, Profile, Protocol, mib};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use transport::{Connection, Peer, Trust};

use self::body::Upload;
use crate::study::{ProgramOptions, Server, Table};

/// Hold many streams open at one server, and compare its memory with the bound that it states
#[derive(Args)]
pub(crate) struct Arguments {
    /// Streams that are open at once and move nothing
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    idle: u32,
    /// Streams that move bytes at once
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    active: u32,
    /// Streams of one connection, over protocols that have streams
    #[arg(long, value_name = "N", default_value_t = 100)]
    streams: u32,
    /// Bytes of each active stream
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    size: ByteSize,
    /// Protocols
    #[arg(long, value_name = "LIST", default_value = "h1c,h2c,h1,h2,h3", value_delimiter = ',')]
    protocols: Vec<String>,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The exit code for memory over its bound.
const OVER: u8 = 4;

/// The longest time in which all streams open, and in which all uploads end.
const TIME: Duration = Duration::from_secs(300);

/// The time after which the memory of idle streams is read. By then, the allocator has returned the memory of the
/// handshakes to the kernel.
const SETTLE: Duration = Duration::from_secs(3);

/// The outcome of one phase.
struct Outcome {
    connections: u32,
    confirmed: u32,
    /// The RSS of the server in bytes: before the phase, with all streams open, and its peak at the end of the phase.
    rss: [u64; 3],
    /// The bound that the server printed, in bytes.
    stated: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    raise_descriptors()?;
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("many-streams")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let heads = [
        "protocol",
        "phase",
        "streams",
        "connections",
        "confirmed",
        "KiB a stream",
        "peak RSS MiB",
        "stated MiB",
    ];
    let mut table = Table::with_heads(heads);
    let (mut is_over, mut is_broken) = (false, false);
    for name in &arguments.protocols {
        let Some(protocol) = Protocol::by_name(name) else { bail!("'{name}' is not a protocol") };
        for (phase, streams, size) in
            [("idle", arguments.idle, 0), ("active", arguments.active, arguments.size.0)]
        {
            let load = Load { protocol, streams, per_connection: arguments.streams, size };
            let outcome = runtime.block_on(hold(longhaul.program(), &folder, load));
            let outcome = outcome.with_context(|| format!("{name}, {phase}"))?;
            let [before, open, peak] = outcome.rss;
            is_over |= peak > outcome.stated;
            is_broken |= outcome.confirmed < streams;
            let per_stream =
                open.max(peak).saturating_sub(before) as f64 / f64::from(streams.max(1)) / 1024.0;
            table.push([
                name.clone(),
                phase.to_owned(),
                streams.to_string(),
                outcome.connections.to_string(),
                outcome.confirmed.to_string(),
                format!("{per_stream:.1}"),
                format!("{:.1}", mib(peak)),
                format!("{:.0}", mib(outcome.stated)),
            ]);
        }
    }
    table.publish(&folder.join("many-streams.tsv"))?;
    Ok(match (is_over, is_broken) {
        (true, _) => ExitCode::from(OVER),
        (_, true) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// The streams of a phase.
#[derive(Clone, Copy)]
struct Load {
    protocol: &'static Protocol,
    streams: u32,
    per_connection: u32,
    /// The bytes of each stream beyond its first.
    size: u64,
}

impl Load {
    fn connections(self) -> u32 {
        let each = if self.protocol.has_streams() { self.per_connection.max(1) } else { 1 };
        self.streams.div_ceil(each)
    }
}

/// Opens all streams at a new server, reads its memory, and lets the uploads end.
async fn hold(program: &Path, folder: &Path, load: Load) -> Result<Outcome> {
    let log = folder.join("server.log");
    let connections = load.connections();
    // A sixteenth of the connections is reserved for each of the three ports.
    let most = [connections + connections / 4 + 64, load.streams + 64];
    let [most_connections, most_requests] = most.map(|most| most.to_string());
    let flags = [
        "--sink",
        "discard",
        "--min-rate",
        "0",
        "--idle-timeout",
        "10m",
        "--header-timeout",
        "5m",
        "--max-connections",
        &most_connections,
        "--max-requests",
        &most_requests,
    ];
    let server = Server::logging(program, &flags, &log)?;
    let stated = stated(&fs::read_to_string(&log).context("no log of the server")?)?;
    let before = server.rss()?;
    let (release, released) = watch::channel(false);
    let mut uploads = open(&server, load, connections, &released).await?;
    timeout(TIME, all_running(&server, load.streams)).await.context("not all streams opened in time")??;
    sleep(SETTLE).await;
    let open = server.rss()?;
    release.send_replace(true);
    let mut confirmed = 0;
    let ended = timeout(TIME, async {
        while let Some(upload) = uploads.join_next().await {
            match upload.map_err(Into::into).flatten() {
                Ok(true) => confirmed += 1,
                Ok(false) => {}
                Err(error) => eprintln!("{}: {error:#}", load.protocol.name),
            }
        }
    });
    ended.await.context("not all uploads ended in time")?;
    let rss = [before, open, server.peak_rss()?];
    ensure!(server.stop()?.success(), "the server did not end well");
    Ok(Outcome { connections, confirmed, rss, stated })
}

/// Starts all uploads, each of which sends one byte and waits for its release. Each yields whether the server confirmed it.
async fn open(
    server: &Server,
    load: Load,
    connections: u32,
    released: &watch::Receiver<bool>,
) -> Result<JoinSet<Result<bool>>> {
    let (address, trust) = if load.protocol.is_encrypted() {
        let pem = fs::read_to_string(server.certificate()).context("no certificate")?;
        (server.tls(), Trust::pem(&pem).map_err(anyhow::Error::msg)?)
    } else {
        (server.cleartext(), Trust::SystemRoots)
    };
    let address: SocketAddr = address.parse().context("not an address")?;
    let transport = transport::by_name(load.protocol.name).context("an unknown protocol")?;
    let peer = Peer::new(address, "localhost", trust);
    let limits = Limits::for_any_peer(Profile::default());
    let (mut uploads, mut left) = (JoinSet::new(), load.streams);
    for _ in 0..connections {
        let streams = left.min(load.streams.div_ceil(connections));
        left -= streams;
        let connection: Arc<dyn Connection> = transport.connect(&peer, &limits).await?.into();
        for _ in 0..streams {
            let (connection, released) = (connection.clone(), released.clone());
            uploads.spawn(async move {
                let body = Upload::new(load.size, released).boxed_unsync();
                let uri = format!("{}://localhost/", load.protocol.scheme());
                let request = Request::builder().method(Method::PUT).uri(uri).body(body)?;
                let response = connection.exchange(request).await?;
                let is_good = response.status().is_success();
                let receipt = response.into_body().collect().await.map_err(anyhow::Error::msg)?.to_bytes();
                let receipt: serde_json::Value = serde_json::from_slice(&receipt)?;
                Ok(is_good && receipt.get("bytes").and_then(serde_json::Value::as_u64) == Some(load.size + 1))
            });
        }
    }
    Ok(uploads)
}

/// Waits until the server counts `streams` running requests.
async fn all_running(server: &Server, streams: u32) -> Result<()> {
    let transport = transport::by_name("h1c").context("an unknown protocol")?;
    let peer =
        Peer::new(server.cleartext().parse().context("not an address")?, "localhost", Trust::SystemRoots);
    let limits = Limits::for_any_peer(Profile::default());
    loop {
        let connection = transport.connect(&peer, &limits).await?;
        let request = Request::get("http://localhost/.longhaul/health").body(transport::body::empty())?;
        let health =
            connection.exchange(request).await?.into_body().collect().await.map_err(anyhow::Error::msg)?;
        let health: serde_json::Value = serde_json::from_slice(&health.to_bytes())?;
        let running = health.pointer("/requests/running").and_then(serde_json::Value::as_u64);
        // The request for this count is itself a running request.
        if running > Some(streams.into()) {
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Returns the bound that a server printed at its start, in bytes.
fn stated(log: &str) -> Result<u64> {
    let line = log.lines().find_map(|line| line.strip_prefix("memory: at most "));
    let mib: u64 =
        line.and_then(|line| line.split(' ').next()?.parse().ok()).context("the server states no bound")?;
    Ok(mib << 20)
}

/// The open files that the default number of connections takes, two for each.
const DESCRIPTORS: u64 = 1 << 16;

/// Raises the limit of open files, of this process and of the server. Only root may raise the hard limit.
fn raise_descriptors() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.max(DESCRIPTORS);
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_ok() {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("cannot raise the limit of open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_a_server_is_read_from_its_first_lines() {
        let log =
            "requests: 900 instead of 1024, for 8 MiB\nmemory: at most 668 MiB (program 16, requests 96)\n";
        assert_eq!(stated(log).unwrap(), 668 << 20);
        assert!(stated("").is_err());
    }

    #[test]
    fn a_protocol_without_streams_has_a_connection_for_each() {
        let load = |name| Load {
            protocol: Protocol::by_name(name).unwrap(),
            streams: 250,
            per_connection: 100,
            size: 0,
        };
        assert_eq!((load("h1c").connections(), load("h2").connections()), (250, 3));
    }
}
