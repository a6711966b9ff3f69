//! The client of a run: it dials, sends the requests, and measures the time.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::try_join_all;
use http::{Method, Request};
use metrics::Stamp;
use receiver::Receipt;
use record::{BodyRates, Direction, Fault, FaultKind};
use tokio::time::timeout;
use transport::{
    Body, BodyLength, Connection, FramingObserver, KeyLog, Peer, Transport, Trust, seed_random_numbers,
};

use super::{Orders, await_order, emit, emit_progress};
use crate::{
    Baseline, Measurement, Outgoing, ThreadShare, Threads, accepted,
    exchange::{BodyNumber, stamps_offsets},
    machine::KernelMemory,
    messages::{EndReport, Event, Job, Order, Partner, ServerAddress},
    receive, short_body, together,
};

/// The name in the server's certificate.
pub(super) const SERVER_NAME: &str = "localhost";

pub(super) async fn run(
    job: &Arc<Job>,
    threads: &Threads,
    kernel: Option<KernelMemory>,
    server: &ServerAddress,
    orders: &mut Orders,
) -> Result<EndReport, Fault> {
    let transport = transport_of(job)?;
    let framing = job.framing_observer();
    let (connections, handshake) = connect(transport, job, threads, server, framing.clone()).await?;
    let baseline = Baseline::take();
    let linked = connections.clone();
    let links = Arc::new(move || together(linked.iter().map(|connection| connection.link())));
    let measurement = Measurement::of_threads(baseline, job.case.chunk, job.case.limit_rate, links, threads);
    let measurement = measurement.charged_to(kernel).tracing(job).observing(framing);
    let outgoing = |share: &ThreadShare| Outgoing::prepare(&job.case, job.end(), share.meter());
    let scheme = transport.protocol().scheme();
    let client = Arc::new(Client {
        job: job.clone(),
        target: format!("{scheme}://{SERVER_NAME}:{}{}", server.addr.port(), job.path),
        outgoing: measurement.shares().map(outgoing).collect(),
        measurement,
        receipts: Mutex::default(),
        rates: Mutex::default(),
    });
    client.measurement.prepared();
    emit(&Event::Ready);
    await_order(orders, Order::Go).await;
    let mut report = client.transfer(threads, &connections).await;
    report.handshake_s = Some(handshake.as_secs_f64());
    if let Some(link) = &mut report.link {
        link.address = Some(server.addr.ip());
    }
    Ok(report)
}

/// Returns the transport that implements the protocol of a job.
pub(super) fn transport_of(job: &Job) -> Result<&'static dyn Transport, Fault> {
    let name = &job.case.protocol;
    transport::by_name(name)
        .ok_or_else(|| Fault::new(FaultKind::Worker, format!("unknown protocol '{name}'")))
}

/// Opens all connections one after the other, and assigns them to the threads in turn. Returns the connections, and the
/// time of the slowest handshake.
async fn connect(
    transport: &'static dyn Transport,
    job: &Arc<Job>,
    threads: &Threads,
    server: &ServerAddress,
    framing: Option<FramingObserver>,
) -> Result<(Vec<Arc<dyn Connection>>, Duration), Fault> {
    // Without a certificate, the protocol is in cleartext and ignores trust.
    let trust = server.certificate.as_deref().map_or(Ok(Trust::SystemRoots), Trust::pem)?;
    let key_log = job.key_log.as_deref().map(open_key_log).transpose()?;
    let peer = Peer::new(server.addr, SERVER_NAME, trust).with_key_log(key_log).with_framing(framing);
    let patience = job.settings().timeout;
    seed_random_numbers(transport.protocol());
    let (mut connections, mut slowest) = (Vec::new(), Duration::ZERO);
    for (thread, ordinal) in (0..threads.count()).cycle().zip(0..job.case.connections) {
        let began = Stamp::now();
        let (peer, job) = (peer.clone().with_ordinal(u16::try_from(ordinal).ok()), job.clone());
        let connect = async move { Ok::<_, Fault>(transport.connect(&peer, &job.case.limits).await?) };
        let connecting = timeout(patience, threads.run(thread, connect)).await;
        let connected = connecting.map_err(|_| {
            let waited = patience.as_secs_f64();
            Fault::new(FaultKind::Timeout, format!("no handshake with {} within {waited} s", server.addr))
        })?;
        connections.push(Arc::from(connected?));
        slowest = slowest.max(began.elapsed());
    }
    Ok((connections, slowest))
}

fn open_key_log(path: &Path) -> Result<KeyLog, Fault> {
    let failed = |error| format!("cannot write secrets to {}: {error}", path.display());
    KeyLog::open(path).map_err(|error| Fault::new(FaultKind::Worker, failed(error)))
}

struct Client {
    job: Arc<Job>,
    target: String,
    /// The bodies of each thread. Each thread has its own block, because threads would contend for the reference count
    /// of a shared one.
    outgoing: Vec<Outgoing>,
    measurement: Measurement,
    receipts: Mutex<Vec<Receipt>>,
    /// The rates of the confirmed bodies, in bytes per second.
    rates: Mutex<Vec<f64>>,
}

impl Client {
    /// Performs all exchanges concurrently, each on the thread of its connection. Returns the report of this end.
    async fn transfer(self: &Arc<Self>, threads: &Threads, connections: &[Arc<dyn Connection>]) -> EndReport {
        let began = self.measurement.begin();
        let parts = (0..threads.count()).map(|thread| {
            let own = connections.iter().skip(thread).step_by(threads.count()).cloned().collect();
            threads.run(thread, self.clone().carry(thread, own))
        });
        let work = async { try_join_all(parts).await.map(|ends| ends.into_iter().max().unwrap_or_default()) };
        let patience = self.job.settings().timeout;
        let outcome = self.measurement.watch_over(patience, emit_progress, work).await;
        let (end, link) = self.measurement.read();
        let receipts = locked(&self.receipts);
        let (elapsed, fault) = match outcome {
            Ok(elapsed) => (Some(elapsed), None),
            Err(fault) => (None, Some(self.outgoing.iter().find_map(Outgoing::fault).unwrap_or(fault))),
        };
        EndReport {
            fault,
            end: Some(end),
            link: Some(link),
            sent: self.outgoing.iter().flat_map(Outgoing::digests).collect(),
            received: receipts.iter().filter_map(|receipt| receipt.digest.clone()).collect(),
            bodies: elapsed.and_then(|_| BodyRates::of(&locked(&self.rates))),
            marks: self.measurement.marks(),
            call_sites: self.measurement.call_sites(),
            elapsed_s: elapsed.map(|elapsed| elapsed.as_secs_f64()),
            handshake_s: None,
            began: began.monotonic(),
            first_byte: self.measurement.first_byte().and_then(Stamp::monotonic),
        }
    }

    /// Performs all exchanges over the connections of one thread concurrently. Returns the time from the beginning of
    /// the transfer to the end of the last one.
    async fn carry(
        self: Arc<Self>,
        thread: usize,
        connections: Vec<Arc<dyn Connection>>,
    ) -> Result<Duration, Fault> {
        let (streams, share) = (self.job.case.streams, self.measurement.share(thread));
        connections.iter().for_each(|_| share.carry_connection());
        // Thread `t` of `n` carries the connections with the numbers `t`, `t + n`, `t + 2n` and so on.
        let ordinals = (thread as u32..).step_by(self.outgoing.len().max(1));
        let exchanges = connections.iter().zip(ordinals).flat_map(|(connection, ordinal)| {
            let bodies =
                (0..streams).map(move |stream| ordinal.saturating_mul(streams).saturating_add(stream));
            bodies.map(|body| self.exchange(thread, body, connection.as_ref()))
        });
        try_join_all(exchanges).await.map(|_| self.measurement.begin().elapsed())
    }

    async fn exchange(&self, thread: usize, body: u32, connection: &dyn Connection) -> Result<(), Fault> {
        let receipt = match self.job.case.direction {
            Direction::Up => self.upload(thread, body, connection).await?,
            Direction::Down => Some(self.download(thread, body, connection).await?),
        };
        let elapsed = self.measurement.begin().elapsed();
        locked(&self.rates).push(self.job.case.body.0 as f64 / elapsed.as_secs_f64());
        locked(&self.receipts).extend(receipt);
        Ok(())
    }

    /// Uploads a body. Returns the receipt; `None` from a server of someone else, which sends none.
    async fn upload(
        &self,
        thread: usize,
        body: u32,
        connection: &dyn Connection,
    ) -> Result<Option<Receipt>, Fault> {
        let expected = self.job.case.body.0;
        let outgoing = self.outgoing.get(thread).ok_or_else(no_payload)?;
        let mut request = self.request(Method::PUT, body, outgoing.body(body)?)?;
        request.extensions_mut().insert(BodyLength(expected));
        let response = accepted(connection.exchange(request).await?).await?;
        let body = short_body(response).await?;
        if self.job.partner == Partner::Foreign {
            return Ok(None);
        }
        let receipt: Receipt = serde_json::from_slice(&body).map_err(|error| {
            Fault::new(FaultKind::Protocol, format!("the response to the upload is not a receipt: {error}"))
        })?;
        if receipt.bytes != expected {
            let confirmed = receipt.bytes;
            let message = format!("{confirmed} of {expected} bytes were confirmed");
            return Err(Fault::new(FaultKind::Truncated, message));
        }
        Ok(Some(receipt))
    }

    async fn download(
        &self,
        thread: usize,
        body: u32,
        connection: &dyn Connection,
    ) -> Result<Receipt, Fault> {
        let request = self.request(Method::GET, body, transport::body::empty())?;
        let response = accepted(connection.exchange(request).await?).await?;
        let share = self.measurement.share(thread);
        receive(&self.job.case, &share.meter().of_body(body), share.spin_time(), response.into_body()).await
    }

    /// Returns the request for the body with this number. The request states the number if several bodies have stamped
    /// offsets.
    fn request(&self, method: Method, number: u32, body: Body) -> Result<Request<Body>, Fault> {
        let case = &self.job.case;
        let is_named = stamps_offsets(case) && case.bodies() > 1 && self.job.partner != Partner::Foreign;
        let query = if is_named { BodyNumber(number).query() } else { String::new() };
        let request = Request::builder().method(method).uri(format!("{}{query}", self.target)).body(body);
        request.map_err(|error| Fault::new(FaultKind::Protocol, error))
    }
}

/// Returns the fault of a thread without bodies. No valid job leads to it.
pub(super) fn no_payload() -> Fault {
    Fault::new(FaultKind::Worker, "the thread has no payload")
}

/// Locks a list. Each change is a single call, so a list is consistent even after a panic.
fn locked<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
