//! Cases that longhaul's server acts out. The client is the program itself, or longhaul's client makes a plain transfer
//! through a proxy.

use std::{
    ffi::OsString,
    net::Ipv4Addr,
    process::ExitStatus,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use metrics::Stamp;
use record::{Direction, Limits, NetworkSpec, Protocol};
use tokio::{net::TcpListener, time::sleep};
use transport::Identity;

use super::{
    cases::Kind,
    path::Path,
    raw,
    script::SMALL,
    stage::{Act, Scene, Stage},
    trouble::{Seen, Trouble},
};
use crate::{
    Bodies, CommandLine, command::Placeholder, exchange::beside, origin::certificate_file, program::Program,
    sampling::Sampling,
};

/// The time between two looks at a program.
const LOOK: Duration = Duration::from_millis(20);

/// The window of a server whose reader lags: more than 2,048 packets.
const LARGE: u64 = 16 << 20;

/// The window of a connection that leaves room for seven bodies while an eighth one stands still.
pub(super) const ROOMY: u32 = 8 << 20;

/// Returns the conduct of longhaul's server in a case.
pub(super) fn act(kind: Kind, stall: Duration) -> Act {
    match kind {
        Kind::SlowReader | Kind::LargeWindow => Act::Slow,
        Kind::StalledReader => Act::Stalled(stall),
        Kind::GoneReader => Act::Gone,
        Kind::UnreadBody => Act::Unread(stall.min(Duration::from_secs(3))),
        Kind::EarlyResponse => Act::Early,
        Kind::ResetMidway => Act::Reset,
        Kind::TinyFrames => Act::Tiny,
        Kind::Trailers => Act::Trailers,
        Kind::LargerThanAnnounced => Act::Larger,
        Kind::FastSender | Kind::OneStreamStalled | Kind::SharedWindow | Kind::PinnedHeaders => Act::Plain,
    }
}

/// Returns the limits of either end in a case.
pub(super) fn limits(kind: Kind, protocol: &Protocol, limits: &Limits) -> Limits {
    let mut limits = limits.clone();
    let windows = match kind {
        Kind::LargeWindow => Some((LARGE, 2 * LARGE)),
        Kind::SharedWindow => Some((256 << 10, 256 << 10)),
        Kind::OneStreamStalled => Some((512 << 10, ROOMY.into())),
        _ => None,
    };
    if let Some((stream, connection)) = windows.filter(|_| protocol.has_streams()) {
        // The values are within the ranges of the limits.
        let _ = limits.set(&record::H2_WINDOW, record::Preset::Bytes(stream));
        let _ = limits.set(&record::QUIC_WINDOW, record::Preset::Bytes(stream));
        let _ = limits.set(&record::QUIC_CONNECTION_WINDOW, record::Preset::Bytes(connection));
    }
    limits
}

/// A client under test, for one case.
pub(super) struct Far<'a> {
    pub(super) command: &'a CommandLine,
    pub(super) bodies: Option<&'a Bodies>,
    pub(super) protocol: &'static Protocol,
    pub(super) direction: Direction,
    pub(super) body: u64,
    pub(super) patience: Duration,
    pub(super) limits: &'a Limits,
    /// The emulated network between the client and longhaul's server.
    pub(super) network: Option<NetworkSpec>,
}

/// The result of one run of a client: its end, and its memory.
pub(super) struct Run {
    pub(super) status: Result<ExitStatus, Trouble>,
    /// The name of the program, its exit status, and the last line of its standard error.
    pub(super) said: String,
    pub(super) peak_rss_bytes: Option<u64>,
}

impl Far<'_> {
    /// Runs the client against a server that behaves as `act` says.
    pub(super) async fn run(&self, act: Act) -> Result<(Run, Arc<Scene>), Trouble> {
        if act == Act::Larger && !self.protocol.has_streams() {
            return self.run_against_raw().await;
        }
        let identity = match self.protocol.is_encrypted() {
            true => Some(Identity::self_signed(&["localhost"]).map_err(Trouble::not_applicable)?),
            false => None,
        };
        let pem = identity.as_ref().map(|identity| certificate_file(identity.certificate_pem())).transpose();
        let pem = pem.map_err(Trouble::not_applicable)?;
        let addr = (Ipv4Addr::LOCALHOST, 0).into();
        let stage = Stage::for_client(self.protocol, addr, identity, self.limits, act)?;
        let path = Path::to(stage.addr(), self.protocol, self.network).await?;
        let (port, scene) = (path.address.port(), stage.scene());
        let cacert = pem.as_ref().map(|pem| pem.path().as_os_str().to_owned()).unwrap_or_default();
        tokio::select! {
            run = self.follow(port, &cacert, Some(&scene)) => run.map(|run| (run, scene.clone())),
            () = beside(stage.serve()) => Err(Trouble::stalled("the server has stopped")),
        }
    }

    async fn run_against_raw(&self) -> Result<(Run, Arc<Scene>), Trouble> {
        if self.protocol.is_encrypted() {
            let reason = "as in cleartext: longhaul writes such a body over HTTP/1.1 in cleartext only";
            return Err(Trouble::not_applicable(reason));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Trouble::not_applicable)?;
        let addr = listener.local_addr().map_err(Trouble::not_applicable)?;
        let path = Path::to(addr, self.protocol, self.network).await?;
        let port = path.address.port();
        let (serving, none) =
            (async { drop(raw::answer(listener, SMALL, 2 * SMALL).await) }, OsString::new());
        tokio::select! {
            run = self.follow(port, &none, None) => run.map(|run| (run, Default::default())),
            () = beside(serving) => Err(Trouble::stalled("the server has stopped")),
        }
    }

    fn words(&self, port: u16, cacert: &OsString) -> Vec<OsString> {
        let host = if self.protocol.is_encrypted() { "localhost" } else { "127.0.0.1" };
        let target = match self.direction {
            Direction::Up => "upload".to_owned(),
            Direction::Down => format!("?size={}", self.body),
        };
        self.command.filled(|placeholder| match placeholder {
            Placeholder::Url => format!("{}://{host}:{port}/{target}", self.protocol.scheme()).into(),
            Placeholder::Host => host.into(),
            Placeholder::Port => port.to_string().into(),
            Placeholder::Cacert => cacert.clone(),
            Placeholder::Size | Placeholder::N => self.body.to_string().into(),
            Placeholder::File => {
                let file = self.bodies.map(|bodies| bodies.file(record::ByteSize(self.body)).into());
                file.unwrap_or_default()
            }
        })
    }

    /// Starts the client, and waits for its end as long as bytes move.
    async fn follow(&self, port: u16, cacert: &OsString, scene: Option<&Scene>) -> Result<Run, Trouble> {
        let mut program = Program::start(&self.words(port, cacert), None)?;
        let sampling = Sampling::start(program.processes().clone());
        sampling.begin();
        let (mut last, mut seen) = (Stamp::now(), 0);
        let status = loop {
            let moved = scene.map_or(0, |scene| scene.received.load(Relaxed) + scene.given.load(Relaxed));
            if moved != seen {
                (last, seen) = (Stamp::now(), moved);
            }
            if let Some(status) = program.ended()? {
                break Ok(status);
            }
            if last.elapsed() >= self.patience {
                let seconds = self.patience.as_secs_f64();
                break Err(Trouble::stalled(format!(
                    "the client still ran after {seconds} s without a byte"
                )));
            }
            sleep(LOOK).await;
        };
        let memory = sampling.finish().record(program.processes(), seen).memory;
        let what = status.as_ref().map_or("ran on".into(), |status| program.describe(*status));
        program.end();
        let said = program.fault(record::FaultKind::Program, format!("ended ({what})")).await.message;
        Ok(Run { status, said, peak_rss_bytes: memory.peak_rss_bytes })
    }

    /// Judges the end of a client in a case. A client that accepts a broken body as a whole one counts as corrupting
    /// it.
    pub(super) fn judge(&self, kind: Kind, run: &Run, scene: &Scene) -> Seen {
        let status = run.status.as_ref().map_err(Clone::clone)?;
        let must_fail = matches!(
            (kind, self.direction),
            (Kind::GoneReader | Kind::ResetMidway, _) | (Kind::LargerThanAnnounced, Direction::Down)
        ) && (self.protocol.has_streams() || kind != Kind::LargerThanAnnounced);
        if must_fail {
            return match status.success() {
                // Every try of the client is broken off, so it must fail in the end.
                true => Err(Trouble::corrupted(format!("{}, though its body was broken", run.said))),
                false => Ok(None),
            };
        }
        match kind {
            Kind::UnreadBody | Kind::EarlyResponse | Kind::LargerThanAnnounced => Ok(Some(run.said.clone())),
            Kind::StalledReader if !status.success() => Ok(Some(format!("gave up: {}", run.said))),
            _ if !status.success() => Err(Trouble::died(&run.said)),
            _ => self.is_whole(scene),
        }
    }

    /// Checks that a client that exited with success has uploaded exactly the bytes of its file.
    fn is_whole(&self, scene: &Scene) -> Seen {
        if self.direction == Direction::Down {
            return Ok(None);
        }
        let Some((bytes, digest)) = scene.whole() else {
            return Err(Trouble::corrupted("the client ended well, and no whole body has arrived"));
        };
        if bytes != self.body {
            return Err(Trouble::corrupted(format!("{bytes} bytes arrived in place of {}", self.body)));
        }
        let sent = self.bodies.and_then(|bodies| bodies.digest(record::ByteSize(self.body)));
        match sent {
            Some(sent) if sent != digest => {
                Err(Trouble::corrupted("other bytes arrived than those of the file"))
            }
            _ => Ok(None),
        }
    }
}
