//! `longhaul send` and `longhaul fetch`: one body to or from any HTTP server, measured on this end.

mod fetch;
mod outcome;
mod send;
mod target;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use transport::Connection;

use crate::{
    bench::{Measured, Session},
    build::Build,
    case::Case,
    cli::{FetchArgs, RemoteArgs, SendArgs},
    exit::Verdict,
    host::Host,
    instruments::{Baseline, Instruments},
    record::{Fault, FaultKind, fault},
};
use outcome::Progress;
use target::Target;

/// How long saying goodbye may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs `longhaul send`.
pub(crate) fn send(args: &SendArgs) -> anyhow::Result<Verdict> {
    let job = send::Upload::of(args)?;
    run(&args.remote, &job)
}

/// Runs `longhaul fetch`.
pub(crate) fn fetch(args: &FetchArgs) -> anyhow::Result<Verdict> {
    let job = fetch::Download::of(args)?;
    run(&args.remote, &job)
}

/// What is done over a connection.
trait Job {
    /// The case that a record of it is of, once so many bytes have passed.
    fn case(&self, target: &Target, bytes: u64) -> Case;

    /// Makes the exchange, and says what became of the content.
    async fn exchange(
        &self,
        target: &Target,
        connection: &dyn Connection,
        instruments: &Instruments,
    ) -> Result<Proof, Fault>;

    /// The size of the body, where it is known before.
    fn size(&self) -> Option<u64>;

    /// Puts what this end measured where it belongs.
    fn place(&self, measured: &mut Measured, end: crate::record::EndRecord);

    /// Whether standard output is taken by the body.
    fn owns_stdout(&self) -> bool {
        false
    }
}

/// What the ends say about the content.
#[derive(Default)]
struct Proof {
    sent: Option<String>,
    received: Option<String>,
    /// What the far end reported, in words.
    far_end: Option<String>,
}

fn run(args: &RemoteArgs, job: &impl Job) -> anyhow::Result<Verdict> {
    let target = Target::parse(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verdict = runtime.block_on(async {
        let started = Timestamp::now();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let measured = tokio::select! {
            measured = measure(args, &target, job) => measured?,
            _ = interrupt.recv() => return Ok(Verdict::Interrupted),
        };
        let bytes = measured.0.sender.as_ref().or(measured.0.receiver.as_ref()).map_or(0, |end| end.bytes);
        let session = Session::new(Host::here(), Build::this());
        let record = session.record(&job.case(&target, bytes), 0, started, measured.0);
        outcome::tell(args, &record, measured.1.as_deref(), job.owns_stdout())
    });
    // A read of standard input cannot be called off, and must not be waited for.
    runtime.shutdown_background();
    verdict
}

/// Connects, makes the exchange under watch, and gathers what this end measured of it.
async fn measure(
    args: &RemoteArgs,
    target: &Target,
    job: &impl Job,
) -> anyhow::Result<(Measured, Option<String>)> {
    let (connection, handshake) = match target.connect(args).await? {
        Ok(connected) => connected,
        Err(fault) => return Ok((Measured { fault: Some(fault), ..Measured::default() }, None)),
    };
    let baseline = Baseline::take();
    let linked: Arc<dyn Connection> = connection.clone();
    let links = Arc::new(move || linked.link());
    let chunk = job.case(target, 0).chunk;
    let instruments = Instruments::new(baseline, chunk.into(), links);
    let progress = Progress::new(args, job.size());
    let began = instruments.begin();
    let exchanged = tokio::select! {
        exchanged = job.exchange(target, connection.as_ref(), &instruments) => exchanged,
        () = instruments.watch(args.timeout, |sign| progress.show(sign)) => {
            Err(fault(FaultKind::Timeout, format!("no byte moved for {} s", args.timeout.as_secs_f64())))
        }
    };
    let elapsed = began.elapsed();
    progress.finish();
    let (end, link) = instruments.read();
    // A server that does not answer even to this has lost nothing.
    let _ = timeout(FAREWELL, connection.close()).await;
    let mut measured = Measured {
        handshake_s: Some(handshake.as_secs_f64()),
        first_byte_s: instruments.first_byte().map(|first| first.as_secs_f64()),
        link: Some(link),
        ..Measured::default()
    };
    job.place(&mut measured, end);
    Ok(match exchanged {
        Ok(proof) => {
            measured.elapsed_s = Some(elapsed.as_secs_f64());
            measured.prove(proof.sent, proof.received);
            (measured, proof.far_end)
        }
        Err(fault) => (Measured { fault: Some(fault), ..measured }, None),
    })
}
