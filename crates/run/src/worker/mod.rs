//! The worker: one end of one case, in a process of its own.
//!
//! The orchestrator starts the embedding program again with the one argument `worker`. It writes a job and then orders
//! to the standard input of the worker, and reads events from its standard output. Each message is a line of JSON. A
//! worker whose standard input closes has lost its orchestrator, and ends.

mod arrivals;
mod client;
mod server;

use std::{
    io::{self, Write as _},
    os::fd::AsFd as _,
    process::ExitCode,
    rc::Rc,
    sync::Arc,
};

use record::{End, Fault, FaultKind, PayloadKind};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::unix::pipe,
    runtime::LocalOptions,
    sync::{Notify, mpsc},
};

use crate::{
    DISK_THREADS, Heartbeat, Threads,
    machine::{self, KernelMemory},
    messages::{EndReport, Event, Job, Order, Role},
};

/// The argument by which a program is started as a worker.
pub const ARGUMENT: &str = "worker";

/// The exit code of a worker that gets no job.
const USAGE: u8 = 2;

/// Returns whether this process was started as a worker. Call this function first: otherwise the memory of an argument
/// parser would be part of the measurement.
pub fn is_requested() -> bool {
    std::env::args_os().skip(1).eq([ARGUMENT])
}

/// Runs the worker: reads the job from standard input and does it. If the session was asked for a log (LONGHAUL_LOG),
/// `log` starts one on standard error, at the given level.
pub fn main(log: impl FnOnce(&str) + 'static) -> ExitCode {
    process::end_with_parent();
    // On systems that give huge pages to every process, a stack could add 2 MiB. A kernel without huge pages refuses
    // the call, which does not matter.
    let _ = machine::refuse_huge_pages();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build_local(LocalOptions::default());
    match runtime {
        // Spawned, because tokio's current-thread runtime polls its I/O driver before every poll of the future of
        // `block_on`. With a spawned task, it polls the driver only every `event_interval` polls. A busy-polling
        // receiver would otherwise cost one `epoll_wait` per poll.
        Ok(runtime) => {
            let orphaned = Rc::new(Notify::new());
            let work = runtime.spawn_local(work(log, orphaned.clone()));
            let code = runtime.block_on(async {
                tokio::select! {
                    code = work => code.unwrap_or(ExitCode::FAILURE),
                    () = orphaned.notified() => ExitCode::SUCCESS,
                }
            });
            // Drops the transfers with their unfinished files, without waiting for a disk or a pipe.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            let fault = Fault::new(FaultKind::Worker, format!("cannot start a runtime: {error}"));
            emit(&Event::Done(Box::new(EndReport::failed(fault))));
            ExitCode::SUCCESS
        }
    }
}

/// Reads the job, does it, and reports the result.
async fn work(log: impl FnOnce(&str), orphaned: Rc<Notify>) -> ExitCode {
    let Some((job, lines)) = read_job().await else {
        eprintln!("error: '{ARGUMENT}' is reserved for the processes that a session starts; use 'bench'");
        return ExitCode::from(USAGE);
    };
    if let Some(level) = &job.log {
        log(level);
    }
    let report = run(job, lines, orphaned).await.unwrap_or_else(EndReport::failed);
    emit(&Event::Done(Box::new(report)));
    ExitCode::SUCCESS
}

async fn run(job: Job, lines: Input, orphaned: Rc<Notify>) -> Result<EndReport, Fault> {
    if let Some(namespace) = &job.namespace {
        // A process with several threads cannot move.
        network::enter(namespace)
            .map_err(|error| Fault::new(FaultKind::Worker, format!("cannot enter the network: {error}")))?;
    }
    let threads =
        Threads::start(job.case.threads, &job.cores).map_err(|error| Fault::new(FaultKind::Worker, error))?;
    // The process moves before it has a socket. If it may not move, there is no figure of the kernel's memory.
    let kernel = job.cgroup.as_deref().and_then(|folder| KernelMemory::join(folder).ok());
    if job.end() == End::Sender && matches!(job.case.payload, PayloadKind::Cold(_)) {
        machine::refuse_huge_pages()
            .map_err(|error| Fault::new(FaultKind::Worker, format!("cannot disable huge pages: {error}")))?;
    }
    let (mut orders, job) = (read_orders(lines, orphaned), Arc::new(job));
    match &job.role {
        Role::Server => server::run(&job, &threads, kernel, &mut orders).await,
        Role::Client(server) => client::run(&job, &threads, kernel, server, &mut orders).await,
    }
}

/// The lines of standard input, which the runtime reads like a socket. A process with one thread makes system calls
/// without the two atomic operations that glibc needs for thread cancellation.
type Input = Lines<BufReader<pipe::Receiver>>;

/// The orders of the orchestrator.
type Orders = mpsc::UnboundedReceiver<Order>;

/// Reads the job. Returns `None` if standard input is not a pipe, or contains no job.
async fn read_job() -> Option<(Job, Input)> {
    let input = io::stdin().as_fd().try_clone_to_owned().ok()?;
    let mut lines = BufReader::new(pipe::Receiver::from_owned_fd(input).ok()?).lines();
    let line = lines.next_line().await.ok()??;
    Some((serde_json::from_str(&line).ok()?, lines))
}

/// Reads orders in the background. When standard input closes, the orchestrator is gone and the process ends.
fn read_orders(mut lines: Input, orphaned: Rc<Notify>) -> Orders {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::task::spawn_local(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(order) = serde_json::from_str(&line) else { break };
            if sender.send(order).is_err() {
                return;
            }
        }
        orphaned.notify_one();
    });
    receiver
}

/// Waits for the order `awaited`. Without an orchestrator the order never comes, and the process ends meanwhile.
async fn await_order(orders: &mut Orders, awaited: Order) {
    while orders.recv().await.is_some_and(|order| order != awaited) {}
}

/// Reports an event. A failure is ignored, since standard input closes as well if the orchestrator is gone.
fn emit(event: &Event) {
    if let Ok(line) = serde_json::to_string(event) {
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

fn emit_progress(heartbeat: Heartbeat) {
    emit(&Event::Progress(heartbeat));
}
