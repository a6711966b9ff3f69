//! `longhaul serve`: takes uploads and gives downloads, for remote clients, curl and browsers.

mod answer;
mod answering;
mod connection;
mod download;
mod ports;
mod request;
mod response;
mod upload;

use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use receiver::save::Folder;
use serde::Serialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use transport::Listener;

use crate::{
    budget::DISK_THREADS,
    case::SinkKind,
    cli::ServeArgs,
    exit::{Usage, Verdict},
    size::ByteSize,
};
use answer::Site;
use ports::Ports;

/// How long accepting rests after it failed: for want of file descriptors, it would fail again at once.
const REST: Duration = Duration::from_millis(200);

/// Runs the command.
pub(crate) fn main(args: &ServeArgs) -> anyhow::Result<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build()?;
    let verdict = runtime.block_on(async {
        let site = Site::new(sink(&args.sink)?, args.max_body, args.max_chunk);
        let ports = Ports::open(args)?;
        // Whoever reads the announcement may already want the server to stop.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        announce(&ports)?;
        let server = Server::new(site, args);
        let alt_svc = ports.alt_svc();
        let mut accepting = JoinSet::new();
        for listener in ports.listeners {
            accepting.spawn(server.clone().accept(listener, alt_svc.clone()));
        }
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("stopping: running transfers may take {} s more", args.grace.as_secs_f64());
        server.stop(args.grace).await;
        drop(accepting);
        Ok(Verdict::Good)
    });
    // The grace is over: a disk that does not answer is not waited for.
    runtime.shutdown_background();
    verdict
}

fn sink(sink: &SinkKind) -> anyhow::Result<Sink> {
    Ok(match sink {
        SinkKind::Discard => Sink::Discard,
        SinkKind::Verify => Sink::Verify,
        SinkKind::Save(path) => {
            let folder =
                Folder::open(path).with_context(|| format!("cannot save into {}", path.display()))?;
            Sink::Save(folder)
        }
        SinkKind::Collect => Sink::Collect,
    })
}

/// Where uploads go.
#[derive(Clone, Debug)]
enum Sink {
    Discard,
    Verify,
    Save(Folder),
    /// The control, which memory must not bear.
    Collect,
}

/// The line that tells scripts where to connect.
#[derive(Serialize)]
struct Listening<'a> {
    event: &'static str,
    cleartext: Option<String>,
    tls: Option<String>,
    fingerprint: Option<&'a str>,
    certificate: Option<&'a Path>,
}

fn announce(ports: &Ports) -> anyhow::Result<()> {
    let line = serde_json::to_string(&Listening {
        event: "listening",
        cleartext: ports.cleartext.map(|addr| addr.to_string()),
        tls: ports.tls.map(|addr| addr.to_string()),
        fingerprint: ports.fingerprint.as_deref(),
        certificate: ports.certificate.as_deref(),
    })?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("cannot write to stdout")?;
    for addr in ports.cleartext.into_iter().chain(ports.tls).filter(|addr| !addr.ip().is_loopback()) {
        eprintln!(
            "WARNING: listening on {addr}, which others can reach; whoever does may upload and download"
        );
    }
    Ok(())
}

/// What all connections share.
#[derive(Clone)]
struct Server {
    site: Arc<Site>,
    patience: Patience,
    places: Arc<Semaphore>,
    all_places: u32,
    stopping: watch::Sender<bool>,
}

/// How long is waited for a client.
#[derive(Clone, Copy, Debug)]
struct Patience {
    handshake: Duration,
    idle: Duration,
}

impl Server {
    fn new(site: Site, args: &ServeArgs) -> Self {
        Self {
            site: Arc::new(site),
            patience: Patience { handshake: args.handshake_timeout, idle: args.idle_timeout },
            places: Arc::new(Semaphore::new(args.max_connections as usize)),
            all_places: args.max_connections,
            stopping: watch::Sender::new(false),
        }
    }

    /// Accepts as long as there are places; each connection is a task of its own.
    async fn accept(self, listener: Box<dyn Listener>, alt_svc: Option<String>) {
        let mut stopping = self.stopping.subscribe();
        while !*stopping.borrow() {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopping.changed() => continue,
            };
            let handshake = match accepted {
                Ok(handshake) => handshake,
                Err(error) => {
                    eprintln!("cannot accept a connection: {error}");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let Ok(place) = self.places.clone().acquire_owned().await else { return };
            let (site, patience, alt_svc) = (self.site.clone(), self.patience, alt_svc.clone());
            let stopping = self.stopping.subscribe();
            tokio::spawn(async move {
                connection::serve(handshake, &site, patience, alt_svc.as_deref(), stopping).await;
                drop(place);
            });
        }
        // Closing the port would take QUIC's connections along, so it stays until the process ends.
        std::future::pending::<()>().await;
        drop(listener);
    }

    /// Tells all connections to take no more requests, and waits until they are done or `grace` is over.
    async fn stop(&self, grace: Duration) {
        self.stopping.send_replace(true);
        let all_done = self.places.acquire_many(self.all_places);
        let _ = timeout(grace, all_done).await;
    }
}

/// A size in a sentence.
fn told(size: ByteSize) -> String {
    format!("{size} ({} bytes)", size.0)
}

/// The fault of a flag.
fn usage(what: impl std::fmt::Display) -> Usage {
    Usage(what.to_string())
}
