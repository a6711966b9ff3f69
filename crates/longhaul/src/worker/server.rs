//! The server: listens, answers, and reports when it is told that the client is done.

use std::{cell::Cell, future::pending, net::Ipv4Addr, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::mpsc;
use transport::{Bind, Body, BodyLength, Identity, Incoming, Listener, Session};

use super::{
    await_order,
    client::{SERVER_NAME, humane},
    emit, emit_progress,
    end::{Outgoing, take_in},
    protocol::{Event, Job, Order, Report, ServerAddress},
};
use crate::{
    instruments::{Baseline, Instruments, together},
    record::{Fault, FaultKind, fault},
};

pub(super) async fn run(job: &Job, orders: &mut mpsc::UnboundedReceiver<Order>) -> Result<Report, Fault> {
    let listener = listen(job)?;
    let mut sessions: Vec<Arc<dyn Session>> = Vec::new();
    for _ in 0..job.connections {
        sessions.push(Arc::from(listener.accept().await?.await?));
    }
    let baseline = Baseline::take();
    emit(&Event::Ready);
    await_order(orders, Order::Go).await;

    let linked = sessions.clone();
    let links = Arc::new(move || together(linked.iter().map(|session| session.link())));
    let instruments = Instruments::new(baseline, job.chunk.into(), links);
    let outgoing = Outgoing::prepare(job, &instruments.meter);
    let server = Server { job, instruments: &instruments, outgoing: &outgoing, answered: Cell::new(0) };
    let outcome = server.serve(&sessions, orders).await;
    let (end, link) = instruments.read();
    Ok(Report {
        fault: outgoing.fault().or(outcome.err()),
        end: Some(end),
        link: Some(link),
        sent: outgoing.digests(),
        ..Report::default()
    })
}

fn listen(job: &Job) -> Result<Box<dyn Listener>, Fault> {
    let transport = transport::by_name(&job.protocol)
        .ok_or_else(|| fault(FaultKind::Worker, format!("unknown protocol '{}'", job.protocol)))?;
    let identity = transport.features().tls.then(|| Identity::self_signed(&[SERVER_NAME])).transpose()?;
    let certificate = identity.as_ref().map(|identity| identity.certificate_pem().to_owned());
    let bind = Bind::new((Ipv4Addr::LOCALHOST, 0).into(), identity);
    let listener = transport.listen(&bind, &job.limits)?;
    emit(&Event::Listening(ServerAddress { addr: listener.local_addr(), certificate }));
    Ok(listener)
}

struct Server<'a> {
    job: &'a Job,
    instruments: &'a Instruments,
    outgoing: &'a Outgoing,
    answered: Cell<u64>,
}

impl Server<'_> {
    /// Serves all sessions until the order to finish.
    async fn serve(
        &self,
        sessions: &[Arc<dyn Session>],
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Result<(), Fault> {
        let patience = Duration::from_secs_f64(self.job.timeout_s);
        let mut sessions: FuturesUnordered<_> =
            sessions.iter().map(|session| self.session(session.as_ref())).collect();
        let broken = async {
            while let Some(end) = sessions.next().await {
                // Once all is done, how a client leaves is its own affair.
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
            () = self.instruments.watch(patience, emit_progress) => {
                Err(fault(FaultKind::Timeout, format!("no byte moved for {}", humane(patience))))
            }
        }
    }

    /// Answers the requests of one connection, side by side, until it ends.
    async fn session(&self, session: &dyn Session) -> Result<(), Fault> {
        let mut answers = FuturesUnordered::new();
        let mut next = session.accept();
        loop {
            tokio::select! {
                incoming = &mut next => {
                    let Some(incoming) = incoming? else { break };
                    answers.push(self.answer(incoming));
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

    async fn answer(&self, Incoming { request, responder }: Incoming) -> Result<(), Fault> {
        self.instruments.begin();
        let response = match *request.method() {
            Method::PUT => self.take(request).await?,
            _ => self.give()?,
        };
        responder.respond(response).await?;
        self.answered.set(self.answered.get() + 1);
        Ok(())
    }

    /// An upload: the receipt is the response.
    async fn take(&self, request: Request<Body>) -> Result<Response<Body>, Fault> {
        let receipt = take_in(self.job, &self.instruments.meter, request.into_body()).await?;
        let json = serde_json::to_vec(&receipt).map_err(|error| fault(FaultKind::Worker, error))?;
        let length = json.len() as u64;
        let body = Full::new(json.into()).map_err(|never| match never {}).boxed_unsync();
        Ok(response(body, length))
    }

    /// A download.
    fn give(&self) -> Result<Response<Body>, Fault> {
        Ok(response(self.outgoing.body()?, self.job.body_bytes))
    }

    fn is_done(&self) -> bool {
        let total = self.job.bodies() * self.job.body_bytes;
        self.answered.get() == self.job.bodies() && self.instruments.meter.bytes() >= total
    }
}

fn response(body: Body, length: u64) -> Response<Body> {
    let mut response = Response::new(body);
    response.extensions_mut().insert(BodyLength(length));
    response
}
