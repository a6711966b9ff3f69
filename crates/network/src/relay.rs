//! The process of a relay.
//!
//! A session starts its own program again with the single argument [`ARGUMENT`]; this second process is the relay. The
//! session writes a job and then orders to the relay's standard input, and reads events from its standard output. Each
//! message is a line of JSON. When its standard input closes, the relay has lost its session, and ends.

use std::{
    cell::RefCell,
    io::{self, BufRead as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
    rc::Rc,
};

use process::{Resources, end_with_parent, peak_rss_bytes};
use record::{NetworkRecord, RelayKind, RelayResources};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::unix::pipe,
    runtime::LocalOptions,
};

use crate::{
    RelayEvent, RelayFault, RelayJob, RelayOrder, datagrams, descriptors,
    link::{Link, SharedLink},
    packets::PacketNetwork,
    ping::ping,
    streams,
};

/// The argument by which a program is started as a relay.
pub const ARGUMENT: &str = "relay";

/// The exit code of a relay that gets no job.
const USAGE: u8 = 2;

/// Returns whether this process was started as a relay.
pub fn is_requested() -> bool {
    std::env::args_os().skip(1).eq([ARGUMENT])
}

/// Runs the relay: reads the job from standard input and does it.
pub fn main() -> ExitCode {
    end_with_parent();
    descriptors::raise_limit();
    let Some(job) = read_job() else {
        eprintln!(
            "error: '{ARGUMENT}' is reserved for the processes that a session starts; use 'bench --network'"
        );
        return ExitCode::from(USAGE);
    };
    if let Err(fault) = run(job) {
        emit(&RelayEvent::Failed(fault));
    }
    ExitCode::SUCCESS
}

/// Reads the job without a runtime: a network of packets must be created while the process has one thread.
fn read_job() -> Option<RelayJob> {
    let mut line = String::new();
    // A session writes its first order after the relay's first event, so nothing is read ahead.
    io::stdin().lock().read_line(&mut line).ok()?;
    serde_json::from_slice(line.as_bytes()).ok()
}

fn run(job: RelayJob) -> Result<(), RelayFault> {
    let packets = match job.network.relay {
        RelayKind::Sockets => None,
        RelayKind::Packets | RelayKind::Kernel => Some(PacketNetwork::create(&job.network)?),
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let outcome = runtime.block_on(async {
        match packets {
            None => relay_sockets(&job).await,
            Some(packets) => packets.serve(&job).await,
        }
    });
    // Drops connections and timers, without waiting for a thread.
    runtime.shutdown_background();
    outcome
}

/// The orders of the session.
pub(crate) struct Orders(Lines<BufReader<pipe::Receiver>>);

impl Orders {
    /// Takes the orders from standard input.
    ///
    /// # Errors
    /// Fails if standard input is not a pipe.
    pub(crate) fn of_session() -> io::Result<Self> {
        let input = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
        Ok(Self(BufReader::new(pipe::Receiver::from_owned_fd(input)?).lines()))
    }

    /// Waits for the next order; `None` if the session is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<RelayOrder> {
        let line = self.0.next_line().await.ok()??;
        serde_json::from_slice(line.as_bytes()).ok()
    }
}

/// Relays between sockets until the session orders the end.
async fn relay_sockets(job: &RelayJob) -> Result<(), RelayFault> {
    let mut orders = Orders::of_session()?;
    let mut report = NetworkRecord::new(job.network);
    report.round_trips_us = ping(&links(job)).await?;
    // The counts begin with the transfer.
    let [to_server, to_client] = links(job);
    emit(&RelayEvent::Ready { client: None, server: None });
    let Some(RelayOrder::Connect { server, is_udp }) = orders.next().await else { return Ok(()) };
    let (network, ends) = (&job.network, (to_server.clone(), to_client.clone()));
    if is_udp {
        let (address, work) = datagrams::listen(server, ends.0, ends.1).await?;
        until_finish(address, work, &mut orders).await?;
    } else {
        let (address, work) = streams::listen(network, server, ends.0, ends.1).await?;
        until_finish(address, work, &mut orders).await?;
    }
    (report.to_server, report.to_client) = (to_server.borrow().count(), to_client.borrow().count());
    emit_report(report);
    Ok(())
}

/// Returns the links of both directions, to the server first.
pub(crate) fn links(job: &RelayJob) -> [SharedLink; 2] {
    let link = |seed| Rc::new(RefCell::new(Link::new(&job.network, seed)));
    [link(job.seed), link(job.seed.wrapping_add(1))]
}

/// Runs `work` until the session orders the end.
async fn until_finish(
    address: SocketAddr,
    work: impl Future<Output = io::Error>,
    orders: &mut Orders,
) -> io::Result<()> {
    emit(&RelayEvent::Listening(address));
    tokio::select! {
        error = work => Err(error),
        _ = orders.next() => Ok(()),
    }
}

/// Reports the measurements, with the resources of this process.
pub(crate) fn emit_report(mut report: NetworkRecord) {
    report.process = Resources::used().map(|used| RelayResources {
        cpu_s: (used.user + used.system).as_secs_f64(),
        peak_rss_bytes: peak_rss_bytes(),
    });
    emit(&RelayEvent::Done(Box::new(report)));
}

/// Reports an event. A failure is ignored: it means that the session is gone, and then standard input closes as well.
pub(crate) fn emit(event: &RelayEvent) {
    if let Ok(line) = serde_json::to_string(event) {
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

impl From<io::Error> for RelayFault {
    fn from(error: io::Error) -> Self {
        Self { message: descriptors::explained(&error), is_unsupported: false }
    }
}
