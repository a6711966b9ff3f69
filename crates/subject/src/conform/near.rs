//! Cases that longhaul's client acts out: it reads downloads and sends uploads in unusual ways.

mod down;
mod up;

use std::{
    cell::Cell,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use client::{Client, Target};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use payload::Digest;
use record::{Case, Direction, Protocol};
use tokio::{net::TcpStream, time::sleep};
use transport::{Body, Connection, body};

use super::{
    cases::Kind,
    path::Path,
    reading::Reading,
    script::{SMALL, Script},
    stage::Act,
    trouble::{Seen, Trouble},
};
use crate::Endpoints;

/// The bytes of a plain transfer that checks whether a program works at all.
const WARM_UP: u64 = 1 << 20;

/// The number of concurrent bodies, and of readers that leave.
const BODIES: usize = 8;

/// The time in which a program may clean up after clients that have left.
const CLEANING: Duration = Duration::from_secs(1);

/// The client of a program in one case.
pub(super) struct Near<'a> {
    pub(super) client: &'a Client,
    pub(super) endpoints: &'a Endpoints,
    /// The way to the server, if it is not that of the URL.
    pub(super) path: Option<&'a Path>,
    pub(super) port: Option<u16>,
    pub(super) protocol: &'static Protocol,
    /// The size of a large body, in bytes.
    pub(super) body: u64,
    pub(super) stall: Duration,
    pub(super) patience: Duration,
    /// True once the program has refused an upload without a Content-Length.
    pub(super) needs_length: Cell<bool>,
    /// The digest of the last large body that was read to its end.
    pub(super) digest: Cell<Option<Digest>>,
    /// The bytes that this end has sent or received.
    pub(super) moved: Arc<AtomicU64>,
}

impl Near<'_> {
    /// Opens a bare connection of TCP to the server of a target.
    async fn bare(&self, target: &Target) -> io::Result<TcpStream> {
        match self.path {
            Some(path) => TcpStream::connect(path.address).await,
            None => TcpStream::connect((target.host(), target.port())).await,
        }
    }

    /// Plays a case.
    pub(super) async fn play(&self, kind: Kind, direction: Direction) -> Seen {
        match direction {
            Direction::Down => self.play_down(kind).await,
            Direction::Up => self.play_up(kind).await,
        }
    }

    /// Makes a plain small transfer.
    pub(super) async fn warm_up(&self, direction: Direction) -> Result<(), Trouble> {
        let line = self.line().await?;
        match direction {
            Direction::Down => self.download(&line, WARM_UP).await?.rest().await?,
            Direction::Up => {
                let mut status = self.upload(&line, Script::of(WARM_UP, &Arc::default())).await?;
                if matches!(status, StatusCode::LENGTH_REQUIRED | StatusCode::NOT_IMPLEMENTED) {
                    self.needs_length.set(true);
                    status = self.upload(&self.line().await?, Script::of(WARM_UP, &Arc::default())).await?;
                }
                accepted(status)?;
            }
        }
        line.close().await;
        Ok(())
    }

    /// Returns the digest of the large body, if two plain downloads have the same one.
    pub(super) async fn reference(&self) -> Option<Digest> {
        let mut digests = Vec::new();
        for _ in 0..2 {
            let line = self.line().await.ok()?;
            let mut reading = self.download(&line, self.body).await.ok()?;
            reading.rest().await.ok()?;
            digests.push(reading.digest());
        }
        digests.windows(2).all(|pair| matches!(pair, [a, b] if a == b)).then(|| digests.first().copied())?
    }

    /// Makes a plain transfer through a proxy, while its origin behaves as `act` says.
    pub(super) async fn plain(&self, direction: Direction, act: Act) -> Seen {
        let line = self.line().await?;
        if direction == Direction::Down {
            return self.plain_download(&line, act).await;
        }
        let answer = self.upload(&line, Script::of(self.body, &self.moved)).await;
        match (act, answer) {
            (Act::Gone | Act::Reset, Ok(status)) if status.is_success() => {
                Err(Trouble::corrupted(format!("{status} was answered, though the origin broke off")))
            }
            (Act::Slow | Act::Stalled(_), Ok(status)) if !status.is_success() => {
                Err(Trouble::died(format!("an upload was answered {status}")))
            }
            (_, Ok(status)) => Ok(Some(format!("answered {status}"))),
            (Act::Stalled(_) | Act::Gone | Act::Reset | Act::Unread(_) | Act::Early, Err(trouble)) => {
                trouble.forgiven()
            }
            (_, Err(trouble)) => Err(trouble),
        }
    }

    /// Reads a small download, which the origin frames in an unusual way.
    async fn plain_download(&self, line: &Arc<dyn Connection>, act: Act) -> Seen {
        let mut reading = self.download(line, self.body).await?;
        let read = reading.rest().await;
        match act {
            Act::Larger if reading.bytes() > SMALL => {
                Err(Trouble::corrupted(format!("{} bytes came of {SMALL} announced ones", reading.bytes())))
            }
            Act::Larger => Ok(read.err().map(|trouble| trouble.note)),
            Act::Reset if read.is_ok() => Err(Trouble::corrupted("a broken body ended as if it were whole")),
            Act::Reset => Ok(None),
            _ if read.is_ok() && reading.bytes() != SMALL => {
                Err(Trouble::corrupted(format!("{} bytes came in place of {SMALL}", reading.bytes())))
            }
            _ => read.map(|()| None),
        }
    }

    fn target(&self, direction: Direction, size: u64) -> Result<Target, Trouble> {
        let mut case = Case::new(self.protocol.name);
        (case.direction, case.body) = (direction, record::ByteSize(size));
        self.endpoints.target(&case, self.port).map_err(Trouble::not_applicable)
    }

    async fn line(&self) -> Result<Arc<dyn Connection>, Trouble> {
        Ok(self.client.connect(&self.target(Direction::Up, 1)?).await?)
    }

    /// Returns a connection for each of `count` bodies. If the protocol has streams, all bodies share one connection.
    async fn lines(&self, count: usize) -> Result<Vec<Arc<dyn Connection>>, Trouble> {
        if self.protocol.has_streams() {
            return Ok(vec![self.line().await?; count]);
        }
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(self.line().await?);
        }
        Ok(lines)
    }

    /// Asks for a body of a size, and begins to read it.
    async fn download(&self, line: &Arc<dyn Connection>, size: u64) -> Result<Reading, Trouble> {
        let target = self.target(Direction::Down, size)?;
        let mut request = self.client.request(Method::GET, &target, HeaderMap::new(), body::empty())?;
        // A method that the user sets applies to uploads only.
        *request.method_mut() = Method::GET;
        let response = self.patient(line.exchange(request)).await?.map_err(Trouble::died)?;
        if !response.status().is_success() {
            return Err(Trouble::died(format!("a download was answered {}", response.status())));
        }
        Ok(Reading::of(response.into_body(), self.patience, &self.moved))
    }

    /// Uploads a body, and reads the response to its end.
    async fn upload(&self, line: &Arc<dyn Connection>, script: Script) -> Result<StatusCode, Trouble> {
        let target = self.target(Direction::Up, self.body)?;
        self.send(line, None, &target, HeaderMap::new(), self.body_of(script)).await
    }

    /// Returns the body of an upload, with its length if the program requires a Content-Length.
    fn body_of(&self, script: Script) -> Body {
        if self.needs_length.get() { script.announced() } else { script.body() }
    }

    /// Sends a request with a body, by PUT or the method that the user sets unless `method` names another. Reads the
    /// response to its end.
    async fn send(
        &self,
        line: &Arc<dyn Connection>,
        method: Option<Method>,
        target: &Target,
        fields: HeaderMap,
        body: Body,
    ) -> Result<StatusCode, Trouble> {
        let mut request = self.client.request(Method::PUT, target, fields, body)?;
        if let Some(method) = method {
            *request.method_mut() = method;
        }
        let answer = async {
            let response = line.exchange(request).await.map_err(Trouble::died)?;
            let status = response.status();
            response.into_body().collect().await.map_err(Trouble::died)?;
            Ok(status)
        };
        self.patient(answer).await?
    }

    /// Waits for `work`. Fails if it has not ended and no byte has moved for the patience.
    async fn patient<T>(&self, work: impl Future<Output = T>) -> Result<T, Trouble> {
        let mut work = pin!(work);
        let mut seen = self.moved.load(Relaxed);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = sleep(self.patience) => {}
            }
            let moved = self.moved.load(Relaxed);
            if moved == seen {
                let seconds = self.patience.as_secs_f64();
                return Err(Trouble::stalled(format!(
                    "neither a byte moved nor an answer came for {seconds} s"
                )));
            }
            seen = moved;
        }
    }

    /// Checks that the program still works, after a case that it had to survive.
    async fn is_alive(&self, direction: Direction) -> Result<(), Trouble> {
        sleep(CLEANING).await;
        let afterwards =
            |trouble: Trouble| Trouble { note: format!("afterwards: {}", trouble.note), ..trouble };
        self.warm_up(direction).await.map_err(afterwards)
    }
}

/// Refuses an answer that is no success.
fn accepted(status: StatusCode) -> Result<(), Trouble> {
    match status.is_success() {
        true => Ok(()),
        false => Err(Trouble::died(format!("an upload was answered {status}"))),
    }
}
