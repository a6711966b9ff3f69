//! `longhaul serve`: receives uploads and serves downloads for remote clients, curl and browsers.

use std::time::SystemTime;

use analyse::Verdict;
use anyhow::Context as _;
use jiff::Timestamp;
use record::mib;
use run::{DISK_THREADS, MeasuringHost, Threads};
use serve::{DEFAULT_PORT, DEFAULT_TLS_PORT, Machine, ServeError, Server, WorstCase};
use tokio::sync::oneshot;
use transport::Identity;

use super::{announcement::Announcement, certificate::Certificate, signals::Signals, transfer::FAREWELL};
use crate::{
    exit::Usage,
    flags::ServeArgs,
    log,
    program::{allocator_settings, this_build},
    save_folder,
};

/// Runs `longhaul serve`.
pub(super) fn main(args: &ServeArgs) -> anyhow::Result<Verdict> {
    log::queue().context("cannot start the thread of the log")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build()?;
    let verdict = runtime.block_on(serve(args));
    // The grace period is over: do not wait for a disk that does not answer.
    runtime.shutdown_background();
    log::flush();
    verdict
}

async fn serve(args: &ServeArgs) -> anyhow::Result<Verdict> {
    let (threads, shared) = Threads::start_anywhere(args.threads).context("cannot start the threads")?;
    shared.iter().for_each(|shared| log::remark(shared));
    let mut options = args.options()?;
    options.spread = threads.spread();
    options.identity.as_ref().and_then(invalid_now).iter().for_each(|reason| log::warning(reason));
    if args.measure {
        let host = MeasuringHost::of_this_program(this_build(), allocator_settings());
        let host =
            host.context("cannot find this program's own file")?.on_port(args.measure_port.unwrap_or(0));
        options.measuring = Some(if args.verbose { host.logging() } else { host });
    }
    let machine = Machine::prepare();
    let notes = options.fit(&machine, args.asked()).map_err(Usage::new)?;
    notes.iter().for_each(|note| log::remark(note));
    let available = machine.memory.map_or_else(String::new, |memory| format!(" of {:.0} MiB", mib(memory.0)));
    let memory = format!("memory: at most {}{available}", WorstCase::of(&options));
    save_folder::create(&options.uploads)?;
    let server = Server::bind(options).map_err(|error| match error {
        ServeError::Unprotected { .. }
        | ServeError::MeasuringInCleartext
        | ServeError::MeasuringForAnybody
        | ServeError::ChunkBounds { .. } => anyhow::Error::new(Usage::new(error)),
        error => error.into(),
    })?;
    server.rehearse().await;
    // A signal may follow the announcement at once.
    let mut signals = Signals::register()?;
    let certificate = server.certificate_pem().and_then(|pem| Certificate::of(pem, args.cert.as_deref()));
    if args.has_default_ports() {
        note_taken(&server);
    }
    // The notes so far come before the announcement.
    log::flush();
    Announcement::of(&server, certificate.as_ref(), args).print()?;
    log::remark(&memory);
    warn(&server, args.is_open());
    let (stop, stopped) = oneshot::channel::<()>();
    let mut running = Box::pin(server.run(async { drop(stopped.await) }, args.grace));
    tokio::select! {
        () = &mut running => return Ok(Verdict::Good),
        () = signals.end() => {}
    }
    let seconds = args.grace.as_secs_f64();
    log::remark(&format!(
        "stopping: running transfers may take {seconds} s more; a second signal cuts them off"
    ));
    drop(stop);
    tokio::select! {
        () = &mut running => {}
        () = signals.end() => log::remark("stopped: running transfers were cut off"),
    }
    drop(running);
    transport::quic_closed(FAREWELL).await;
    Ok(Verdict::Good)
}

/// Returns the reason why clients refuse a certificate at this time, by its dates.
fn invalid_now(identity: &Identity) -> Option<String> {
    let (validity, now) = (identity.validity()?, SystemTime::from(Timestamp::now()));
    let (bound, word) = match (validity.start(), validity.end()) {
        (start, _) if now < *start => (start, "is not valid before"),
        (_, end) if *end < now => (end, "expired on"),
        _ => return None,
    };
    let bound = Timestamp::try_from(*bound).ok()?;
    Some(format!("the certificate {word} {bound}: clients will refuse it"))
}

/// Warns of addresses that other machines can reach.
fn warn(server: &Server, is_open: bool) {
    let addrs = server.cleartext_addr().into_iter().chain(server.tls_addr());
    for addr in addrs.filter(|addr| !addr.ip().to_canonical().is_loopback()) {
        if is_open {
            log::warning(&format!(
                "listening on {addr}, which other machines can reach: they may upload and download"
            ));
        }
    }
    let cleartext = server.cleartext_addr().filter(|addr| !addr.ip().to_canonical().is_loopback());
    if let Some(addr) = cleartext.filter(|_| !is_open) {
        log::warning(&format!(
            "{addr} is cleartext: whoever sees the packets can read the token; prefer --listen-tls"
        ));
    }
}

/// Notes the default ports that other programs use.
fn note_taken(server: &Server) {
    let bound = [(DEFAULT_PORT, server.cleartext_addr()), (DEFAULT_TLS_PORT, server.tls_addr())];
    for (port, addr) in bound {
        if let Some(addr) = addr.filter(|addr| addr.port() != port) {
            log::remark(&format!("note: port {port} is in use; listening on {addr} in its place"));
        }
    }
}
