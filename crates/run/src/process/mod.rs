//! The executor that runs each case in two worker processes, one for each role.

mod own_end;
mod reports;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, io, path::PathBuf, rc::Rc, time::Duration};

use async_trait::async_trait;
use metrics::Stamp;
use payload::Payload;
use record::{ByEnd, ByteSize, Case, CoreRoundTrip, End, Fault, NetworkSpec, PayloadKind, Protocol};

pub use own_end::{OwnEnd, OwnReport};
use reports::{Reports, gather, joined, ready};

use crate::{
    Affinity, Executor, HostFacts, Observer, Outcome, Settings, machine,
    machine::{CoreSets, Cores, Enclosures, Watch},
    messages::{EndReport, Event, Job, Order, Role, ServerAddress},
    relay_process::RelayProcess,
    two_hosts::{PeerHost, secret_path},
    worker_process::{EndWorker, WorkerProcess, unexpected},
};

/// The time within which the death of a server shows after its client has failed.
const DEATH: Duration = Duration::from_millis(500);

/// An executor that runs each case in two new processes of the embedding program.
pub struct ProcessExecutor {
    program: PathBuf,
    settings: Settings,
    affinity: Affinity,
    /// The folder for the cgroups of the ends; `None` creates no cgroups.
    enclosures: Option<Enclosures>,
    /// True if the ends report the call sites of memory that stays allocated.
    traces: bool,
    /// The longest wait before a run until the cores of the ends are close to each other.
    settle: Duration,
    /// The digests of generated bodies, computed in advance.
    digests: HashMap<Content, String>,
    /// The host of the servers' ends; `None` is this host.
    peer_host: Option<Rc<PeerHost>>,
}

impl ProcessExecutor {
    /// Returns an executor that starts this program again as workers. The program must call [`crate::worker::main`] if
    /// [`crate::worker::is_requested`].
    ///
    /// # Errors
    /// Fails if the path of this program is unknown.
    pub fn of_this_program(settings: Settings) -> io::Result<Self> {
        Ok(Self::of_program(std::env::current_exe()?, settings))
    }

    /// Returns an executor that starts `program` as workers, a program that embeds this crate.
    pub fn of_program(program: PathBuf, settings: Settings) -> Self {
        Self {
            program,
            settings,
            affinity: Affinity::Off,
            enclosures: None,
            traces: false,
            settle: Duration::ZERO,
            digests: HashMap::new(),
            peer_host: None,
        }
    }

    /// Binds the threads of the ends to cores as `affinity` says.
    #[must_use]
    pub fn on(self, affinity: Affinity) -> Self {
        Self { affinity, ..self }
    }

    /// Returns the cores of the ends of a case; `None` without a binding.
    fn cores(&self, case: &Case) -> Option<CoreSets> {
        self.affinity.cores(case.threads)
    }

    /// Runs each end in its own cgroup, which shows the kernel's memory for that end. The accounting takes time, so it
    /// does not suit runs whose goodput counts. `None` creates no cgroups.
    #[must_use]
    pub fn enclosing(self, enclosures: Option<Enclosures>) -> Self {
        Self { enclosures, ..self }
    }

    /// Makes both ends report the call sites of memory that stays allocated, if their program can trace it. Tracing
    /// takes time and memory, so the other figures of such runs do not count.
    #[must_use]
    pub fn tracing(self) -> Self {
        Self { traces: true, ..self }
    }

    /// Makes each run wait, for at most `settle`, until the cores of the ends are close to each other.
    #[must_use]
    pub fn settling(self, settle: Duration) -> Self {
        Self { settle, ..self }
    }

    /// Runs the servers' ends on another host; `None` on this one. Only the clients' ends run on this host then.
    #[must_use]
    pub fn with_servers_on(self, host: Option<Rc<PeerHost>>) -> Self {
        Self { peer_host: host, ..self }
    }

    /// Computes the digests of the generated bodies of `cases` in advance, so that no time passes on them between runs.
    /// They follow from seed and size alone.
    #[must_use]
    pub fn prepared_for(mut self, cases: &[Case]) -> Self {
        for case in cases.iter().filter(|case| case.sink.digests()) {
            let key = content(case);
            if self.digests.contains_key(&key) {
                continue;
            }
            let digest = Payload::prepare(&case.payload, case.seed, case.chunk).digest(case.body.0);
            self.digests.extend(digest.map(|digest| (key, digest.to_string())));
        }
        self
    }

    async fn server(
        &self,
        case: &Case,
        path: &str,
        relay: Option<&RelayProcess>,
    ) -> Result<(WorkerProcess, ServerAddress), Fault> {
        let mut worker = self.start(self.job(case, Role::Server, path, relay)).await?;
        match worker.event().await? {
            Event::Listening(address) => Ok((worker, address)),
            other => Err(unexpected(&worker, other)),
        }
    }

    /// Starts a worker, in its own cgroup if one is requested and can be created.
    async fn start(&self, mut job: Job) -> Result<WorkerProcess, Fault> {
        let enclosure = self.enclosures.as_ref().and_then(|enclosures| enclosures.create().ok());
        job.cgroup = enclosure.as_ref().map(|enclosure| enclosure.folder().to_owned());
        WorkerProcess::start(&self.program, &job, enclosure).await
    }

    fn job(&self, case: &Case, role: Role, path: &str, relay: Option<&RelayProcess>) -> Job {
        let site = relay.and_then(|relay| relay.site(&role)).cloned();
        let mut job = Job::new(case.clone(), role, path, self.settings).at(site);
        job.traces = self.traces;
        job.cores = self.cores(case).map_or_else(Vec::new, |cores| cores.of_end(job.end()).to_vec());
        job
    }

    /// Returns the round-trip time between two cores in nanoseconds, as soon as they are close or `settle` has passed.
    /// `None` if it cannot be measured.
    async fn round_trip_ns(cores: Option<Cores>, settle: Duration) -> Option<u64> {
        /// The pause between two measurements. Hosts were seen to keep cores in place for a third of a second or
        /// longer.
        const INTERVAL: Duration = Duration::from_millis(50);
        let began = Stamp::now();
        loop {
            let trip = machine::round_trip(cores?)?;
            if trip < CoreRoundTrip::FAR || began.elapsed() >= settle {
                return u64::try_from(trip.as_nanos()).ok();
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Performs a transfer of a case, and adds the conditions of the machine and the distance of the first two cores of
    /// the ends to its outcome.
    pub async fn observed(&self, case: &Case, transfer: impl Future<Output = Outcome>) -> Outcome {
        let cores = self.cores(case).as_ref().map(CoreSets::first);
        let before_ns = Self::round_trip_ns(cores, self.settle).await;
        let mut outcome = watched(cores, transfer).await;
        outcome.core_round_trip = before_ns
            .zip(Self::round_trip_ns(cores, Duration::ZERO).await)
            .map(|(before_ns, after_ns)| CoreRoundTrip { before_ns, after_ns });
        outcome
    }

    /// Performs a transfer to or from another host, and adds the facts and conditions of that host to its outcome.
    async fn over_network(
        &self,
        case: &Case,
        host: &PeerHost,
        transfer: impl Future<Output = Outcome>,
    ) -> Outcome {
        let mut outcome = watched(self.cores(case).as_ref().map(CoreSets::first), transfer).await;
        let (machine, conditions) = host.last_run();
        if let Some((own, other)) = outcome.conditions.as_mut().zip(conditions) {
            own.add_machine_of(case.direction.server(), other);
        }
        outcome.peer_host = Some(HostFacts { host: machine, ..host.facts() });
        outcome
    }

    /// Prepares both ends, starts the transfer, and gathers the reports.
    async fn transfer(&self, case: &Case, observer: &mut dyn Observer) -> Result<Reports, Fault> {
        let path = secret_path();
        match (&self.peer_host, case.network) {
            (None, None) => {
                let (server, address) = self.server(case, &path, None).await?;
                let client = self.job(case, Role::Client(address), &path, None);
                self.transfer_with(server, client, case, observer).await
            }
            (None, Some(network)) => self.transfer_over(network, case, &path, observer).await,
            (Some(host), _) => {
                let (server, address) = host.start(case, &path, self.settings, observer).await?;
                let client = self.job(case, Role::Client(address), &path, None);
                self.transfer_with(server, client, case, observer).await
            }
        }
    }

    /// Prepares an emulated network and both ends in it, starts the transfer, and gathers all reports.
    async fn transfer_over(
        &self,
        network: NetworkSpec,
        case: &Case,
        path: &str,
        observer: &mut dyn Observer,
    ) -> Result<Reports, Fault> {
        let mut relay = RelayProcess::start(&self.program, network, self.settings.address).await?;
        let (server, mut address) = self.server(case, path, Some(&relay)).await?;
        let is_udp = Protocol::by_name(&case.protocol).is_some_and(Protocol::is_over_udp);
        address.addr = relay.address_of(address.addr, is_udp).await?;
        let client = self.job(case, Role::Client(address), path, Some(&relay));
        let transfer = self.transfer_with(server, client, case, observer);
        let mut reports = tokio::select! {
            reports = transfer => reports?,
            error = relay.failure() => return Err(error.into()),
        };
        reports.network = Some(relay.finish().await?);
        Ok(reports)
    }

    /// Prepares the client of a server that already listens, starts the transfer, and gathers the reports.
    async fn transfer_with(
        &self,
        mut server: impl EndWorker,
        client: Job,
        case: &Case,
        observer: &mut dyn Observer,
    ) -> Result<Reports, Fault> {
        let mut client = self.start(client).await?;
        // The client is asked first: it knows the reason of a failure, while the server would only wait.
        if let Some(report) = ready(&mut client).await? {
            // A death of the server is the cause of the client's failure.
            let died = tokio::time::timeout(DEATH, server.event()).await.ok().and_then(Result::err);
            return Ok(Reports {
                client: report,
                server: died.map_or_else(EndReport::default, EndReport::failed),
                ..Reports::default()
            });
        }
        if let Some(report) = ready(&mut server).await? {
            return Ok(Reports { server: report, ..Reports::default() });
        }
        server.order(Order::Go).await?;
        client.order(Order::Go).await?;
        Ok(gather(case, client, server, observer).await)
    }

    fn outcome(&self, case: &Case, reports: Reports) -> Outcome {
        let Reports { mut client, server, network } = reports;
        let (client_end, server_end) = (case.direction.client(), case.direction.server());
        let client_fault = client.fault.take().map(|fault| fault.at(client_end));
        let server_fault = server.fault.map(|fault| fault.at(server_end));
        let fault = client_fault.into_iter().chain(server_fault).min_by_key(|fault| fault.kind);

        let sent = if client_end == End::Sender { &client.sent } else { &server.sent };
        let sent = self.digests.get(&content(case)).cloned().or_else(|| joined(sent));
        let received = joined(&client.received);
        // Times of two hosts cannot be compared.
        let has_one_clock = self.peer_host.is_none();
        let received_first = match client_end {
            End::Receiver => client.first_byte,
            End::Sender => server.first_byte.filter(|_| has_one_clock),
        };
        let first_byte = received_first.zip(client.began).and_then(|(first, began)| first.checked_sub(began));
        let (sender_marks, receiver_marks) = match client_end {
            End::Sender => (&client.marks, &server.marks),
            End::Receiver => (&server.marks, &client.marks),
        };
        let delivery = metrics::delivery(sender_marks, receiver_marks).filter(|_| has_one_clock);
        let (mut ends, mut call_sites) = (ByEnd::default(), ByEnd::default());
        (ends[client_end], ends[server_end]) = (client.end, server.end);
        (call_sites[client_end], call_sites[server_end]) = (client.call_sites, server.call_sites);
        let is_proven = fault.is_none() && case.sink.digests();
        let mut outcome = Outcome {
            fault,
            elapsed_s: client.elapsed_s,
            handshake_s: client.handshake_s,
            first_byte_s: first_byte.map(|first| first.as_secs_f64()),
            ends,
            link: client.link,
            bodies: client.bodies,
            delivery,
            call_sites,
            network,
            ..Outcome::default()
        };
        if is_proven {
            outcome.prove(sent, received);
        }
        outcome
    }
}

#[async_trait(?Send)]
impl Executor for ProcessExecutor {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome {
        let transfer = async {
            match self.transfer(case, observer).await {
                Ok(reports) => self.outcome(case, reports),
                Err(fault) => Outcome::failed(fault),
            }
        };
        match &self.peer_host {
            None => self.observed(case, transfer).await,
            Some(host) => self.over_network(case, host, transfer).await,
        }
    }
}

/// Performs a transfer, and adds the conditions of this machine to its outcome.
async fn watched(cores: Option<Cores>, transfer: impl Future<Output = Outcome>) -> Outcome {
    let watch = Watch::begin(cores);
    let mut outcome = transfer.await;
    outcome.conditions = Some(watch.end());
    outcome
}

/// The facts that determine a generated body: payload, seed and size.
type Content = (PayloadKind, u64, ByteSize);

fn content(case: &Case) -> Content {
    (case.payload.clone(), case.seed, case.body)
}
