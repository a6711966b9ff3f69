//! Tests of runs over two hosts that are one process, with shell scripts as workers.

use std::{
    cell::Cell, collections::VecDeque, fs, future::pending, net::SocketAddr, path::PathBuf, rc::Rc,
    sync::Arc, time::Duration,
};

use async_trait::async_trait;
use http::{Request, Response};
use record::{Build, ByteSize, Case, Direction, End, Fault, FaultKind, Warning};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};
use transport::{Body, Connection, Error, Link};

use super::{
    Control, ControlError, MeasuringHost, Opened, PeerHost,
    admission::admit,
    lines::{LineWriter, Lines},
    wire::{Answer, Demand, RunDemand},
};
use crate::{
    Executor as _, HostFacts, Observer, Outcome, ProcessExecutor, Settings, Unobserved,
    messages::{EndReport, Event, ServerAddress},
    scripts,
    worker_process::EndWorker as _,
};

const LISTENING: &str = r#"echo '{"listening":{"addr":"0.0.0.0:9","certificate":null}}'; "#;

/// Returns the shell line of an end that has moved all bytes, with times by its own clock.
fn done(began: u64, first_byte: u64) -> String {
    let time = |seconds: u64| format!(r#"{{"secs":{seconds},"nanos":0}}"#);
    let rest = r#""fault":null,"end":null,"link":null,"sent":[],"handshake_s":null,"received":["x"]"#;
    let (began, first_byte) = (time(began), time(first_byte));
    format!(
        r#"echo '{{"done":{{{rest},"elapsed_s":1.0,"began":{began},"first_byte":{first_byte}}}}}'; read -r end; "#
    )
}

/// Returns the shell script of a server whose clock is an hour ahead.
fn good_server() -> String {
    format!(r#"{LISTENING} echo '"ready"'; read -r go; read -r finish; {}"#, done(3700, 3701))
}

/// A shell script that is a worker of either role.
struct Program {
    folder: TempDir,
}

impl Program {
    fn new(server: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = format!(r#"echo '"ready"'; read -r go; {}"#, done(100, 101));
        let choose = format!("case \"$job\" in *'\"role\":\"server\"'*) {server} ;; *) {client} ;; esac");
        let script =
            format!("#!/bin/sh\necho $$ >> {}/pids\nread -r job\n{choose}\n", folder.path().display());
        scripts::write(&folder.path().join("worker"), &script);
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("worker")
    }

    /// Returns whether any worker still runs.
    fn is_running(&self) -> bool {
        let pids = fs::read_to_string(self.folder.path().join("pids")).unwrap_or_default();
        pids.lines().any(|pid| fs::metadata(format!("/proc/{pid}")).is_ok())
    }

    fn host(&self) -> MeasuringHost {
        MeasuringHost::of_program(self.path(), Build::default(), "")
    }
}

struct NoConnection;

#[async_trait]
impl Connection for NoConnection {
    async fn exchange(&self, _: Request<Body>) -> Result<Response<Body>, Error> {
        pending().await
    }

    fn link(&self) -> Link {
        Link::default()
    }
}

/// A way to a host in this process. The first attempts fail with `errors`.
struct Way {
    host: MeasuringHost,
    errors: Cell<VecDeque<ControlError>>,
    sessions: Rc<Cell<Vec<JoinHandle<()>>>>,
}

#[async_trait(?Send)]
impl Control for Way {
    async fn open(&self, demands: Body) -> Result<Opened, ControlError> {
        let mut errors = self.errors.take();
        let error = errors.pop_front();
        self.errors.set(errors);
        error.map_or(Ok(()), Err)?;
        let session = self.host.begin().ok_or_else(|| ControlError::Busy("busy".into()))?;
        let (answers, session) = session.converse(demands, [127, 0, 0, 1].into(), pending());
        let mut sessions = self.sessions.take();
        sessions.push(tokio::spawn(session));
        self.sessions.set(sessions);
        let address = ([127, 0, 0, 1], 1).into();
        Ok(Opened { connection: Arc::new(NoConnection), address, answers })
    }
}

fn case(direction: Direction) -> Case {
    let mut case = Case::new("tcp");
    (case.direction, case.body, case.sink) = (direction, ByteSize(1000), record::SinkKind::Discard);
    case
}

fn unreachable() -> ControlError {
    ControlError::Unreachable(Fault::new(FaultKind::Connect, "cannot connect"))
}

/// The client's host of control sessions with a host in this process.
struct ClientHost {
    executor: ProcessExecutor,
    sessions: Rc<Cell<Vec<JoinHandle<()>>>>,
}

impl ClientHost {
    /// Reaches a host. Later attempts to reach it fail with `errors` first.
    async fn new(program: &Program, errors: Vec<ControlError>) -> Self {
        let sessions = Rc::default();
        let later: VecDeque<_> = errors.into();
        let way =
            Rc::new(Way { host: program.host(), errors: Cell::default(), sessions: Rc::clone(&sessions) });
        let host = PeerHost::reach(Box::new(Shared(way.clone()))).await.unwrap();
        way.errors.set(later);
        let settings = Settings::new(Duration::from_secs(5));
        let executor =
            ProcessExecutor::of_program(program.path(), settings).with_servers_on(Some(Rc::new(host)));
        Self { executor, sessions }
    }

    async fn run(&self, direction: Direction) -> Outcome {
        self.executor.run(&case(direction), &mut Unobserved).await
    }

    /// Breaks all control sessions off, as the death of the other host would.
    async fn break_off(&self) {
        for session in self.sessions.take() {
            session.abort();
            let _ = session.await;
        }
    }
}

struct Shared(Rc<Way>);

#[async_trait(?Send)]
impl Control for Shared {
    async fn open(&self, demands: Body) -> Result<Opened, ControlError> {
        self.0.open(demands).await
    }
}

#[tokio::test]
async fn a_run_has_both_ends_and_compares_no_clocks() {
    let program = Program::new(&good_server());
    let host = ClientHost::new(&program, Vec::new()).await;
    let up = host.run(Direction::Up).await;
    assert_eq!(up.fault, None);
    assert_eq!((up.elapsed_s, up.first_byte_s), (Some(1.0), None), "the first byte came by another clock");
    let peer = up.peer_host.unwrap();
    assert!(peer.host.name.is_some() && peer.host.idle.is_some(), "{peer:?}");
    assert!(up.core_round_trip.is_none() && up.delivery.is_none());
    assert!(up.conditions.unwrap().oom_kills.is_some());
    let down = host.run(Direction::Down).await;
    assert_eq!((down.fault, down.first_byte_s), (None, Some(1.0)));
}

#[tokio::test]
async fn all_runs_of_a_session_share_one_control_session() {
    let program = Program::new(&good_server());
    let host = ClientHost::new(&program, vec![unreachable()]).await;
    host.break_off().await;
    for _ in 0..2 {
        assert_eq!(host.run(Direction::Up).await.fault, None);
    }
    assert_eq!(host.sessions.take().len(), 1);
}

#[tokio::test]
async fn a_worker_that_dies_is_reported_with_its_host_and_end() {
    let program = Program::new("echo out of luck >&2; exit 3");
    let host = ClientHost::new(&program, Vec::new()).await;
    let fault = host.run(Direction::Up).await.fault.unwrap();
    assert_eq!((fault.kind, fault.end), (FaultKind::Worker, Some(End::Receiver)));
    let name = crate::this_host().name.unwrap();
    assert!(fault.message.starts_with(&format!("{name}: the receiver's process died")), "{}", fault.message);
    assert!(fault.message.contains("out of luck"), "{}", fault.message);
    let fault = host.run(Direction::Down).await.fault.unwrap();
    assert_eq!(fault.end, Some(End::Sender), "the next run is made");
}

#[tokio::test]
async fn a_host_that_dies_in_a_run_costs_that_run() {
    let waiting = format!(r#"{LISTENING} echo '"ready"'; read -r go; sleep 100"#);
    let program = Program::new(&waiting);
    let host = ClientHost::new(&program, Vec::new()).await;
    let (case, observer) = (case(Direction::Up), &mut Unobserved);
    let running = host.executor.run(&case, observer);
    let broken = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        host.break_off().await;
    };
    let (outcome, ()) = tokio::join!(running, broken);
    let fault = outcome.fault.unwrap();
    assert_eq!((fault.kind, fault.end), (FaultKind::Worker, Some(End::Receiver)));
    assert!(
        fault.message.contains("the receiver is lost: the host has ended the session"),
        "{}",
        fault.message
    );
    assert!(outcome.peer_host.is_some());
    wait_for(|| !program.is_running()).await;
    fs::write(program.path(), fs::read_to_string(Program::new(&good_server()).path()).unwrap()).unwrap();
    assert_eq!(host.run(Direction::Up).await.fault, None);
}

/// An observer that counts the calls of [`Observer::waiting_for_host`].
#[derive(Default)]
struct Waits(u32);

impl Observer for Waits {
    fn waiting_for_host(&mut self, _: &str, reason: &str) {
        assert_eq!(reason, "cannot connect");
        self.0 += 1;
    }
}

#[tokio::test]
async fn a_host_that_comes_back_costs_no_run() {
    let program = Program::new(&good_server());
    let host = ClientHost::new(&program, vec![unreachable(), unreachable()]).await;
    let mut waits = Waits::default();
    let outcome = host.executor.run(&case(Direction::Up), &mut waits).await;
    assert_eq!((outcome.fault, waits.0), (None, 2));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stays_away_is_awaited_once() {
    let program = Program::new(&good_server());
    let host = ClientHost::new(&program, vec![unreachable(); 100]).await;
    let began = Instant::now();
    let fault = host.run(Direction::Up).await.fault.unwrap();
    assert_eq!((fault.kind, fault.end), (FaultKind::Connect, Some(End::Receiver)));
    assert!((60..63).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(host.run(Direction::Down).await.fault.is_some());
    assert!(began.elapsed().as_secs() < 63, "later runs do not wait");
}

/// A way to a host that states hostile facts, starts a server at once, and is silent from then on.
struct Silent;

#[async_trait(?Send)]
impl Control for Silent {
    async fn open(&self, demands: Body) -> Result<Opened, ControlError> {
        let (answers, body) = LineWriter::new();
        let mut facts = HostFacts::default();
        facts.host.name = Some("b\u{1b}]0;c\u{7}\nd".into());
        facts.build.version = "\u{1b}[2J".into();
        facts.warnings = vec![Warning::new("load", "\u{1b}[31m", "noise")];
        let address: SocketAddr = ([127, 0, 0, 1], 1).into();
        let listening = Event::Listening(ServerAddress { addr: address, certificate: None });
        tokio::spawn(async move {
            answers.write(&Answer::Host(Box::new(facts))).await.unwrap();
            answers.write(&Answer::Event(Box::new(listening))).await.unwrap();
            let mut demands = Lines::of(demands, 1 << 20);
            while demands.next().await.is_ok() {}
        });
        Ok(Opened { connection: Arc::new(NoConnection), address, answers: body })
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_is_noticed_while_the_own_end_makes_progress() {
    let host = PeerHost::reach(Box::new(Silent)).await.unwrap();
    let (case, settings) = (case(Direction::Up), Settings::new(Duration::from_secs(60)));
    let (mut worker, _) = host.start(&case, "/a", settings, &mut Unobserved).await.unwrap();
    let began = Instant::now();
    let fault = loop {
        // A report of the own end cancels the wait for the other one.
        match tokio::time::timeout(Duration::from_millis(250), worker.event()).await {
            Ok(event) => break event.unwrap_err(),
            Err(_) => assert!(began.elapsed().as_secs() < 20, "nobody notices"),
        }
    };
    assert_eq!(fault.end, Some(End::Receiver));
    assert!(fault.message.ends_with("the receiver is lost: the host was silent for 15 s"), "{fault:?}");
    assert!((14..16).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nothing_that_the_other_host_states_controls_the_terminal() {
    let facts = PeerHost::reach(Box::new(Silent)).await.unwrap().facts();
    assert_eq!(facts.name(), "b\\u{1b}]0;c\\u{7}\\nd");
    let warning = crate::other_build(&Build::default(), &facts).unwrap();
    let texts = facts.named_warnings().chain([warning]).map(|warning| warning.to_string());
    texts.for_each(|text| assert!(!text.contains(char::is_control), "{text}"));
    let fault = Fault { message: "\u{1b}[2J".repeat(1000), ..Fault::new(FaultKind::Worker, "") };
    let done = Answer::Event(Box::new(Event::Done(Box::new(EndReport::failed(fault.clone())))));
    for answer in [done, Answer::Fault(fault)] {
        let line = serde_json::to_string(&answer.printable()).unwrap();
        assert!(!line.contains("\\u001b") && line.len() < 10_000, "{line}");
    }
    let version = ControlError::Version("\u{9b}2J".into());
    assert!(version.to_string().contains("version \\u{9b}2J of"), "{version}");
}

#[tokio::test]
async fn one_session_is_measured_at_a_time() {
    let program = Program::new(&good_server());
    let host = program.host();
    let session = host.begin().unwrap();
    assert!(host.begin().is_none());
    let (_demands, body) = LineWriter::new();
    let (_answers, session) = session.converse(body, [127, 0, 0, 1].into(), pending());
    assert!(host.begin().is_none(), "the place is taken before the session is polled");
    drop(session);
    assert!(host.begin().is_some());
}

/// The client's side of a control session, which sends demands by hand.
struct HostSide {
    demands: LineWriter,
    answers: Lines,
    session: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl HostSide {
    async fn begin(program: &Program) -> Self {
        let ((demands, body), (stop, stopped)) = (LineWriter::new(), oneshot::channel());
        let session = program.host().begin().unwrap();
        let (answers, session) = session.converse(body, [127, 0, 0, 1].into(), async { drop(stopped.await) });
        let session = tokio::spawn(session);
        let mut made = Self { demands, answers: Lines::of(answers, 1 << 20), session, stop: Some(stop) };
        assert!(matches!(made.answer().await, Some(Answer::Host(_))));
        made
    }

    async fn answer(&mut self) -> Option<Answer> {
        loop {
            match serde_json::from_slice(&self.answers.next().await.ok()?).unwrap() {
                Answer::Alive => {}
                answer => return Some(answer),
            }
        }
    }

    async fn start(&mut self) {
        self.demands.write(&Demand::Run(Box::new(demand()))).await.unwrap();
        assert!(matches!(self.answer().await, Some(Answer::Event(_))));
    }
}

fn demand() -> RunDemand {
    RunDemand {
        case: serde_json::to_value(case(Direction::Up)).unwrap(),
        path: "/x".into(),
        timeout_s: 30.0,
        observes_framing: false,
        affinity: crate::Affinity::Off,
        idle: record::IdlePolicy::Sleep,
    }
}

async fn wait_for(condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < until, "the condition never held");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_worker_ends_with_the_control_session() {
    let program = Program::new(&format!("{LISTENING} exec sleep 100"));
    let mut host = HostSide::begin(&program).await;
    host.start().await;
    assert!(program.is_running());
    drop(host.demands);
    host.session.await.unwrap();
    wait_for(|| !program.is_running()).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_gone() {
    let program = Program::new(&format!("{LISTENING} exec sleep 100"));
    let mut host = HostSide::begin(&program).await;
    host.start().await;
    tokio::time::pause();
    let began = Instant::now();
    host.session.await.unwrap();
    assert!((14..16).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    drop(host.demands);
}

#[tokio::test]
async fn a_stop_ends_a_session_after_its_run() {
    let program = Program::new(&format!("{LISTENING} exec sleep 100"));
    let mut host = HostSide::begin(&program).await;
    host.start().await;
    host.stop.take();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!host.session.is_finished());
    host.demands.write(&Demand::End).await.unwrap();
    assert!(matches!(host.answer().await, Some(Answer::Ended(_))));
    assert!(host.answer().await.is_none());
    host.session.await.unwrap();
}

#[tokio::test]
async fn what_is_no_demand_ends_the_session() {
    let program = Program::new(&good_server());
    for line in ["nonsense", "{}", r#"{"run":{}}"#, r#""finish""#, "[[[[", &"x".repeat(70_000)] {
        let mut host = HostSide::begin(&program).await;
        host.demands.write(&line).await.unwrap();
        assert!(host.answer().await.is_none());
        host.session.await.unwrap();
    }
}

#[tokio::test]
async fn a_run_that_is_refused_leaves_the_session_open() {
    let program = Program::new(&good_server());
    let mut host = HostSide::begin(&program).await;
    let unsafe_path = RunDemand { path: "/../x".into(), ..demand() };
    host.demands.write(&Demand::Run(Box::new(unsafe_path))).await.unwrap();
    assert!(matches!(host.answer().await, Some(Answer::Fault(_))));
    host.demands.write(&Demand::End).await.unwrap();
    assert!(matches!(host.answer().await, Some(Answer::Fault(_))), "there is no run");
    host.start().await;
}

#[test]
fn no_damaged_demand_makes_the_parser_panic() {
    let line = serde_json::to_vec(&Demand::Run(Box::new(demand()))).unwrap();
    let settings = Settings::new(Duration::from_secs(1));
    let mut admitted = 0;
    for at in 0..line.len() {
        for byte in [b'0', b'9', b'-', b'"', b'}', b'e', 0, 0xff] {
            let mut damaged = line.clone();
            damaged[at] = byte;
            if let Ok(Demand::Run(demand)) = serde_json::from_slice(&damaged) {
                admitted += u32::from(admit(&demand, settings).is_ok());
            }
        }
        assert!(serde_json::from_slice::<Demand>(&line[..at]).is_err());
    }
    assert!(admitted > 0, "some damage is another value");
}
