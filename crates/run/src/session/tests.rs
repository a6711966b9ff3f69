//! Tests of sessions over executors that run nothing.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    time::Duration,
};

use async_trait::async_trait;
use record::{Fault, FaultKind};

use super::*;
use crate::{Heartbeat, Unobserved, this_host};

/// The protocol for which [`Mock`] fails.
const FAILING: &str = "h1";

/// An executor that runs nothing, and fails for one protocol.
struct Mock;

#[async_trait(?Send)]
impl Executor for Mock {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Outcome {
        let heartbeat = Heartbeat { bytes: 1, rss_bytes: None, baseline_rss_bytes: None };
        observer.progress(case, End::Sender, heartbeat);
        if case.protocol == FAILING {
            return Outcome::failed(Fault::new(FaultKind::Connect, "nobody"));
        }
        Outcome { elapsed_s: Some(2.0), ..Outcome::default() }
    }
}

/// An executor that runs nothing, and counts its runs.
#[derive(Default)]
struct Counting(Cell<u32>);

#[async_trait(?Send)]
impl Executor for Counting {
    async fn run(&self, _: &Case, _: &mut dyn Observer) -> Outcome {
        self.0.set(self.0.get() + 1);
        Outcome::default()
    }
}

#[derive(Default)]
struct Log(RefCell<Vec<String>>);

impl Observer for &Log {
    fn started(&mut self, case: &Case, round: u32) {
        self.0.borrow_mut().push(format!("start {} {round}", case.protocol));
    }

    fn progress(&mut self, _: &Case, _: End, _: Heartbeat) {
        self.0.borrow_mut().push("progress".into());
    }

    fn finished(&mut self, record: &Record) {
        self.0.borrow_mut().push(format!("finish {}", record.case.protocol));
    }
}

fn session() -> Session {
    Session::new(this_host(), Build::default())
}

#[tokio::test]
async fn rounds_cover_the_whole_matrix_and_each_record_is_kept_before_the_next_run() {
    let log = Log::default();
    let mut keep = |record: &Record| -> Result<(), Infallible> {
        log.0.borrow_mut().push(format!("write {} {}", record.case.protocol, record.round));
        Ok(())
    };
    let cases = [Case::new("tcp"), Case::new("h2")];
    let stop = session().run(&cases, 2, &Mock, &mut &log, &mut keep).await.unwrap();
    assert_eq!(stop, Stop::Done);
    let mut expected = Vec::new();
    for round in 0..2 {
        for name in ["tcp", "h2"] {
            expected.push(format!("start {name} {round}"));
            expected.push("progress".into());
            expected.push(format!("write {name} {round}"));
            expected.push(format!("finish {name}"));
        }
    }
    assert_eq!(*log.0.borrow(), expected);
}

#[tokio::test]
async fn warmup_rounds_are_run_and_leave_no_record() {
    let (executor, mut records) = (Counting::default(), Vec::new());
    let mut keep = |record: &Record| -> Result<(), Infallible> {
        records.push(record.clone());
        Ok(())
    };
    let plan = Plan::of(2).after_warmup(3).in_order(record::Order::Shuffled);
    let cases = [Case::new("tcp"), Case::new("h2")];
    session().run(&cases, plan, &executor, &mut Unobserved, &mut keep).await.unwrap();
    assert_eq!((executor.0.get(), records.len()), (10, 4));
    assert_eq!(records.iter().map(|record| record.round).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert!(records.iter().all(|record| record.schedule == Some(plan.schedule)));
    assert_eq!(plan.schedule.warmup_rounds, 3);
}

#[tokio::test]
async fn no_run_starts_once_the_time_is_used_up() {
    let mut records = 0;
    let mut keep = |_: &Record| -> Result<(), Infallible> {
        records += 1;
        std::thread::sleep(Duration::from_millis(30));
        Ok(())
    };
    let plan = Plan::of(1).within(Duration::from_millis(20));
    let cases = [Case::new("tcp"), Case::new("h2")];
    let stop = session().run(&cases, plan, &Mock, &mut Unobserved, &mut keep).await.unwrap();
    assert_eq!((stop, records), (Stop::OutOfTime, 1));
}

#[tokio::test]
async fn a_failing_case_is_a_record_and_the_rest_goes_on() {
    let mut records = Vec::new();
    let mut keep = |record: &Record| -> Result<(), Infallible> {
        records.push(record.clone());
        Ok(())
    };
    let cases = [Case::new(FAILING), Case::new("h2")];
    let session = session().labelled("some".to_owned()).for_purpose(Purpose::Control);
    session.run(&cases, 1, &Mock, &mut Unobserved, &mut keep).await.unwrap();
    assert_eq!((records[0].is_ok(), records[1].is_ok()), (false, true));
    assert_eq!(records[0].error.as_ref().unwrap().kind, FaultKind::Connect);
    assert_eq!(records[1].goodput_bytes_per_s, Some(f64::from(1 << 30)));
    assert_eq!(records[0].run_id, records[1].run_id);
    assert_eq!((records[1].label.as_deref(), records[1].purpose), (Some("some"), Some(Purpose::Control)));
}

#[tokio::test]
async fn a_record_that_cannot_be_kept_ends_the_session() {
    let mut keep = |_: &Record| Err("disk full");
    let cases = [Case::new("tcp"), Case::new("h2")];
    let error = session().run(&cases, 1, &Mock, &mut Unobserved, &mut keep).await.unwrap_err();
    assert_eq!(error.to_string(), "disk full");
}

#[tokio::test]
async fn entries_with_different_executors_take_turns_and_state_their_peer() {
    let (own, other) = (Counting::default(), Counting::default());
    let program = || PeerProgram { version: Some("1".into()), command: "x {url}".into() };
    let beside = session().beside(Subject::Client, "x", program());
    let entry = |session: &Session, executor| Entry::new(Case::new("h2"), session.clone(), executor);
    let entries = [entry(&session(), &own as &dyn Executor), entry(&beside, &other)];
    let mut peers = Vec::new();
    let mut keep = |record: &Record| -> Result<(), Infallible> {
        assert_eq!(record.peer_program.is_some(), record.peer.is_some());
        peers.push(record.peer.clone());
        Ok(())
    };
    run_entries(&entries, 2, &mut Unobserved, &mut keep).await.unwrap();
    assert_eq!((own.0.get(), other.0.get()), (2, 2));
    let x = || Some("x".to_owned());
    assert_eq!(peers, [None, x(), None, x()]);
}

#[tokio::test]
async fn a_continued_session_makes_the_runs_that_are_not_recorded_in_the_order_of_its_seed() {
    let cases = ["tcp", "h1c", "h2c", "h2"].map(Case::new);
    let run = async |session: &Session, plan: Plan, earlier: Option<&Earlier>| {
        let executor = Counting::default();
        let mut records = Vec::new();
        let mut keep = |record: &Record| -> Result<(), Infallible> {
            records.push(record.clone());
            Ok(())
        };
        let entry = |case: &Case| {
            let entry = Entry::new(case.clone(), session.clone(), &executor);
            earlier.map_or_else(|| entry.clone(), |earlier| entry.clone().after(earlier))
        };
        let entries: Vec<Entry<'_>> = cases.iter().map(entry).collect();
        run_entries(&entries, plan, &mut Unobserved, &mut keep).await.unwrap();
        (records, executor.0.get())
    };
    let runs = |records: &[Record]| {
        records.iter().map(|record| (record.case.protocol.clone(), record.round)).collect::<Vec<_>>()
    };
    let plan = Plan::of(3).in_order(record::Order::Shuffled).after_warmup(1);
    let (whole, made) = run(&session(), plan, None).await;
    assert_eq!((whole.len(), made), (12, 16), "and four warm-up runs");
    for kept in [1, 4, 7, 12] {
        let earlier = Earlier::of(&whole[..kept]).unwrap();
        let continued = session().continuing(&earlier);
        let plan = Plan::of(3).in_schedule(earlier.schedule());
        let (rest, made) = run(&continued, plan, Some(&earlier)).await;
        assert_eq!(runs(&rest), runs(&whole[kept..]));
        assert!(rest.iter().all(|record| record.run_id == whole[0].run_id));
        assert_eq!(
            made as usize,
            if kept == 12 { 0 } else { rest.len() + 4 },
            "a complete one needs no warm-up"
        );
    }
}

#[test]
fn a_record_states_a_command_line_only_if_the_program_sets_one() {
    let stated = |session: Session| {
        session.record(&Case::new("h2"), 0, Timestamp::UNIX_EPOCH, Outcome::default()).command
    };
    assert_eq!(stated(session()), None, "the arguments of this process may hold secrets");
    assert_eq!(stated(session().with_command("longhaul x".to_owned())).as_deref(), Some("longhaul x"));
    assert_eq!(stated(session().with_command(command_line())).unwrap().split(' ').next(), Some("longhaul"));
}

#[test]
fn a_command_line_is_quoted_where_a_shell_needs_it() {
    let words = ["bench", "--size", "1KiB,2KiB", "--label", "a 'b'", "", "$x", "https://h/a%20b"];
    let line = words.map(quoted).join(" ");
    assert!(line.starts_with("bench --size 1KiB,2KiB --label "), "{line}");
    assert_eq!(shlex::split(&line).unwrap(), words);
}

#[test]
fn only_longhauls_own_end_has_a_budget() {
    let measured = || {
        let mut outcome = Outcome::default();
        (outcome.ends.sender, outcome.ends.receiver) =
            (Some(EndRecord::default()), Some(EndRecord::default()));
        outcome
    };
    let budgets = |session: Session, direction| {
        let mut case = Case::new("h2");
        case.direction = direction;
        let record = session.record(&case, 0, Timestamp::UNIX_EPOCH, measured());
        [record.sender, record.receiver].map(|end| end.unwrap().memory.budget_bytes.is_some())
    };
    let program = PeerProgram { version: None, command: "x".into() };
    let client = || session().beside(Subject::Client, "x", program.clone());
    let (up, down) = (record::Direction::Up, record::Direction::Down);
    assert_eq!(budgets(session(), up), [true, true]);
    assert_eq!(budgets(client(), up), [false, true]);
    assert_eq!(budgets(client(), down), [true, false]);
    assert_eq!(budgets(session().about(Subject::Client, "x"), up), [false, false]);
}
