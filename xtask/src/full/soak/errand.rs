//! The traffic of a soak: errands in a fixed order, each one client with one purpose.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use http::Request;
use http_body_util::BodyExt as _;
use record::{Limits, PROTOCOLS, Profile, Protocol};
use tokio::task::JoinSet;
use transport::{Body, Connection, Peer, Trust, body};

use crate::study::Server;

/// The server, and a folder for what clients save.
pub(super) struct Place<'a> {
    pub(super) server: &'a Server,
    pub(super) scratch: &'a Path,
}

/// One client over one protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errand {
    kind: Kind,
    protocol: &'static Protocol,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// An upload of that size, confirmed by its digest.
    Upload(&'static str),
    /// A generated download of that size.
    Download(&'static str),
    /// An upload, which is then downloaded again.
    Return,
    /// An upload whose client is killed under way.
    AbortedUpload,
    /// A download whose client is killed under way.
    AbortedDownload,
    /// A download that is read slowly.
    SlowReader,
    /// An upload that is sent slowly.
    SlowSender,
    /// Downloads on one connection, of which some are cancelled and the others must arrive whole.
    Cancels,
}

/// The kinds, in the order in which they follow each other.
const KINDS: [Kind; 12] = [
    Kind::Upload("0B"),
    Kind::Cancels,
    Kind::Upload("8MiB"),
    Kind::SlowReader,
    Kind::Download("1B"),
    Kind::AbortedUpload,
    Kind::Return,
    Kind::Download("8MiB"),
    Kind::AbortedDownload,
    Kind::Upload("100MiB"),
    Kind::SlowSender,
    Kind::Download("100MiB"),
];

/// The names that uploads overwrite in turns, so that a soak fills no disk.
const NAMES: u64 = 16;

/// The time after which a client is killed.
const KILLED: Duration = Duration::from_millis(400);

/// The size of the downloads on one connection, in bytes, and their number; every second one is cancelled.
const CANCELLED: usize = 4 << 20;
const STREAMS: usize = 6;

impl Errand {
    /// The number of errands after which every kind was run over every protocol.
    pub(super) const KINDS: u64 = 12 * 5;

    /// The errand with that number.
    pub(super) fn nth(number: u64) -> Self {
        let http: Vec<&'static Protocol> = PROTOCOLS.iter().filter(|protocol| protocol.is_http()).collect();
        let pick = |count: usize| usize::try_from(number).unwrap_or_default() % count;
        // Twelve kinds and five protocols have no common divisor: all pairs follow each other.
        Self { kind: KINDS[pick(KINDS.len())], protocol: http[pick(http.len())] }
    }

    /// Runs the errand.
    pub(super) fn run(self, place: &Place<'_>, number: u64) -> Result<()> {
        let name = format!("/body-{}", number % NAMES);
        let client = |command: &str, path: &str, flags: &[&str]| {
            place.server.client(command, self.protocol, path, flags)
        };
        match self.kind {
            Kind::Upload(size) => succeed(client("send", &name, &["--size", size])),
            Kind::Download(size) => succeed(client("fetch", &format!("/?size={size}"), &[])),
            Kind::Return => {
                let (name, file) =
                    (format!("/own-{}", number % NAMES), place.scratch.join(number.to_string()));
                succeed(client("send", &name, &["--size", "3MiB"]))?;
                succeed(client("fetch", &name, &["-o", &file.to_string_lossy()]))?;
                ensure!(fs::metadata(&file)?.len() == 3 << 20, "the file has another size");
                Ok(fs::remove_file(file)?)
            }
            Kind::AbortedUpload => kill(client("send", &name, &["--size", "20GiB"])),
            Kind::AbortedDownload => kill(client("fetch", "/?size=20GiB", &[])),
            Kind::SlowReader => succeed(client("fetch", "/?size=1MiB", &["--reader-rate", "200KiB"])),
            Kind::SlowSender => succeed(client(
                "send",
                &name,
                &["--size", "600KiB", "--limit-rate", "200KiB", "--chunk-size", "4KiB"],
            )),
            Kind::Cancels => cancel(place.server, self.protocol),
        }
    }
}

/// Runs a client that must succeed.
fn succeed(mut client: Command) -> Result<()> {
    let output = client.output().context("cannot start a client")?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", output.status, reason.trim());
    Ok(())
}

/// Starts a client, and kills it under way.
fn kill(mut client: Command) -> Result<()> {
    let mut child =
        client.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start a client")?;
    sleep(KILLED);
    child.kill().context("cannot kill a client")?;
    child.wait().context("a client is lost")?;
    Ok(())
}

/// Opens downloads on one connection, drops every second one, and reads the others to their end.
fn cancel(server: &Server, protocol: &Protocol) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let connection: Arc<dyn Connection> = connect(server, protocol).await?.into();
        // Without streams, a response that is dropped ends its connection.
        let streams = if protocol.has_streams() { STREAMS } else { 1 };
        // All at once: a body that is not read takes the connection's window from the others, and over HTTP/3 from the
        // heads of their responses as well.
        let mut readers = JoinSet::new();
        for number in 0..streams {
            let request = Request::get(server.url(protocol, &format!("/?size={CANCELLED}")));
            let (connection, request) = (connection.clone(), request.body(body::empty())?);
            readers.spawn(async move {
                let response = connection.exchange(request).await?;
                ensure!(response.status().is_success(), "the server answered {}", response.status());
                read(response.into_body(), if number % 2 == 0 { 1 } else { usize::MAX }).await
            });
        }
        while let Some(reader) = readers.join_next().await {
            reader.context("a reader is lost")??;
        }
        connection.close().await;
        Ok(())
    })
}

/// Reads a body up to `most` bytes or a little more, and drops it; a body that is read to its end must be whole.
async fn read(mut body: Body, most: usize) -> Result<()> {
    let mut length = 0;
    while length < most {
        let Some(frame) = body.frame().await else {
            ensure!(length == CANCELLED, "a body beside cancelled ones has {length} of {CANCELLED} bytes");
            return Ok(());
        };
        length += frame.map_err(anyhow::Error::from_boxed)?.data_ref().map_or(0, |piece| piece.len());
    }
    Ok(())
}

async fn connect(server: &Server, protocol: &Protocol) -> Result<Box<dyn Connection>> {
    let transport = transport::of(protocol).context("a protocol without implementation")?;
    let address = if protocol.is_encrypted() { server.tls() } else { server.cleartext() };
    let trust = Trust::pem(&fs::read_to_string(server.certificate()).context("no certificate")?)?;
    let peer = Peer::new(address.parse().context("no address")?, "localhost", trust);
    Ok(transport.connect(&peer, &Limits::for_any_peer(Profile::default())).await?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_is_run_over_every_protocol() {
        let all: BTreeSet<String> =
            (0..Errand::KINDS).map(|number| format!("{:?}", Errand::nth(number))).collect();
        assert_eq!(all.len() as u64, Errand::KINDS);
    }
}
