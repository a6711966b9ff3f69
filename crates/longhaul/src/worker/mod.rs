//! One end of one case, in a process of its own.
//!
//! The orchestrator starts its own binary again as a worker, writes a [`Job`] and then [`Order`]s to its
//! standard input, and reads [`Event`]s from its standard output, each a line of JSON. A worker whose
//! standard input closes has lost its orchestrator and ends.

mod client;
mod end;
mod protocol;
mod server;

use std::{
    io::{self, Write as _},
    os::fd::AsFd as _,
    process::ExitCode,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::unix::pipe,
    runtime::LocalOptions,
    sync::mpsc,
};

pub(crate) use protocol::{Event, Job, Order, Report, Role, ServerAddress};

use crate::{
    budget::DISK_THREADS,
    exit::USAGE,
    instruments::Sign,
    machine,
    record::{Fault, FaultKind, fault},
};

/// The worker's main: does the job on standard input.
pub(crate) fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build_local(LocalOptions::default());
    match runtime {
        // A task of its own: before it goes on with what `block_on` itself was given, a runtime asks the kernel for
        // events, and a receiver that stays awake goes on all the time.
        Ok(runtime) => runtime.block_on(runtime.spawn_local(obey())).unwrap_or(ExitCode::FAILURE),
        Err(error) => {
            let error = fault(FaultKind::Worker, format!("cannot start a runtime: {error}"));
            emit(&Event::Done(Box::new(Report::failed(error))));
            ExitCode::SUCCESS
        }
    }
}

/// Reads the job, does it, and reports.
async fn obey() -> ExitCode {
    let Some((job, lines)) = job().await else {
        eprintln!("error: 'longhaul worker' is how bench starts its own ends; use 'longhaul bench'");
        return ExitCode::from(USAGE);
    };
    let report = run(&job, lines).await.unwrap_or_else(Report::failed);
    emit(&Event::Done(Box::new(report)));
    ExitCode::SUCCESS
}

async fn run(job: &Job, lines: Input) -> Result<Report, Fault> {
    pin(job.core)?;
    let mut orders = orders(lines);
    match job.role {
        Role::Server => server::run(job, &mut orders).await,
        Role::Client(ref server) => client::run(job, server, &mut orders).await,
    }
}

/// Standard input, line by line, read by the runtime as the sockets are: a process of one thread makes its system
/// calls without the two atomic operations by which glibc lets another thread cancel it.
type Input = Lines<BufReader<pipe::Receiver>>;

/// The job, and where orders will come from. `None` if standard input is no pipe with a job in it.
async fn job() -> Option<(Job, Input)> {
    let input = io::stdin().as_fd().try_clone_to_owned().ok()?;
    let mut lines = BufReader::new(pipe::Receiver::from_owned_fd(input).ok()?).lines();
    let line = lines.next_line().await.ok()??;
    Some((serde_json::from_str(&line).ok()?, lines))
}

/// Binds the process to one core, before any other thread exists.
fn pin(core: Option<usize>) -> Result<(), Fault> {
    let Some(core) = core else { return Ok(()) };
    machine::bind(core).map_err(|error| fault(FaultKind::Worker, format!("cannot use core {core}: {error}")))
}

/// The orders that come on standard input. When it closes, the orchestrator is gone, and so is the process.
fn orders(mut lines: Input) -> mpsc::UnboundedReceiver<Order> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(order) = serde_json::from_str(&line) else { break };
            if sender.send(order).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    receiver
}

/// Waits for an order; without an orchestrator it never comes, and the process ends meanwhile.
async fn await_order(orders: &mut mpsc::UnboundedReceiver<Order>, awaited: Order) {
    while orders.recv().await.is_some_and(|order| order != awaited) {}
}

/// Tells the orchestrator. If it is gone, so is the reason to go on, and standard input tells.
fn emit(event: &Event) {
    if let Ok(line) = serde_json::to_string(event) {
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

fn emit_progress(sign: Sign) {
    emit(&Event::Progress(sign));
}
