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
    process::ExitCode,
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use tokio::sync::mpsc;

pub(crate) use protocol::{Event, Job, Order, Report, Role, ServerAddress};

use crate::{
    budget::DISK_THREADS,
    exit::USAGE,
    instruments::Sign,
    record::{Fault, FaultKind, fault},
};

/// The worker's main: does the job on standard input.
pub(crate) fn main() -> ExitCode {
    let mut line = String::new();
    let job = match io::stdin().read_line(&mut line).map(|_| serde_json::from_str::<Job>(&line)) {
        Ok(Ok(job)) => job,
        _ => {
            eprintln!("error: 'longhaul worker' is how bench starts its own ends; use 'longhaul bench'");
            return ExitCode::from(USAGE);
        }
    };
    if let Err(error) = run(&job) {
        emit(&Event::Done(Box::new(Report::failed(error))));
    }
    ExitCode::SUCCESS
}

fn run(job: &Job) -> Result<(), Fault> {
    pin(job.core)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build()
        .map_err(|error| fault(FaultKind::Worker, format!("cannot start a runtime: {error}")))?;
    let report = runtime.block_on(async {
        let mut orders = orders();
        match job.role {
            Role::Server => server::run(job, &mut orders).await,
            Role::Client(ref server) => client::run(job, server, &mut orders).await,
        }
    })?;
    emit(&Event::Done(Box::new(report)));
    Ok(())
}

/// Binds the process to one core, before any other thread exists.
fn pin(core: Option<usize>) -> Result<(), Fault> {
    let Some(core) = core else { return Ok(()) };
    let mut cores = CpuSet::new();
    cores
        .set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &cores))
        .map_err(|error| fault(FaultKind::Worker, format!("cannot use core {core}: {error}")))
}

/// The orders that come on standard input. Reading them takes a thread, which sleeps during a transfer.
/// When the input closes, the orchestrator is gone, and so is the process.
fn orders() -> mpsc::UnboundedReceiver<Order> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
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
