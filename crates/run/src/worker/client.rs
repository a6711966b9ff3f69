//! The client of a run: it dials, sends the requests, and takes the time.

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
    Baseline, Measurement, Outgoing, accepted,
    machine::KernelMemory,
    messages::{EndReport, Event, Job, Order, Partner, ServerAddress},
    receive, short_body, together,
};

/// The name in the server's certificate.
pub(super) const SERVER_NAME: &str = "localhost";

pub(super) async fn run(
    job: &Job,
    kernel: Option<KernelMemory>,
    server: &ServerAddress,
    orders: &mut Orders,
) -> Result<EndReport, Fault> {
    let transport = transport_of(job)?;
    let framing = job.framing_observer();
    let (connections, handshake) = connect(transport, job, server, framing.clone()).await?;
    let baseline = Baseline::take();
    let linked = connections.clone();
    let links = Arc::new(move || together(linked.iter().map(|connection| connection.link())));
    let measurement =
        Measurement::new(baseline, job.case.chunk, links).charged_to(kernel).tracing(job).observing(framing);
    let scheme = transport.protocol().scheme();
    let client = Client {
        job,
        server,
        target: format!("{scheme}://{SERVER_NAME}:{}{}", server.addr.port(), job.path),
        outgoing: Outgoing::prepare(&job.case, job.end(), measurement.meter()),
        measurement: &measurement,
        receipts: Mutex::default(),
        rates: Mutex::default(),
    };
    measurement.prepared();
    emit(&Event::Ready);
    await_order(orders, Order::Go).await;
    Ok(client.transfer(&connections, handshake).await)
}

/// Returns the implementation of a job's protocol.
pub(super) fn transport_of(job: &Job) -> Result<&'static dyn Transport, Fault> {
    let name = &job.case.protocol;
    transport::by_name(name)
        .ok_or_else(|| Fault::new(FaultKind::Worker, format!("unknown protocol '{name}'")))
}

/// Opens all connections, one after the other. Returns the connections and the time of the slowest handshake.
async fn connect(
    transport: &dyn Transport,
    job: &Job,
    server: &ServerAddress,
    framing: Option<FramingObserver>,
) -> Result<(Vec<Arc<dyn Connection>>, Duration), Fault> {
    // In cleartext there is no certificate to trust.
    let trust = server.certificate.as_deref().map_or(Ok(Trust::SystemRoots), Trust::pem)?;
    let key_log = job.key_log.as_deref().map(open_key_log).transpose()?;
    let peer = Peer::new(server.addr, SERVER_NAME, trust).with_key_log(key_log).with_framing(framing);
    let patience = job.settings().timeout;
    seed_random_numbers(transport.protocol());
    let (mut connections, mut slowest) = (Vec::new(), Duration::ZERO);
    for _ in 0..job.case.connections {
        let began = Stamp::now();
        let connecting = timeout(patience, transport.connect(&peer, &job.case.limits)).await;
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

struct Client<'a> {
    job: &'a Job,
    server: &'a ServerAddress,
    target: String,
    outgoing: Outgoing,
    measurement: &'a Measurement,
    receipts: Mutex<Vec<Receipt>>,
    /// The rates of the confirmed bodies, in bytes per second.
    rates: Mutex<Vec<f64>>,
}

impl Client<'_> {
    /// Makes all exchanges concurrently. Returns the report of this end.
    async fn transfer(&self, connections: &[Arc<dyn Connection>], handshake: Duration) -> EndReport {
        let streams = self.job.case.streams as usize;
        let began = self.measurement.begin();
        let exchanges = connections
            .iter()
            .flat_map(|connection| std::iter::repeat_n(connection, streams))
            .map(|connection| self.exchange(connection.as_ref()));
        let work = async { try_join_all(exchanges).await.map(|_| began.elapsed()) };
        let patience = self.job.settings().timeout;
        let outcome = self.measurement.watch_over(patience, emit_progress, work).await;
        let (end, mut link) = self.measurement.read();
        link.address = Some(self.server.addr.ip());
        let receipts = locked(&self.receipts);
        let (elapsed, fault) = match outcome {
            Ok(elapsed) => (Some(elapsed), None),
            Err(fault) => (None, Some(self.outgoing.fault().unwrap_or(fault))),
        };
        EndReport {
            fault,
            end: Some(end),
            link: Some(link),
            sent: self.outgoing.digests(),
            received: receipts.iter().filter_map(|receipt| receipt.digest.clone()).collect(),
            bodies: elapsed.and_then(|_| BodyRates::of(&locked(&self.rates))),
            marks: self.measurement.meter().marks(),
            call_sites: self.measurement.call_sites(),
            elapsed_s: elapsed.map(|elapsed| elapsed.as_secs_f64()),
            handshake_s: Some(handshake.as_secs_f64()),
            began: began.monotonic(),
            first_byte: self.measurement.first_byte().and_then(Stamp::monotonic),
        }
    }

    async fn exchange(&self, connection: &dyn Connection) -> Result<(), Fault> {
        let receipt = match self.job.case.direction {
            Direction::Up => self.upload(connection).await?,
            Direction::Down => Some(self.download(connection).await?),
        };
        let elapsed = self.measurement.begin().elapsed();
        locked(&self.rates).push(self.job.case.body.0 as f64 / elapsed.as_secs_f64());
        locked(&self.receipts).extend(receipt);
        Ok(())
    }

    /// Uploads a body. Returns the receipt, which servers of someone else do not send.
    async fn upload(&self, connection: &dyn Connection) -> Result<Option<Receipt>, Fault> {
        let expected = self.job.case.body.0;
        let mut request = self.request(Method::PUT, self.outgoing.body()?)?;
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

    async fn download(&self, connection: &dyn Connection) -> Result<Receipt, Fault> {
        let request = self.request(Method::GET, transport::body::empty())?;
        let response = accepted(connection.exchange(request).await?).await?;
        let (meter, spun) = (self.measurement.meter(), self.measurement.spin_time());
        receive(&self.job.case, meter, spun, response.into_body()).await
    }

    fn request(&self, method: Method, body: Body) -> Result<Request<Body>, Fault> {
        let request = Request::builder().method(method).uri(&self.target).body(body);
        request.map_err(|error| Fault::new(FaultKind::Protocol, error))
    }
}

/// Locks a list. Every change of a list is a single call, so that a list with a poisoned lock is still consistent.
fn locked<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
