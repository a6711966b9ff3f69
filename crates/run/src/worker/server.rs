//! The server of a run: it listens, answers, and reports once the orchestrator says that the client is done.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    future::pending,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};
use http::{Request, Response, StatusCode};
use metrics::Stamp;
use record::{Direction, Fault, FaultKind};
use transport::{Bind, Body, BodyLength, FramingObserver, Identity, Incoming, Listener, Session};

use super::{
    Orders,
    arrivals::Arrivals,
    await_order,
    client::{SERVER_NAME, transport_of},
    emit, emit_progress,
};
use crate::{
    Baseline, Measurement, Outgoing,
    machine::KernelMemory,
    messages::{EndReport, Event, Job, Order, Partner, ServerAddress},
    receive, together,
};

pub(super) async fn run(
    job: &Job,
    kernel: Option<KernelMemory>,
    orders: &mut Orders,
) -> Result<EndReport, Fault> {
    let framing = job.framing_observer();
    let listener = listen(job, framing.as_ref())?;
    let mut arrivals = Arrivals::of(listener.as_ref());
    let mut sessions: Vec<Arc<dyn Session>> = Vec::new();
    for _ in 0..job.case.connections {
        sessions.push(arrivals.next().await?);
    }
    let baseline = Baseline::take();
    let linked = sessions.clone();
    let links = Arc::new(move || together(linked.iter().map(|session| session.link())));
    let measurement =
        Measurement::new(baseline, job.case.chunk, links).charged_to(kernel).tracing(job).observing(framing);
    let outgoing = Outgoing::prepare(&job.case, job.end(), measurement.meter());
    measurement.prepared();
    if job.partner == Partner::Foreign {
        // The client waits for no order: it sends its request as soon as it is connected.
        measurement.begin();
    }
    emit(&Event::Ready);
    await_order(orders, Order::Go).await;
    let server = Server {
        job,
        measurement: &measurement,
        outgoing: &outgoing,
        answered: Cell::new(0),
        confirmed: Cell::new(None),
        received: RefCell::default(),
    };
    let served = server.serve(&sessions, arrivals, orders);
    let outcome = measurement.watch_over(job.settings().timeout, emit_progress, served).await;
    let (end, link) = measurement.read();
    Ok(EndReport {
        fault: outgoing.fault().or(outcome.err()),
        end: Some(end),
        link: Some(link),
        sent: outgoing.digests(),
        received: server.received.take(),
        began: measurement.begin().monotonic(),
        elapsed_s: server.confirmed.get().map(|confirmed| confirmed.as_secs_f64()),
        first_byte: measurement.first_byte().and_then(Stamp::monotonic),
        marks: measurement.meter().marks(),
        call_sites: measurement.call_sites(),
        ..EndReport::default()
    })
}

fn listen(job: &Job, framing: Option<&FramingObserver>) -> Result<Box<dyn Listener>, Fault> {
    let transport = transport_of(job)?;
    let identity =
        transport.protocol().is_encrypted().then(|| Identity::self_signed(&[SERVER_NAME])).transpose()?;
    let certificate = identity.as_ref().map(|identity| identity.certificate_pem().to_owned());
    let listen = |address: IpAddr| {
        let bind = Bind::new((address, 0).into()).with_identity(identity.clone());
        transport.listen(&bind.with_framing(framing.cloned()), &job.case.limits)
    };
    let listener = match job.settings().address {
        Some(address) => listen(address)?,
        // A machine may have no IPv4. If neither address works, both attempts fail for the same reason.
        None => listen(Ipv4Addr::LOCALHOST.into())
            .or_else(|error| listen(Ipv6Addr::LOCALHOST.into()).map_err(|_| error))?,
    };
    emit(&Event::Listening(ServerAddress { addr: listener.local_addr(), certificate }));
    Ok(listener)
}

struct Server<'a> {
    job: &'a Job,
    measurement: &'a Measurement,
    outgoing: &'a Outgoing,
    answered: Cell<u64>,
    /// The time at which the last upload was answered, since the beginning.
    confirmed: Cell<Option<Duration>>,
    /// The digests of the uploads.
    received: RefCell<BTreeSet<String>>,
}

impl Server<'_> {
    /// Serves all connections until the order to finish.
    async fn serve(
        &self,
        sessions: &[Arc<dyn Session>],
        arrivals: Arrivals<'_>,
        orders: &mut Orders,
    ) -> Result<(), Fault> {
        let mut sessions: FuturesUnordered<LocalBoxFuture<'_, Result<(), Fault>>> =
            sessions.iter().map(|session| self.session(session.clone()).boxed_local()).collect();
        sessions.push(self.latecomers(arrivals).boxed_local());
        let broken = async {
            while let Some(end) = sessions.next().await {
                // Once all bodies are done, an error at the end of a connection does not matter.
                if let Err(fault) = end
                    && !self.is_done()
                {
                    return fault;
                }
            }
            pending().await
        };
        tokio::select! {
            () = await_order(orders, Order::Finish) => Ok(()),
            fault = broken => Err(fault),
        }
    }

    /// Accepts further connections. If other clients came first, the connections of the run's client are among these.
    async fn latecomers(&self, mut arrivals: Arrivals<'_>) -> Result<(), Fault> {
        let mut sessions = FuturesUnordered::new();
        loop {
            tokio::select! {
                session = arrivals.next() => sessions.push(self.session(session?)),
                Some(ended) = sessions.next() => ended?,
            }
        }
    }

    /// Serves one connection to its end. A failure of a connection without any request of this run is ignored: it may
    /// belong to another client.
    async fn session(&self, session: Arc<dyn Session>) -> Result<(), Fault> {
        let is_known = Cell::new(false);
        let ended = self.answer_all(session.as_ref(), &is_known).await;
        if is_known.get() { ended } else { Ok(()) }
    }

    /// Answers the requests of one connection concurrently, until the connection ends.
    async fn answer_all(&self, session: &dyn Session, is_known: &Cell<bool>) -> Result<(), Fault> {
        let mut answers = FuturesUnordered::new();
        let mut next = session.accept();
        loop {
            tokio::select! {
                incoming = &mut next => {
                    let Some(incoming) = incoming? else { break };
                    answers.push(self.answer(incoming, is_known));
                    next = session.accept();
                }
                Some(answered) = answers.next() => answered?,
            }
        }
        while let Some(answered) = answers.next().await {
            answered?;
        }
        Ok(())
    }

    async fn answer(&self, incoming: Incoming, is_known: &Cell<bool>) -> Result<(), Fault> {
        let Incoming { request, responder, .. } = incoming;
        if request.uri().path() != self.job.path {
            let mut refusal = response(transport::body::empty(), 0);
            *refusal.status_mut() = StatusCode::NOT_FOUND;
            // The other client may have left already.
            let _ = responder.respond(refusal).await;
            return Ok(());
        }
        is_known.set(true);
        self.measurement.begin();
        let response = match self.job.case.direction {
            Direction::Up => self.take_upload(request).await?,
            Direction::Down => response(self.outgoing.body()?, self.job.case.body.0),
        };
        responder.respond(response).await?;
        self.answered.set(self.answered.get() + 1);
        Ok(())
    }

    /// Receives an upload. Returns the receipt as the response.
    async fn take_upload(&self, request: Request<Body>) -> Result<Response<Body>, Fault> {
        let (meter, spun) = (self.measurement.meter(), self.measurement.spin_time());
        let receipt = receive(&self.job.case, meter, spun, request.into_body()).await?;
        self.received.borrow_mut().extend(receipt.digest.clone());
        self.confirmed.set(Some(self.measurement.begin().elapsed()));
        let json = serde_json::to_vec(&receipt).map_err(|error| Fault::new(FaultKind::Worker, error))?;
        let length = json.len() as u64;
        Ok(response(transport::body::full(json), length))
    }

    fn is_done(&self) -> bool {
        let case = &self.job.case;
        self.answered.get() == case.bodies() && self.measurement.meter().bytes() >= case.total_bytes()
    }
}

fn response(body: Body, length: u64) -> Response<Body> {
    let mut response = Response::new(body);
    response.extensions_mut().insert(BodyLength(length));
    response
}
