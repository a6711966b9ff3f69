//! Runs a case in two worker processes, one a role.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use metrics::Stamp;
use payload::Payload;

use super::{
    executor::{Executor, Measured, Observer},
    worker::Worker,
};
use crate::{
    case::{Case, Direction},
    cli::Affinity,
    machine::{self, Cores},
    record::{CoreRoundTrip, End, Fault, FaultKind},
    size::ByteSize,
    worker::{Event, Job, Order, Report, Role, ServerAddress},
};

/// How long an end may take to report once the other one has.
const REPORT: Duration = Duration::from_secs(5);

/// Starts workers.
pub(super) struct ProcessExecutor {
    program: PathBuf,
    cores: Option<Cores>,
    /// How long cores that are far apart are waited for.
    settle: Duration,
    timeout: Duration,
    /// The digests that generated bodies must have, by size.
    digests: HashMap<ByteSize, String>,
}

impl ProcessExecutor {
    /// Starts this binary again as the workers of the cases of one matrix.
    pub(super) fn of_this_binary(
        affinity: Affinity,
        timeout: Duration,
        cases: &[Case],
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program to start its workers")?;
        let (cores, settle) = (cores(affinity), Duration::ZERO);
        Ok(Self { program, cores, settle, timeout, digests: digests(cases) })
    }

    /// The same, with runs that wait so long for cores that are far apart to come close.
    pub(super) fn settling(self, settle: Duration) -> Self {
        Self { settle, ..self }
    }

    async fn server(&self, case: &Case) -> Result<(Worker, ServerAddress), Fault> {
        let mut worker = Worker::start(&self.program, &self.job(case, Role::Server)).await?;
        match worker.event().await? {
            Event::Listening(address) => Ok((worker, address)),
            other => Err(unexpected(&worker, other)),
        }
    }

    fn job(&self, case: &Case, role: Role) -> Job {
        let mut job = Job {
            role,
            protocol: case.transport.name().into(),
            direction: case.direction,
            chunk: case.chunk,
            body_bytes: case.body.0,
            payload: case.payload.clone(),
            seed: case.seed,
            sink: case.sink.clone(),
            connections: case.connections,
            streams: case.streams,
            rates: case.rates,
            limits: case.limits.clone(),
            core: None,
            timeout_s: self.timeout.as_secs_f64(),
        };
        job.core = self.cores.map(|cores| match job.end() {
            End::Sender => cores.sender,
            End::Receiver => cores.receiver,
        });
        job
    }

    /// How far apart the cores are, in nanoseconds there and back, as soon as they are close or `settle` is over.
    async fn round_trip_ns(&self, settle: Duration) -> Option<u64> {
        /// How often to look: hosts were seen to leave cores where they are for a third of a second and longer.
        const LOOK: Duration = Duration::from_millis(50);
        let began = Stamp::now();
        loop {
            let trip = machine::round_trip(self.cores?)?;
            if trip < machine::FAR || began.elapsed() >= settle {
                return u64::try_from(trip.as_nanos()).ok();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Brings both ends to their starting line, lets them go, and gathers their reports.
    async fn transfer(&self, case: &Case, observer: &mut dyn Observer) -> Result<Pair<Report>, Fault> {
        let (mut server, address) = self.server(case).await?;
        let job = self.job(case, Role::Client(address));
        let mut client = Worker::start(&self.program, &job).await?;
        // The client fails for a reason that it knows; the server would only wait.
        if let Some(report) = ready(&mut client).await? {
            return Ok(Pair { client: report, server: Report::default() });
        }
        if let Some(report) = ready(&mut server).await? {
            return Ok(Pair { client: Report::default(), server: report });
        }
        server.order(Order::Go).await?;
        client.order(Order::Go).await?;
        Ok(gather(case, client, server, observer).await)
    }

    fn measured(&self, case: &Case, reports: Pair<Report>) -> Measured {
        let Pair { mut client, server } = reports;
        let (sender_end, receiver_end) = match case.direction {
            Direction::Up => (End::Sender, End::Receiver),
            Direction::Down => (End::Receiver, End::Sender),
        };
        let client_fault = client.fault.take().map(|fault| at(fault, sender_end));
        let server_fault = server.fault.map(|fault| at(fault, receiver_end));
        let fault = client_fault.into_iter().chain(server_fault).min_by_key(|fault| fault.kind);

        let sent = match case.direction {
            Direction::Up => &client.sent,
            Direction::Down => &server.sent,
        };
        let sent = self.digests.get(&case.body).cloned().or_else(|| joined(sent));
        let received = joined(&client.received);
        let (sender, receiver) = match case.direction {
            Direction::Up => (client.end, server.end),
            Direction::Down => (server.end, client.end),
        };
        let proven = fault.is_none() && case.sink.digests();
        let mut measured = Measured {
            fault,
            elapsed_s: client.elapsed_s,
            handshake_s: client.handshake_s,
            first_byte_s: client.first_byte_s,
            sender,
            receiver,
            link: client.link,
            ..Measured::default()
        };
        if proven {
            measured.prove(sent, received);
        }
        measured
    }
}

#[async_trait(?Send)]
impl Executor for ProcessExecutor {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Measured {
        let before_ns = self.round_trip_ns(self.settle).await;
        let measured = match self.transfer(case, observer).await {
            Ok(reports) => self.measured(case, reports),
            Err(fault) => Measured { fault: Some(fault), ..Measured::default() },
        };
        let core_round_trip = before_ns
            .zip(self.round_trip_ns(Duration::ZERO).await)
            .map(|(before_ns, after_ns)| CoreRoundTrip { before_ns, after_ns });
        Measured { core_round_trip, ..measured }
    }
}

/// The digests of all generated bodies that are to be verified: they follow from seed and size alone, so
/// they are computed once, before anything runs. A matrix has one payload and one seed.
fn digests(cases: &[Case]) -> HashMap<ByteSize, String> {
    let mut digests = HashMap::new();
    for case in cases.iter().filter(|case| case.sink.digests()) {
        if !digests.contains_key(&case.body)
            && let Some(digest) = Payload::prepare(&case.payload, case.seed, case.chunk).digest(case.body.0)
        {
            digests.insert(case.body, digest.to_string());
        }
    }
    digests
}

/// What there is of both roles.
struct Pair<T> {
    client: T,
    server: T,
}

/// Waits until a worker stands at its starting line; a report is why it does not get there.
async fn ready(worker: &mut Worker) -> Result<Option<Report>, Fault> {
    match worker.event().await? {
        Event::Ready => Ok(None),
        Event::Done(report) => Ok(Some(*report)),
        other => Err(unexpected(worker, other)),
    }
}

fn unexpected(worker: &Worker, event: Event) -> Fault {
    match event {
        Event::Done(report) if report.fault.is_some() => {
            let fault = report.fault.unwrap_or_else(|| out_of_turn(worker));
            at(fault, worker.end())
        }
        _ => out_of_turn(worker),
    }
}

fn out_of_turn(worker: &Worker) -> Fault {
    let message = format!("the {}'s process spoke out of turn", worker.end());
    Fault { kind: FaultKind::Worker, message, end: Some(worker.end()) }
}

/// Follows both ends to their reports. Whoever is first gives the other one a while for its own.
async fn gather(
    case: &Case,
    mut client: Worker,
    mut server: Worker,
    observer: &mut dyn Observer,
) -> Pair<Report> {
    let (mut from_client, mut from_server) = (None, None);
    while from_client.is_none() && from_server.is_none() {
        tokio::select! {
            event = client.event() => from_client = follow(case, &client, event, observer),
            event = server.event() => from_server = follow(case, &server, event, observer),
        }
    }
    if from_server.is_none() {
        // If the server is gone, its report says so.
        let _ = server.order(Order::Finish).await;
    }
    let reports = Pair {
        client: remaining(case, &mut client, from_client, observer).await,
        server: remaining(case, &mut server, from_server, observer).await,
    };
    tokio::join!(client.stop(), server.stop());
    reports
}

/// The report that an end still owes, waited for no longer than [`REPORT`].
async fn remaining(
    case: &Case,
    worker: &mut Worker,
    mut report: Option<Report>,
    observer: &mut dyn Observer,
) -> Report {
    let followed = tokio::time::timeout(REPORT, async {
        while report.is_none() {
            let event = worker.event().await;
            report = follow(case, worker, event, observer);
        }
    });
    // An end that says nothing has nothing to add to what the other one reported.
    let _ = followed.await;
    report.unwrap_or_default()
}

/// Passes progress on; returns the report once there is one.
fn follow(
    case: &Case,
    worker: &Worker,
    event: Result<Event, Fault>,
    observer: &mut dyn Observer,
) -> Option<Report> {
    match event {
        Ok(Event::Progress(sign)) => {
            observer.progress(case, worker.end(), sign);
            None
        }
        Ok(Event::Done(report)) => Some(*report),
        Ok(other) => Some(Report::failed(unexpected(worker, other))),
        Err(fault) => Some(Report::failed(fault)),
    }
}

fn at(fault: Fault, end: End) -> Fault {
    Fault { end: Some(end), ..fault }
}

/// One digest where all bodies have the same, as they must; else all that there are.
fn joined(digests: &BTreeSet<String>) -> Option<String> {
    (!digests.is_empty()).then(|| digests.iter().map(String::as_str).collect::<Vec<_>>().join("+"))
}

/// The cores to use; `None` leaves the choice to the kernel.
pub(super) fn cores(affinity: Affinity) -> Option<Cores> {
    match affinity {
        Affinity::Off => None,
        Affinity::Cores { sender, receiver } => Some(Cores { sender, receiver }),
        Affinity::Auto => Cores::choose(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::{case::tests::plain, instruments::Sign};

    const LISTENING: &str = r#"echo '{"listening":{"addr":"127.0.0.1:9","certificate":null}}'; "#;

    /// What a client says that has sent everything and got a receipt with this digest.
    fn confirmed(digest: &str) -> String {
        let rest = r#""fault":null,"end":null,"link":null,"sent":[],"handshake_s":null,"first_byte_s":null"#;
        format!(r#"echo '{{"done":{{{rest},"received":["{digest}"],"elapsed_s":1.0}}}}'; "#)
    }

    struct Silent;

    impl Observer for Silent {
        fn started(&mut self, _: &Case, _: u32) {}
        fn progress(&mut self, _: &Case, _: End, _: Sign) {}
        fn finished(&mut self, _: &crate::record::Record) {}
    }

    /// Runs a case of 1,000 bytes with shell scripts for workers.
    async fn run(server: &str, client: &str) -> Measured {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("worker");
        let choose = format!("case \"$job\" in *'\"role\":\"server\"'*) {server} ;; *) {client} ;; esac");
        fs::write(&program, format!("#!/bin/sh\nread -r job\n{choose}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let case = Case { body: ByteSize(1000), ..plain("tcp") };
        executor(program, &case).run(&case, &mut Silent).await
    }

    fn executor(program: PathBuf, case: &Case) -> ProcessExecutor {
        let digests = digests(std::slice::from_ref(case));
        let timeout = Duration::from_millis(100);
        ProcessExecutor { program, cores: None, settle: Duration::ZERO, timeout, digests }
    }

    async fn fault(server: &str, client: &str) -> (FaultKind, String, Option<End>) {
        let fault = run(server, client).await.fault.unwrap();
        (fault.kind, fault.message, fault.end)
    }

    #[tokio::test]
    async fn a_worker_that_dies_is_quoted() {
        let (kind, message, end) = fault("echo out of luck >&2; exit 3", ":").await;
        assert_eq!((kind, end), (FaultKind::Worker, Some(End::Receiver)));
        assert!(message.contains("exit status: 3") && message.contains("out of luck"), "{message}");
        let (kind, message, end) = fault(&format!("{LISTENING} sleep 2"), "kill -9 $$").await;
        assert_eq!((kind, end), (FaultKind::Worker, Some(End::Sender)));
        assert!(message.contains("signal: 9"), "{message}");
    }

    #[tokio::test]
    async fn a_worker_that_prints_rubbish_is_quoted() {
        let (kind, message, _) = fault("echo hello; sleep 2", ":").await;
        assert_eq!(kind, FaultKind::Worker);
        assert!(message.contains("said what is no event: 'hello'"), "{message}");
        let (_, message, _) = fault(r#"echo '"ready"'; sleep 2"#, ":").await;
        assert!(message.contains("spoke out of turn"), "{message}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_says_nothing_is_given_up() {
        let (kind, message, end) = fault("sleep 100", ":").await;
        assert_eq!((kind, end), (FaultKind::Timeout, Some(End::Receiver)));
        assert!(message.contains("said nothing for 5.1 s"), "{message}");
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_started_is_a_fault() {
        let case = Case { body: ByteSize(1000), ..plain("tcp") };
        let fault = executor("/no/such/program".into(), &case).run(&case, &mut Silent).await.fault.unwrap();
        assert!(fault.message.contains("cannot be started"), "{fault:?}");
    }

    #[tokio::test]
    async fn a_digest_that_differs_is_an_integrity_failure() {
        let case = Case { body: ByteSize(1000), ..plain("tcp") };
        let expected = digests(&[case])[&ByteSize(1000)].clone();
        let reported = confirmed("unasked");
        let server = format!(r#"{LISTENING} echo '"ready"'; read -r go; read -r finish; {reported}"#);
        let client = |digest: &str| format!(r#"echo '"ready"'; read -r go; {}"#, confirmed(digest));
        let measured = run(&server, &client(&expected)).await;
        assert!(measured.integrity.unwrap().matches);
        let measured = run(&server, &client("0123")).await;
        let (fault, integrity) = (measured.fault.unwrap(), measured.integrity.unwrap());
        assert_eq!((fault.kind, integrity.matches), (FaultKind::Integrity, false));
        assert_eq!((integrity.sent, integrity.received), (expected, "0123".into()));
    }
}
