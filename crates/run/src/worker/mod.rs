//! The worker: one end of one case, in its own process.
//!
//! The session starts the embedding program again with the single argument `worker`. It writes a job and then orders to
//! the worker's standard input, and reads events from its standard output. Each message is a line of JSON. A worker
//! exits once its standard input closes, because its session is gone.

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

/// The argument that starts a program as a worker.
pub const ARGUMENT: &str = "worker";

/// The exit code of a worker that receives no job.
const USAGE: u8 = 2;

/// Returns whether this process was started as a worker. Call this function first: the memory of an argument parser
/// would become part of the measurement.
pub fn is_requested() -> bool {
    std::env::args_os().skip(1).eq([ARGUMENT])
}

/// Runs the worker: reads the job from standard input and performs it. If the session requests a log, `log` starts one
/// on standard error, at the given level.
pub fn main(log: fn(&str)) -> ExitCode {
    process::end_with_parent();
    // On systems that give huge pages to every process, a stack could add 2 MiB to RSS. A failure does not matter: such
    // a kernel has no huge pages.
    let _ = machine::refuse_huge_pages();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build_local(LocalOptions::default());
    match runtime {
        // The work is a spawned task because tokio's current-thread runtime polls its I/O driver before every poll of
        // the future of `block_on`. Between polls of spawned tasks, it polls the driver only every `event_interval`
        // polls. A busy-polling receiver within `block_on` would cost one `epoll_wait` per poll.
        Ok(runtime) => {
            let orphaned = Rc::new(Notify::new());
            let work = runtime.spawn_local(work(log, orphaned.clone()));
            let code = runtime.block_on(async {
                tokio::select! {
                    code = work => code.unwrap_or(ExitCode::FAILURE),
                    () = orphaned.notified() => ExitCode::SUCCESS,
                }
            });
            // Drops the transfers and removes their unfinished files, without waiting for a disk or a pipe.
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

/// Reads the job, performs it, and reports the result.
async fn work(log: fn(&str), orphaned: Rc<Notify>) -> ExitCode {
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
        // The move comes before the start of threads: a process with several threads cannot enter a user namespace
        // (setns(2)).
        network::enter(namespace)
            .map_err(|error| Fault::new(FaultKind::Worker, format!("cannot enter the network: {error}")))?;
    }
    let threads =
        Threads::start(job.case.threads, &job.cores).map_err(|error| Fault::new(FaultKind::Worker, error))?;
    // The process moves to the cgroup before it has a socket. If the move fails, the kernel's memory is not measured.
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

/// The lines of standard input, which the runtime reads like a socket, without a thread for blocking reads. A process
/// with one thread makes system calls without the two atomic operations that glibc needs for thread cancellation.
type Input = Lines<BufReader<pipe::Receiver>>;

/// The queue of orders from the session.
type Orders = mpsc::UnboundedReceiver<Order>;

/// Reads the job. Returns `None` if standard input is not a pipe, or if its first line is not a job.
async fn read_job() -> Option<(Job, Input)> {
    let input = io::stdin().as_fd().try_clone_to_owned().ok()?;
    let mut lines = BufReader::new(pipe::Receiver::from_owned_fd(input).ok()?).lines();
    let line = lines.next_line().await.ok()??;
    Some((serde_json::from_slice(line.as_bytes()).ok()?, lines))
}

/// Reads orders in the background. Notifies `orphaned` when standard input closes, since the session is gone.
fn read_orders(mut lines: Input, orphaned: Rc<Notify>) -> Orders {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::task::spawn_local(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(order) = serde_json::from_slice(line.as_bytes()) else { break };
            if sender.send(order).is_err() {
                return;
            }
        }
        orphaned.notify_one();
    });
    receiver
}

/// Waits for the order `awaited`. Also returns if the session is gone, since the process then ends.
async fn await_order(orders: &mut Orders, awaited: Order) {
    while orders.recv().await.is_some_and(|order| order != awaited) {}
}

/// Sends an event to the session. A failure is ignored: if the session is gone, standard input closes as well.
fn emit(event: &Event) {
    if let Ok(line) = serde_json::to_string(event) {
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

fn emit_progress(heartbeat: Heartbeat) {
    emit(&Event::Progress(heartbeat));
}
