//! The host of the server's ends. It runs the workers that a control session demands, one at a time.

use std::{io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use record::{Build, Case, Fault, FaultKind, Host, PROTOCOLS, Warning};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, MissedTickBehavior, interval, timeout, timeout_at},
};
use transport::Body;

use super::{
    admission::{Admitted, admit},
    lines::{Gone, LineWriter, Lines},
    wire::{ALIVE, Answer, Demand, Ended, RunDemand, SILENCE},
};
use crate::{
    HostFacts, Settings, describe_ends,
    machine::{self, CoreSets, IdleGuard, Watch},
    messages::{Event, Order},
    this_host,
    worker_process::{EndWorker as _, WorkerProcess},
};

/// The longest demand of a client's host, in bytes. A case takes about 2 KiB.
const LONGEST_DEMAND: usize = 64 << 10;

/// A host that runs the server's ends for sessions on other hosts, one session at a time.
#[derive(Clone, Debug)]
pub struct MeasuringHost {
    program: PathBuf,
    build: Build,
    allocator_settings: &'static str,
    port: u16,
    logs: bool,
    place: Arc<Semaphore>,
}

impl MeasuringHost {
    /// Returns a host that starts this program again as workers. The program must call [`crate::worker::main`] if
    /// [`crate::worker::is_requested`]. `allocator_settings` are the expected settings of its allocator.
    ///
    /// # Errors
    /// Fails if the path of this program is unknown.
    pub fn of_this_program(build: Build, allocator_settings: &'static str) -> io::Result<Self> {
        Ok(Self::of_program(std::env::current_exe()?, build, allocator_settings))
    }

    /// Returns a host that starts `program` as workers, a program that embeds this crate.
    pub fn of_program(program: PathBuf, build: Build, allocator_settings: &'static str) -> Self {
        Self { program, build, allocator_settings, port: 0, logs: false, place: Arc::new(Semaphore::new(1)) }
    }

    /// Sets the port that the workers listen on, one after the other, over TCP or UDP; 0 is a free one for each.
    #[must_use]
    pub fn on_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Makes the workers log the events of their connections to standard error.
    #[must_use]
    pub fn logging(self) -> Self {
        Self { logs: true, ..self }
    }

    /// Begins a control session; `None` while another one runs.
    pub fn begin(&self) -> Option<ControlSession> {
        let place = self.place.clone().try_acquire_owned().ok()?;
        Some(ControlSession { host: self.clone(), place })
    }

    async fn facts(&self) -> HostFacts {
        let build = self.build.clone();
        let settings = self.allocator_settings;
        // The observation of the machine blocks for a while, so it runs on a thread for blocking calls.
        let warnings = tokio::task::spawn_blocking(move || warnings(&build, settings)).await;
        let mut facts = HostFacts::default();
        (facts.host, facts.build) = (this_host(), self.build.clone());
        facts.warnings = warnings.unwrap_or_default();
        facts
    }
}

/// Returns the conditions of this machine that spoil the figures of any protocol.
fn warnings(build: &Build, allocator_settings: &'static str) -> Vec<Warning> {
    let cases: Vec<Case> = PROTOCOLS.iter().map(|protocol| Case::new(protocol.name)).collect();
    machine::warnings(&cases, CoreSets::choose(1).as_ref(), build, allocator_settings)
}

/// A control session that has the only place of its host. Dropping it frees the place.
#[derive(Debug)]
pub struct ControlSession {
    host: MeasuringHost,
    place: OwnedSemaphorePermit,
}

impl ControlSession {
    /// Returns the body of the response and the session itself, which must be polled until it ends. `demands` is the
    /// body of the request, which is untrusted. Workers listen on `address`. Once `stop` completes, the session ends as
    /// soon as no run is under way.
    ///
    /// Dropping the session kills its worker.
    pub fn converse(
        self,
        demands: Body,
        address: IpAddr,
        stop: impl Future<Output = ()>,
    ) -> (Body, impl Future<Output = ()>) {
        let (answers, response) = LineWriter::new();
        let Self { host, place } = self;
        let session = async move {
            let mut conversation = Conversation { host: &host, address, answers, run: None };
            // An error means that the client's host is gone or broke the protocol. Either ends its run.
            let _ = conversation.hold(Lines::of(demands, LONGEST_DEMAND), stop).await;
            drop(conversation);
            drop(place);
        };
        (response, session)
    }
}

/// A control session under way.
struct Conversation<'a> {
    host: &'a MeasuringHost,
    address: IpAddr,
    answers: LineWriter,
    run: Option<Run>,
}

/// A run under way.
struct Run {
    worker: WorkerProcess,
    /// True once the worker has reported or has died, since no event follows.
    is_over: bool,
    host: Host,
    watch: Watch,
    _idle: IdleGuard,
}

impl Conversation<'_> {
    /// Answers demands until the client's host ends the session, is gone, or breaks the protocol.
    async fn hold(&mut self, mut demands: Lines, stop: impl Future<Output = ()>) -> Result<(), Gone> {
        self.answer(&Answer::Host(Box::new(self.host.facts().await))).await?;
        let mut alive = interval(ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut gone_at = Instant::now() + SILENCE;
        let (mut stopping, mut stop) = (false, std::pin::pin!(stop));
        while !stopping || self.run.is_some() {
            tokio::select! {
                line = timeout_at(gone_at, demands.next()) => {
                    let line = line.map_err(|_| Gone)?.map_err(|_| Gone)?;
                    gone_at = Instant::now() + SILENCE;
                    self.heed(&line).await?;
                }
                event = next_event(&mut self.run) => self.report(event).await?,
                _ = alive.tick() => self.answer(&Answer::Alive).await?,
                () = &mut stop, if !stopping => stopping = true,
            }
        }
        Ok(())
    }

    /// Sends an answer. A host that does not read for [`SILENCE`] counts as gone.
    async fn answer(&self, answer: &Answer) -> Result<(), Gone> {
        timeout(SILENCE, self.answers.write(answer)).await.unwrap_or(Err(Gone))
    }

    /// Passes an event or a failure of the worker on.
    async fn report(&mut self, event: Result<Event, Fault>) -> Result<(), Gone> {
        if let Some(run) = &mut self.run {
            run.is_over = matches!(event, Err(_) | Ok(Event::Done(_)));
        }
        let answer = event.map_or_else(Answer::Fault, |event| Answer::Event(Box::new(event)));
        self.answer(&answer).await
    }

    async fn heed(&mut self, line: &[u8]) -> Result<(), Gone> {
        match serde_json::from_slice(line).map_err(|_| Gone)? {
            Demand::Alive => Ok(()),
            Demand::Run(demand) if self.run.is_none() => match self.start(&demand).await {
                Ok(run) => {
                    self.run = Some(run);
                    Ok(())
                }
                Err(fault) => self.answer(&Answer::Fault(fault)).await,
            },
            Demand::Run(_) => Err(Gone),
            Demand::Order(order) => self.order(order).await,
            Demand::End => self.end().await,
        }
    }

    async fn start(&self, demand: &RunDemand) -> Result<Run, Fault> {
        let settings = Settings::new(Duration::ZERO).on_address(Some(self.address)).on_port(self.host.port);
        let settings = if self.host.logs { settings.logging() } else { settings };
        let Admitted { job, cores } = admit(demand, settings)?;
        let own = CoreSets::of(job.cores.clone(), job.cores.clone());
        let (idle, mut host) = (IdleGuard::keep(demand.idle, own.as_ref()), this_host());
        (host.idle, host.awake) = (Some(idle.policy()), idle.awake());
        describe_ends(&mut host, cores.as_ref());
        let watch = Watch::begin(cores.as_ref().map(CoreSets::first));
        let worker = WorkerProcess::start(&self.host.program, &job, None).await?;
        Ok(Run { worker, is_over: false, host, watch, _idle: idle })
    }

    /// Passes an order on to the worker. If the worker is gone, reports its failure instead.
    async fn order(&mut self, order: Order) -> Result<(), Gone> {
        if let Some(run) = self.run.as_mut().filter(|run| !run.is_over)
            && let Err(fault) = run.worker.order(order).await
        {
            return self.report(Err(fault)).await;
        }
        Ok(())
    }

    /// Ends the run and its worker, and reports the conditions. Without a run, the answer is a fault.
    async fn end(&mut self) -> Result<(), Gone> {
        let Some(Run { worker, host, watch, .. }) = self.run.take() else {
            let fault = Fault::new(FaultKind::Worker, "there is no run to end");
            return self.answer(&Answer::Fault(fault)).await;
        };
        worker.stop().await;
        self.answer(&Answer::Ended(Box::new(Ended { host, conditions: watch.end() }))).await
    }
}

/// Waits for the next event of a run. Never returns without a run, or after its last event. Cancel-safe.
async fn next_event(run: &mut Option<Run>) -> Result<Event, Fault> {
    match run {
        Some(run) if !run.is_over => run.worker.event().await,
        _ => std::future::pending().await,
    }
}
