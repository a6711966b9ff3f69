//! One attempt of a transfer: connects, makes the exchanges, aborts them if they stall, and collects the measurements of
//! this end.

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all, try_join_all},
};
use metrics::{Meter, Stamp};
use payload::Payload;
use receiver::Receipt;
use record::{BodyRates, End, Fault, FaultKind, Redirects, Resumption};
use run::{Baseline, Heartbeat, Links, Measurement, Outcome, Threads, together};
use tokio::time::timeout;
use transport::Connection;

use crate::{
    Client, HandshakeKind, RequestOptions, Target, Transfer,
    activity::{Activity, State},
    answer::{Failure, Refusal},
    confirmation::unacknowledged,
    dial::DialError,
    redirect::Way,
    resumption::{Connections, completed},
    transfer::{ContentReport, ContentState, Exchange, SentContent},
    tries::Deadline,
};

/// The longest time to close a connection gracefully. If a server does not respond in this time, nothing is lost.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

impl Client {
    /// Connects, makes the exchanges, aborts them if they stall, and compares the content at both ends.
    pub(crate) async fn attempt(
        &self,
        way: &Way<'_>,
        transfer: &mut Transfer,
        handshake: HandshakeKind,
        progress: &impl Fn(Heartbeat),
        deadline: &mut Deadline,
    ) -> Measured {
        let target = way.target();
        let copies = match self.copies(target, transfer) {
            Ok(copies) => copies,
            Err(fault) => return Measured { outcome: Outcome::failed(fault), ..Measured::default() },
        };
        let dialled = tokio::select! {
            dialled = Connections::open(&self.threads, target, &self.options, handshake.for_request(transfer, way)) => dialled,
            () = &mut *deadline => Err(DialError::Unreachable(self.out_of_time())),
        };
        let Connections { connections, handshake, resumption } = match dialled {
            Ok(connected) => connected,
            Err(error) => return Measured::undialled(error),
        };
        let baseline = Baseline::take();
        let linked = connections.clone();
        let links: Links = Arc::new(move || together(linked.iter().map(|connection| connection.link())));
        let measurement =
            Measurement::of_threads(baseline, transfer.chunk(target), None, links.clone(), &self.threads);
        let end = transfer.direction().client();
        let bodies = Bodies::begin(way, &connections, &measurement, &self.threads, transfer);
        let activities: Vec<_> =
            copies.iter().map(|_| Activity::default()).chain([Activity::default()]).collect();
        let exchanges = bodies.exchanges(&activities, transfer, copies);
        let pulse = || pulse(&activities, measurement.bytes(), &links);
        let exchanged = tokio::select! {
            exchanged = measurement.watch_pulse(self.options.timeout, pulse, progress, try_join_all(exchanges)) => exchanged,
            () = &mut *deadline => Err(self.out_of_time().into()),
        };
        let content = content_state(&activities);
        let outcome = outcome(&measurement, handshake, end);
        let facts: Vec<_> = connections.iter().map(|connection| connection.link()).collect();
        let resumption = resumption.map(|resumption| completed(resumption, &facts));
        join_all(connections.iter().map(|connection| timeout(CLOSE_TIMEOUT, connection.close()))).await;
        Measured { resumption, content, ..conclude(outcome, exchanged).await }
    }

    /// Returns a copy of a transfer for each of its bodies but the first.
    fn copies(&self, target: &Target, transfer: &Transfer) -> Result<Vec<Transfer>, Fault> {
        self.options.load.check(target.protocol())?;
        let copies = (1..self.options.load.bodies()).map(|_| transfer.copy());
        copies.collect::<Result<_, _>>().map_err(|reason| Fault::new(FaultKind::Payload, reason))
    }
}

/// The bodies of an attempt, spread over its connections and threads.
struct Bodies<'a> {
    way: &'a Way<'a>,
    connections: &'a [Arc<dyn Connection>],
    measurement: &'a Measurement,
    threads: &'a Threads,
    /// The payload of each thread.
    payloads: Vec<Arc<OnceLock<Payload>>>,
    began: Stamp,
}

impl<'a> Bodies<'a> {
    /// Prepares the payloads of `transfer`, begins the measurement, and assigns each connection to a thread.
    fn begin(
        way: &'a Way<'a>,
        connections: &'a [Arc<dyn Connection>],
        measurement: &'a Measurement,
        threads: &'a Threads,
        transfer: &Transfer,
    ) -> Self {
        let payloads: Vec<Arc<OnceLock<Payload>>> = (0..threads.count()).map(|_| Arc::default()).collect();
        if let Transfer::Upload(upload) = transfer {
            for payload in &payloads {
                upload.prepared(payload);
            }
        }
        let bodies = Self { way, connections, measurement, threads, payloads, began: measurement.begin() };
        (0..connections.len())
            .for_each(|number| measurement.share(bodies.thread_of(number)).carry_connection());
        bodies
    }

    /// Returns the number of the thread that carries a body, which is that of the body's connection.
    fn thread_of(&self, body: usize) -> usize {
        body.checked_rem(self.connections.len()).unwrap_or_default() % self.threads.count()
    }

    /// Returns the exchanges of all bodies. The first body uses `transfer` on this thread, because a further attempt
    /// needs `transfer` again. The other bodies use `copies`.
    fn exchanges<'t>(
        &self,
        activities: &[Activity],
        transfer: &'t mut Transfer,
        copies: Vec<Transfer>,
    ) -> Vec<BoxFuture<'t, Exchanged>> {
        let mut works = self.connections.iter().cycle().enumerate().map(|(body, connection)| {
            let activity = activities.get(body).cloned().unwrap_or_default();
            (self.thread_of(body), self.work(self.thread_of(body), connection, activity))
        });
        let mut exchanges = Vec::new();
        if let Some((_, work)) = works.next() {
            exchanges.push(work.run(transfer).boxed());
        }
        exchanges.extend(copies.into_iter().zip(works).map(|(mut copy, (thread, work))| {
            self.threads.run(thread, async move { work.run(&mut copy).await })
        }));
        exchanges
    }

    fn work(&self, thread: usize, connection: &Arc<dyn Connection>, activity: Activity) -> Work {
        Work {
            target: self.way.target().clone(),
            options: self.way.options().clone(),
            connection: connection.clone(),
            meter: self.measurement.share(thread).meter().clone(),
            payload: self.payloads.get(thread).cloned().unwrap_or_default(),
            activity,
            began: self.began,
        }
    }
}

/// The report on the content of one body, with the time at which it was confirmed; or the failure of its exchange.
type Exchanged = Result<(ContentReport, Duration), Failure>;

/// The exchange of one body. It owns its parts, so that it can run on another thread.
struct Work {
    target: Target,
    options: RequestOptions,
    connection: Arc<dyn Connection>,
    meter: Meter,
    payload: Arc<OnceLock<Payload>>,
    activity: Activity,
    began: Stamp,
}

impl Work {
    /// Makes the exchange. Returns the report on the content, with the time at which it was confirmed.
    async fn run(self, transfer: &mut Transfer) -> Exchanged {
        let by = Exchange {
            target: &self.target,
            options: &self.options,
            connection: self.connection.as_ref(),
            meter: &self.meter,
            payload: &self.payload,
            activity: &self.activity,
        };
        let content = transfer.exchange(&by).await?;
        Ok((content, self.began.elapsed()))
    }
}

/// The outcome of one attempt of a transfer.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) outcome: Outcome,
    pub(crate) receipt: Option<Receipt>,
    /// The refusal of the server; `None` if it did not refuse.
    pub(crate) refusal: Option<Refusal>,
    /// The target of a 303 in response to a whole upload.
    pub(crate) see_other: Option<String>,
    /// The state of the content of an upload.
    pub(crate) content: ContentState,
    /// True if no address of the host was found.
    pub(crate) is_unresolved: bool,
    /// The number of tries, of which this is the last.
    pub(crate) tries: u32,
    /// The redirects before the attempt; `None` if there were none.
    pub(crate) redirects: Option<Redirects>,
    /// The facts about the resumption of TLS sessions; `None` if no connection was to resume one.
    pub(crate) resumption: Option<Resumption>,
    /// The target of the attempt; `None` for the user's target.
    pub(crate) target: Option<Target>,
}

impl Measured {
    fn undialled(error: DialError) -> Self {
        let is_unresolved = matches!(error, DialError::Unresolved(_));
        Self { outcome: Outcome::failed(error.into()), is_unresolved, ..Self::default() }
    }

    /// Returns the attempt with the result of the request that confirms it.
    pub(crate) fn confirmed(mut self, confirmed: Result<(), Fault>) -> Self {
        if let Err(fault) = confirmed {
            self.outcome.fault.get_or_insert(fault);
            self.outcome.elapsed_s = None;
        }
        self
    }

    /// Appends to the fault's message the reason why the transfer ends here, without another request.
    pub(crate) fn explained(mut self, reason: &str) -> Self {
        if let Some(fault) = &mut self.outcome.fault {
            fault.message += &format!("; {reason}");
        }
        self
    }
}

/// Returns the outcome with the measurements of exchanges that have ended.
fn outcome(measurement: &Measurement, handshake: Duration, end: End) -> Outcome {
    let (measured, link) = measurement.read();
    let mut outcome = Outcome::default();
    outcome.handshake_s = Some(handshake.as_secs_f64());
    // The time of the first byte is known only if this end is the receiver.
    if end == End::Receiver {
        outcome.first_byte_s = measurement.until_first_byte().map(|time| time.as_secs_f64());
    }
    (outcome.ends[end], outcome.link) = (Some(measured), Some(link));
    outcome
}

/// The content of each body, with the time at which it was confirmed.
type Contents = Vec<(ContentReport, Duration)>;

/// Completes an outcome when its exchanges have ended: adds their duration and the proof of their content, or their
/// failure.
async fn conclude(mut outcome: Outcome, exchanged: Result<Contents, Failure>) -> Measured {
    let mut contents = match exchanged {
        Ok(contents) => contents,
        Err(Failure { fault, refusal }) => {
            outcome.fault = Some(fault);
            return Measured { outcome, refusal, ..Measured::default() };
        }
    };
    outcome.fault = different_lengths(&contents);
    let slowest = contents.iter().map(|(_, elapsed)| elapsed.as_secs_f64()).fold(0.0, f64::max);
    outcome.elapsed_s = Some(slowest).filter(|_| contents.iter().all(|(content, _)| !content.is_partial));
    let rate = |(content, elapsed): &(ContentReport, Duration)| content.bytes as f64 / elapsed.as_secs_f64();
    outcome.bodies = BodyRates::of(&contents.iter().map(rate).collect::<Vec<_>>());
    prove(&mut outcome, &mut contents);
    let is_single = contents.len() == 1;
    let mut measured = Measured { outcome, ..Measured::default() };
    for (content, _) in contents {
        match measured.outcome.fault {
            None => measured.outcome.fault = content.output.keep().await.err(),
            Some(_) => content.output.discard(),
        }
        measured.see_other = measured.see_other.or(content.see_other);
        measured.receipt = content.receipt.filter(|_| is_single);
    }
    measured
}

/// Returns a fault if the bodies have different lengths, because one figure could not describe them all.
fn different_lengths(contents: &Contents) -> Option<Fault> {
    let lengths =
        || contents.iter().filter(|(content, _)| !content.is_partial).map(|(content, _)| content.bytes);
    let (least, most) = (lengths().min()?, lengths().max()?);
    let message = format!("bodies of one URL have different lengths, from {least} to {most} bytes");
    (least != most).then(|| Fault::new(FaultKind::Protocol, message))
}

/// Compares the digests of each body, and stops at the first fault.
fn prove(outcome: &mut Outcome, contents: &mut Contents) {
    // Generated bodies have the same content.
    let mut generated = None;
    for (content, _) in contents {
        outcome.integrity = content.proof.take().or(outcome.integrity.take());
        let sent = content.sent.take().and_then(|sent| match sent {
            SentContent::Generated(..) => generated.get_or_insert_with(|| sent.digest()).clone(),
            SentContent::Digested(_) => sent.digest(),
        });
        outcome.prove(sent, content.received.take());
        if outcome.fault.is_some() {
            return;
        }
    }
}

/// Ends the reading of bodies whose exchanges have ended, and returns the state of their content.
fn content_state(activities: &[Activity]) -> ContentState {
    let untouched = activities.iter().filter(|activity| activity.withhold()).count();
    if untouched == activities.len() { ContentState::Unread } else { ContentState::Touched }
}

/// Returns a number that changes when bytes of the bodies move; `None` while no byte could move.
fn pulse(activities: &[Activity], bytes: u64, links: &Links) -> Option<u64> {
    let has = |state| activities.iter().any(|activity| activity.state() == state);
    match () {
        () if has(State::Moving) => Some(bytes),
        () if has(State::Complete) => unacknowledged(&links(), bytes),
        () => None,
    }
}
