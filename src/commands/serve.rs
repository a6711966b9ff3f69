//! `longhaul serve`: receives uploads and serves downloads for remote clients, curl and browsers.

use std::{borrow::Cow, io::Write as _, path::Path};

use analyse::Verdict;
use anyhow::Context as _;
use record::mib;
use run::DISK_THREADS;
use serde::Serialize;
use serve::{Machine, ServeError, Server, WorstCase};
use tokio::{pin, sync::oneshot};

use super::{certificate::Certificate, signals::Signals};
use crate::{
    cli::{Listen, ServeArgs},
    exit::Usage,
};

/// Runs `longhaul serve`.
pub(super) fn main(args: &ServeArgs) -> anyhow::Result<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build()?;
    let verdict = runtime.block_on(serve(args));
    // The grace period is over: do not wait for a disk that does not answer.
    runtime.shutdown_background();
    verdict
}

async fn serve(args: &ServeArgs) -> anyhow::Result<Verdict> {
    let mut options = args.options()?;
    let machine = Machine::prepare();
    let notes = options.fit(&machine, args.asked()).map_err(Usage::new)?;
    notes.iter().for_each(|note| eprintln!("{note}"));
    let available = machine.memory.map_or_else(String::new, |memory| format!(" of {:.0} MiB", mib(memory.0)));
    eprintln!("memory: at most {}{available}", WorstCase::of(&options));
    let server = Server::bind(options).map_err(|error| match error {
        ServeError::Unprotected { .. } => anyhow::Error::new(Usage::new(error)),
        error => error.into(),
    })?;
    server.rehearse().await;
    // A signal may follow the announcement at once.
    let mut signals = Signals::register()?;
    let certificate = server.certificate_pem().and_then(|pem| Certificate::of(pem, args.cert.as_deref()));
    announce(&server, certificate.as_ref(), args)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = server.run(async { drop(stopped.await) }, args.grace);
    pin!(running);
    tokio::select! {
        () = &mut running => return Ok(Verdict::Good),
        () = signals.end() => {}
    }
    let seconds = args.grace.as_secs_f64();
    eprintln!("stopping: running transfers may take {seconds} s more; a second signal cuts them off");
    drop(stop);
    tokio::select! {
        () = running => {}
        () = signals.end() => eprintln!("stopped: running transfers were cut off"),
    }
    Ok(Verdict::Good)
}

/// Prints the addresses as a line of JSON, for scripts.
fn announce(server: &Server, certificate: Option<&Certificate>, args: &ServeArgs) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Listening<'a> {
        event: &'static str,
        cleartext: Option<String>,
        unix: Option<Cow<'a, str>>,
        tls: Option<String>,
        fingerprint: Option<String>,
        certificate: Option<&'a Path>,
    }
    let fingerprint = server.fingerprint().map(|digest| {
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    });
    let unix = match &args.listen {
        Some(Listen::Unix(path)) => Some(path.to_string_lossy()),
        Some(Listen::Tcp(_)) | None => None,
    };
    let line = serde_json::to_string(&Listening {
        event: "listening",
        cleartext: server.cleartext_addr().map(|addr| addr.to_string()),
        unix,
        tls: server.tls_addr().map(|addr| addr.to_string()),
        fingerprint,
        certificate: certificate.map(Certificate::path),
    })?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("cannot write to stdout")?;
    let addrs = server.cleartext_addr().into_iter().chain(server.tls_addr());
    for addr in addrs.filter(|addr| !addr.ip().to_canonical().is_loopback()) {
        if args.is_open() {
            eprintln!(
                "WARNING: listening on {addr}, which other machines can reach: they may upload and download"
            );
        }
    }
    let cleartext = server.cleartext_addr().filter(|addr| !addr.ip().to_canonical().is_loopback());
    if let Some(addr) = cleartext.filter(|_| !args.is_open()) {
        eprintln!(
            "WARNING: {addr} is cleartext: whoever sees the packets can read the token; prefer --listen-tls"
        );
    }
    Ok(())
}
