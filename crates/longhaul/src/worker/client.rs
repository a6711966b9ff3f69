//! The client: dials, hands requests over, holds the clock.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::try_join_all;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty};
use metrics::Stamp;
use receiver::Receipt;
use tokio::{sync::mpsc, time::timeout};
use transport::{Body, BodyLength, Connection, Peer, Transport, Trust};

use super::{
    await_order, emit, emit_progress,
    end::{Outgoing, take_in},
    protocol::{Event, Job, Order, Report, ServerAddress},
};
use crate::{
    case::Direction,
    instruments::{Baseline, Instruments, together},
    record::{Fault, FaultKind, fault},
    reply::{accepted, text},
};

/// The name in the server's certificate.
pub(super) const SERVER_NAME: &str = "localhost";

pub(super) async fn run(
    job: &Job,
    server: &ServerAddress,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> Result<Report, Fault> {
    let transport = transport::by_name(&job.protocol)
        .ok_or_else(|| fault(FaultKind::Worker, format!("unknown protocol '{}'", job.protocol)))?;
    let (connections, handshake) = connect(transport, job, server).await?;
    let baseline = Baseline::take();
    emit(&Event::Ready);
    await_order(orders, Order::Go).await;

    let linked = connections.clone();
    let links = Arc::new(move || together(linked.iter().map(|connection| connection.link())));
    let instruments = Instruments::new(baseline, job.chunk.into(), links);
    let scheme = if transport.features().tls { "https" } else { "http" };
    let client = Client {
        job,
        target: format!("{scheme}://{SERVER_NAME}:{}/", server.addr.port()),
        outgoing: Outgoing::prepare(job, &instruments.meter),
        instruments: &instruments,
        receipts: Mutex::default(),
    };
    Ok(client.transfer(&connections, handshake).await)
}

/// Opens all connections, one after the other; tells how long the slowest took.
async fn connect(
    transport: &dyn Transport,
    job: &Job,
    server: &ServerAddress,
) -> Result<(Vec<Arc<dyn Connection>>, Duration), Fault> {
    // In cleartext there is nothing to believe.
    let trust = server.certificate.as_deref().map_or(Ok(Trust::SystemRoots), Trust::pem)?;
    let peer = Peer::new(server.addr, SERVER_NAME, trust);
    let patience = Duration::from_secs_f64(job.timeout_s);
    let (mut connections, mut slowest) = (Vec::new(), Duration::ZERO);
    for _ in 0..job.connections {
        let began = Stamp::now();
        let connected = timeout(patience, transport.connect(&peer, &job.limits)).await.map_err(|_| {
            let waited = humane(patience);
            fault(FaultKind::Timeout, format!("no handshake with {} within {waited}", server.addr))
        })?;
        connections.push(Arc::from(connected?));
        slowest = slowest.max(began.elapsed());
    }
    Ok((connections, slowest))
}

struct Client<'a> {
    job: &'a Job,
    target: String,
    outgoing: Outgoing,
    instruments: &'a Instruments,
    receipts: Mutex<Vec<Receipt>>,
}

impl Client<'_> {
    /// Runs every exchange at once, and reports.
    async fn transfer(&self, connections: &[Arc<dyn Connection>], handshake: Duration) -> Report {
        let patience = Duration::from_secs_f64(self.job.timeout_s);
        let streams = self.job.streams as usize;
        let began = self.instruments.begin();
        let exchanges = connections
            .iter()
            .flat_map(|connection| std::iter::repeat_n(connection, streams))
            .map(|connection| self.exchange(connection.as_ref()));
        let outcome = tokio::select! {
            outcome = try_join_all(exchanges) => outcome.map(|_| began.elapsed()),
            () = self.instruments.watch(patience, emit_progress) => {
                Err(fault(FaultKind::Timeout, format!("no byte moved for {}", humane(patience))))
            }
        };
        let (end, link) = self.instruments.read();
        let receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        let (elapsed, error) = match outcome {
            Ok(elapsed) => (Some(elapsed), None),
            Err(error) => (None, Some(self.outgoing.fault().unwrap_or(error))),
        };
        Report {
            fault: error,
            end: Some(end),
            link: Some(link),
            sent: self.outgoing.digests(),
            received: receipts.iter().filter_map(|receipt| receipt.digest.clone()).collect(),
            elapsed_s: elapsed.map(|elapsed| elapsed.as_secs_f64()),
            handshake_s: Some(handshake.as_secs_f64()),
            first_byte_s: self.instruments.first_byte().map(|first| first.as_secs_f64()),
        }
    }

    async fn exchange(&self, connection: &dyn Connection) -> Result<(), Fault> {
        let receipt = match self.job.direction {
            Direction::Up => self.upload(connection).await?,
            Direction::Down => self.download(connection).await?,
        };
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
        Ok(())
    }

    async fn upload(&self, connection: &dyn Connection) -> Result<Receipt, Fault> {
        let mut request = self.request(Method::PUT, self.outgoing.body()?)?;
        request.extensions_mut().insert(BodyLength(self.job.body_bytes));
        let response = accepted(connection.exchange(request).await?).await?;
        let text = text(response).await?;
        let receipt: Receipt = serde_json::from_slice(&text).map_err(|error| {
            fault(FaultKind::Protocol, format!("the response to the upload is no receipt: {error}"))
        })?;
        if receipt.bytes != self.job.body_bytes {
            let (got, sent) = (receipt.bytes, self.job.body_bytes);
            return Err(fault(FaultKind::Truncated, format!("{got} of {sent} bytes were confirmed")));
        }
        Ok(receipt)
    }

    async fn download(&self, connection: &dyn Connection) -> Result<Receipt, Fault> {
        let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = self.request(Method::GET, nothing)?;
        let response = accepted(connection.exchange(request).await?).await?;
        take_in(self.job, &self.instruments.meter, response.into_body()).await
    }

    fn request(&self, method: Method, body: Body) -> Result<Request<Body>, Fault> {
        Request::builder()
            .method(method)
            .uri(&self.target)
            .body(body)
            .map_err(|error| fault(FaultKind::Protocol, error))
    }
}

/// A duration as the `--timeout` flag takes it.
pub(super) fn humane(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
