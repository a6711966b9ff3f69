//! The server of a run: it listens, answers requests, and reports once the session orders it to finish.

use std::{
    collections::BTreeSet,
    future::pending,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http::{Request, Response, StatusCode};
use metrics::Stamp;
use record::{Direction, Fault, FaultKind};
use transport::{Bind, Body, BodyLength, FramingObserver, Identity, Incoming, Listener, Session};

use super::{
    Orders,
    arrivals::{Arrivals, Arrived},
    await_order,
    client::{SERVER_NAME, no_payload, transport_of},
    emit, emit_progress,
};
use crate::{
    Baseline, Measurement, Outgoing, ThreadShare, Threads,
    exchange::BodyNumber,
    machine::KernelMemory,
    messages::{EndReport, Event, Job, Order, Partner, ServerAddress},
    receive, together,
};

pub(super) async fn run(
    job: &Arc<Job>,
    threads: &Threads,
    kernel: Option<KernelMemory>,
    orders: &mut Orders,
) -> Result<EndReport, Fault> {
    let framing = job.framing_observer();
    let listener = listen(job, threads, framing.as_ref())?;
    let mut arrivals = Arrivals::of(listener.as_ref(), threads);
    let mut arrived = Vec::new();
    for _ in 0..job.case.connections {
        arrived.push(arrivals.next().await?);
    }
    let baseline = Baseline::take();
    let linked: Vec<_> = arrived.iter().map(|arrived| arrived.session.clone()).collect();
    let links = Arc::new(move || together(linked.iter().map(|session| session.link())));
    let measurement = Measurement::of_threads(baseline, job.case.chunk, job.case.limit_rate, links, threads);
    let measurement = measurement.charged_to(kernel).tracing(job).observing(framing);
    let outgoing = |share: &ThreadShare| Outgoing::prepare(&job.case, job.end(), share.meter());
    let server = Arc::new(Server {
        job: job.clone(),
        outgoing: measurement.shares().map(outgoing).collect(),
        measurement,
        answered: AtomicU64::new(0),
        uploads: Mutex::default(),
    });
    let measurement = &server.measurement;
    measurement.prepared();
    if job.partner == Partner::Foreign {
        // A client of someone else waits for no order: it sends its request as soon as it is connected.
        measurement.begin();
    }
    emit(&Event::Ready);
    await_order(orders, Order::Go).await;
    let served = server.serve(arrived, arrivals, threads, orders);
    let outcome = measurement.watch_over(job.settings().timeout, emit_progress, served).await;
    let (end, link) = measurement.read();
    let uploads = std::mem::take(&mut *server.uploads());
    Ok(EndReport {
        fault: server.outgoing.iter().find_map(Outgoing::fault).or(outcome.err()),
        end: Some(end),
        link: Some(link),
        sent: server.outgoing.iter().flat_map(Outgoing::digests).collect(),
        received: uploads.digests,
        began: measurement.begin().monotonic(),
        elapsed_s: uploads.confirmed.map(|confirmed| confirmed.as_secs_f64()),
        first_byte: measurement.first_byte().and_then(Stamp::monotonic),
        marks: measurement.marks(),
        call_sites: measurement.call_sites(),
        ..EndReport::default()
    })
}

fn listen(
    job: &Job,
    threads: &Threads,
    framing: Option<&FramingObserver>,
) -> Result<Box<dyn Listener>, Fault> {
    let transport = transport_of(job)?;
    let identity =
        transport.protocol().is_encrypted().then(|| Identity::self_signed(&[SERVER_NAME])).transpose()?;
    let certificate = identity.as_ref().map(|identity| identity.certificate_pem().to_owned());
    let listen = |address: IpAddr| {
        let bind = Bind::new((address, job.settings().port).into())
            .with_identity(identity.clone())
            .with_spread(threads.spread());
        transport.listen(&bind.with_framing(framing.cloned()), &job.case.limits)
    };
    let listener = match job.settings().address {
        Some(address) => listen(address)?,
        // A machine may lack IPv4. If both addresses fail, the error of the first one is returned.
        None => listen(Ipv4Addr::LOCALHOST.into())
            .or_else(|error| listen(Ipv6Addr::LOCALHOST.into()).map_err(|_| error))?,
    };
    emit(&Event::Listening(ServerAddress { addr: listener.local_addr(), certificate }));
    Ok(listener)
}

struct Server {
    job: Arc<Job>,
    measurement: Measurement,
    /// The bodies of each thread. Each thread has its own block, because threads would contend for the reference count
    /// of a shared one.
    outgoing: Vec<Outgoing>,
    answered: AtomicU64,
    uploads: Mutex<Uploads>,
}

/// The uploads that were received completely.
#[derive(Default)]
struct Uploads {
    /// The time from the beginning of the transfer to the end of the last upload.
    confirmed: Option<Duration>,
    digests: BTreeSet<String>,
}

impl Server {
    /// Serves all connections until the session orders the server to finish.
    async fn serve(
        self: &Arc<Self>,
        arrived: Vec<Arrived>,
        arrivals: Arrivals<'_>,
        threads: &Threads,
        orders: &mut Orders,
    ) -> Result<(), Fault> {
        let session = |arrived| self.session(arrived, threads);
        let mut sessions: FuturesUnordered<BoxFuture<'_, Result<(), Fault>>> =
            arrived.into_iter().map(session).collect();
        sessions.push(self.latecomers(arrivals, threads).boxed());
        let broken = async {
            while let Some(end) = sessions.next().await {
                // An error at the end of a connection does not matter once all bodies are done.
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

    /// Accepts and serves further connections. They include those of the run's client if another client came first.
    async fn latecomers(
        self: &Arc<Self>,
        mut arrivals: Arrivals<'_>,
        threads: &Threads,
    ) -> Result<(), Fault> {
        let mut sessions = FuturesUnordered::new();
        loop {
            tokio::select! {
                arrived = arrivals.next() => sessions.push(self.session(arrived?, threads)),
                Some(ended) = sessions.next() => ended?,
            }
        }
    }

    /// Serves one connection to its end, on its thread. A failure is ignored on a connection without a request of this
    /// run, since another client may have opened it.
    fn session(
        self: &Arc<Self>,
        arrived: Arrived,
        threads: &Threads,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        let Arrived { session, thread } = arrived;
        let server = self.clone();
        threads.run(thread, async move {
            let visitor = Visitor { thread, is_known: AtomicBool::new(false) };
            let ended = server.answer_all(session.as_ref(), &visitor).await;
            if visitor.is_known.into_inner() { ended } else { Ok(()) }
        })
    }

    /// Answers the requests of one connection concurrently, until the connection ends.
    async fn answer_all(&self, session: &dyn Session, visitor: &Visitor) -> Result<(), Fault> {
        let mut answers = FuturesUnordered::new();
        let mut next = session.accept();
        loop {
            tokio::select! {
                incoming = &mut next => {
                    let Some(incoming) = incoming? else { break };
                    answers.push(self.answer(incoming, visitor));
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

    async fn answer(&self, incoming: Incoming, visitor: &Visitor) -> Result<(), Fault> {
        let Incoming { request, responder, .. } = incoming;
        if request.uri().path() != self.job.path {
            let mut refusal = response(transport::body::empty(), 0);
            *refusal.status_mut() = StatusCode::NOT_FOUND;
            // Another client may have closed the connection already, so the result does not matter.
            let _ = responder.respond(refusal).await;
            return Ok(());
        }
        if !visitor.is_known.swap(true, Relaxed) {
            self.measurement.share(visitor.thread).carry_connection();
        }
        self.measurement.begin();
        let response = match self.job.case.direction {
            Direction::Up => self.take_upload(request, visitor.thread).await?,
            Direction::Down => {
                let outgoing = self.outgoing.get(visitor.thread).ok_or_else(no_payload)?;
                response(outgoing.body(BodyNumber::of(request.uri()).0)?, self.job.case.body.0)
            }
        };
        responder.respond(response).await?;
        self.answered.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Receives an upload. Returns the response, whose body is the receipt.
    async fn take_upload(&self, request: Request<Body>, thread: usize) -> Result<Response<Body>, Fault> {
        let share = self.measurement.share(thread);
        let meter = share.meter().of_body(BodyNumber::of(request.uri()).0);
        let receipt = receive(&self.job.case, &meter, share.spin_time(), request.into_body()).await?;
        self.note_upload(receipt.digest.clone());
        let json = serde_json::to_vec(&receipt).map_err(|error| Fault::new(FaultKind::Worker, error))?;
        let length = json.len() as u64;
        Ok(response(transport::body::full(json), length))
    }

    fn note_upload(&self, digest: Option<String>) {
        let now = self.measurement.begin().elapsed();
        let mut uploads = self.uploads();
        uploads.confirmed = uploads.confirmed.max(Some(now));
        uploads.digests.extend(digest);
    }

    /// Locks the uploads. Each change leaves them consistent, even after a panic.
    fn uploads(&self) -> MutexGuard<'_, Uploads> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_done(&self) -> bool {
        let case = &self.job.case;
        self.answered.load(Relaxed) == case.bodies() && self.measurement.bytes() >= case.total_bytes()
    }
}

/// A connection that is served.
struct Visitor {
    /// The number of the thread that carries the connection.
    thread: usize,
    /// True once a request has shown that the run's client opened the connection.
    is_known: AtomicBool,
}

fn response(body: Body, length: u64) -> Response<Body> {
    let mut response = Response::new(body);
    response.extensions_mut().insert(BodyLength(length));
    response
}
