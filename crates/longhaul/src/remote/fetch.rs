//! Downloads one body.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt as _, Empty};
use metrics::Pace;
use payload::{ChunkSize, Kind, Payload};
use receiver::{
    Sink,
    save::{Folder, SafeName, SaveError, Saver},
};
use tokio::io::{AsyncWrite, BufWriter};
use transport::Connection;

use super::{Job, Proof, Target};
use crate::{
    bench::Measured,
    case::{Case, DEFAULT_SEED, Direction, Rates, SinkKind},
    cli::FetchArgs,
    exit::Usage,
    instruments::Instruments,
    record::{EndRecord, Fault, FaultKind, fault},
    reply::accepted,
    size::ByteSize,
};

/// What names the chunk in a record of a body whose chunks the far end chose.
const CHUNK: u64 = 64 << 10;

/// What is gathered for one write to a pipe or a device.
const PIPE: usize = 256 << 10;

pub(super) struct Download<'a> {
    args: &'a FetchArgs,
    chunk: ChunkSize,
}

impl<'a> Download<'a> {
    /// # Errors
    /// There is nothing that the body could be saved in.
    pub(super) fn of(args: &'a FetchArgs) -> Result<Self, Usage> {
        let chunk = ChunkSize::try_from(CHUNK).map_err(|error| Usage(error.to_string()))?;
        match &args.output {
            Some(path) if path.is_dir() => Err(Usage(format!("-o {}: it is a folder", path.display()))),
            _ => Ok(Self { args, chunk }),
        }
    }

    async fn sink(&self) -> Result<Sink, Fault> {
        let Some(path) = &self.args.output else { return Ok(Sink::verify()) };
        if self.owns_stdout() {
            return Ok(Sink::stream(Box::pin(buffered(tokio::io::stdout()))));
        }
        let unusable = |error: SaveError| fault(FaultKind::Save, format!("{}: {error}", path.display()));
        // A device or a pipe cannot be replaced by a whole file, only written to.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let file = tokio::fs::OpenOptions::new().write(true).open(path).await;
            return Ok(Sink::stream(Box::pin(buffered(file.map_err(|error| unusable(error.into()))?))));
        }
        save(path).map(Sink::save).map_err(unusable)
    }
}

/// Pieces are small where they come in datagrams, and every write takes a thread switch.
fn buffered<W: AsyncWrite>(output: W) -> BufWriter<W> {
    BufWriter::with_capacity(PIPE, output)
}

fn save(path: &Path) -> Result<Saver, SaveError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = Folder::open(folder.unwrap_or(Path::new(".")))?;
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    Saver::begin(&folder, SafeName::of_user(name)?)
}

impl Job for Download<'_> {
    fn case(&self, target: &Target, bytes: u64) -> Case {
        Case {
            transport: target.transport,
            direction: Direction::Down,
            chunk: self.chunk,
            body: ByteSize(bytes),
            payload: Kind::Random,
            seed: DEFAULT_SEED,
            sink: SinkKind::Verify,
            connections: 1,
            streams: 1,
            rates: Rates { reader: self.args.reader_rate, limit: None },
            limits: self.args.remote.limits.limits_for_anybody(),
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        connection: &dyn Connection,
        instruments: &Instruments,
    ) -> Result<Proof, Fault> {
        let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = Request::builder().method(Method::GET).uri(target.uri.clone()).body(nothing);
        let request = request.map_err(|error| fault(FaultKind::Protocol, error))?;
        let response = accepted(connection.exchange(request).await?).await?;
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let expected = generated(target, response.headers(), self.chunk);
        let sink = self.sink().await?;
        let pace = self.args.reader_rate.map(|rate| Pace::new(rate.0));
        let receipt =
            receiver::receive(response.into_body(), &instruments.meter, sink, length, pace, Duration::ZERO)
                .await?;
        let sent = expected.and_then(|(payload, size)| payload.digest(size)).map(|digest| digest.to_string());
        Ok(Proof { received: sent.as_ref().and(receipt.digest), sent, far_end: None })
    }

    fn size(&self) -> Option<u64> {
        None
    }

    fn place(&self, measured: &mut Measured, end: EndRecord) {
        measured.receiver = Some(end);
    }

    fn owns_stdout(&self) -> bool {
        self.args.output == Some(PathBuf::from("-"))
    }
}

/// What a longhaul server generates for the URL: its digest follows from size and seed.
fn generated(target: &Target, headers: &HeaderMap, chunk: ChunkSize) -> Option<(Payload, u64)> {
    let server = headers.get(header::SERVER)?.to_str().ok()?;
    if !server.starts_with("longhaul/") || target.uri.path() != "/" {
        return None;
    }
    let query = target.uri.query()?;
    let value = |key: &str| query.split('&').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    let size: ByteSize = value("size")?.parse().ok()?;
    let seed = value("seed").map_or(Some(DEFAULT_SEED), |seed| seed.parse().ok())?;
    Some((Payload::prepare(&Kind::Random, seed, chunk), size.0))
}
