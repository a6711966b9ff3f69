//! `longhaul prove` for a third-party program. longhaul is the other end of its transfers.
//!
//! The program runs once for each size of the body and each round, at full speed. If it sends the body, it then runs
//! with a slow reader, and once with a reader that stands still for a time. [`analyse::Proof`] judges the memory of its
//! processes.

use analyse::Verdict;
use record::{ByteSize, Case, DEFAULT_SEED, Direction, PayloadKind, Protocol, SinkKind, Subject};
use subject::{Bodies, BodiesError, ClientProgram, CommandLine, SeriesProgram};

use super::{
    listener,
    prove::{STALLED_ROUNDS, close, expected_slow, slowed, stalled},
};
use crate::{
    exit::Usage,
    expectation::Expectation,
    flags::{Defaults, ProveArgs},
    recording::Recording,
};

/// The default number of rounds of a series: three rounds of three sizes suffice for a confidence interval.
const ROUNDS: u32 = 3;

/// Runs `longhaul prove` for a third-party program.
pub(super) fn main(args: &ProveArgs) -> anyhow::Result<Verdict> {
    match &args.listener.role() {
        Some(role) => listener::main(args, role),
        None if args.client => prove_client(args),
        None => prove_series(args),
    }
}

/// Proves any program whose input has a size.
fn prove_series(args: &ProveArgs) -> anyhow::Result<Verdict> {
    let command = CommandLine::of_series(args.command.clone()).map_err(Usage::new)?;
    command.check_program().map_err(Usage::new)?;
    let of_size = |body: &ByteSize| {
        let mut case = Case::new(Subject::Program.to_string());
        (case.body, case.spin) = (*body, None);
        case
    };
    let cases: Vec<Case> = args.series().iter().map(of_size).collect();
    let rounds = args.runs.session.rounds.unwrap_or(ROUNDS);
    let expected = Expectation::of(&cases, rounds);
    if args.runs.session.list {
        return super::bench::list(&cases, expected);
    }
    let mut recording = Recording::begin(&args.runs.session, &cases, expected)?;
    recording.limit_slopes(args.slope_limit());
    recording.declare_subject(Subject::Program, &command.to_string());
    let program = SeriesProgram::new(command, args.runs.session.timeout);
    recording.run_until_decided(&program, &cases, rounds)?;
    close(recording, false)
}

/// Proves a client.
fn prove_client(args: &ProveArgs) -> anyhow::Result<Verdict> {
    let command = CommandLine::of_client(args.command.clone()).map_err(Usage::new)?;
    command.check_program().map_err(Usage::new)?;
    let asked = args.runs.reader_rate;
    let mut fast = args.runs.cases(&Defaults::PROVE_SUBJECT)?;
    fast.iter_mut().for_each(|case| (case.reader_rate, case.spin) = (None, None));
    fast.iter().try_for_each(check)?;
    let uploads: Vec<Case> = fast.iter().filter(|case| case.direction == Direction::Up).cloned().collect();
    check_client(args, &uploads)?;
    let rounds = args.runs.rounds(&Defaults::PROVE_SUBJECT);
    let still = stalled(&uploads, args.stall());
    let of_still = Expectation::of(&still, STALLED_ROUNDS);
    let expected = Expectation::of(&fast, rounds).and(expected_slow(&uploads, asked, rounds)).and(of_still);
    if args.runs.session.list {
        return super::bench::list(&[fast, still].concat(), expected);
    }
    let mut recording = Recording::begin(&args.runs.session, &fast, expected)?;
    recording.limit_slopes(args.slope_limit());
    recording.declare_subject(Subject::Client, &command.to_string());
    let bodies = command.needs_file().then(|| write_bodies(&recording, &uploads)).transpose()?;
    let client = ClientProgram::new(command, args.runs.session.timeout).uploading(bodies);
    recording.run_until_decided(&client, &fast, rounds)?;
    let records = recording.records()?;
    let slow: Vec<Case> = uploads.iter().filter_map(|case| slowed(case, asked, &records)).collect();
    recording.expect(Expectation::of(&slow, rounds).and(of_still));
    recording.run_until_decided(&client, &slow, rounds)?;
    recording.run_until_decided(&client, &still, STALLED_ROUNDS)?;
    close(recording, false)
}

/// Refuses axes that third-party programs do not have, because only longhaul's own ends do.
pub(super) fn check(case: &Case) -> Result<(), Usage> {
    let protocol = &case.protocol;
    if Protocol::by_name(protocol).is_some_and(|row| !row.is_http()) {
        return Err(Usage::new(format!("--protocol {protocol}: a client of yours needs one over HTTP")));
    }
    let refused = [
        ("--connections and --streams", case.bodies() != 1),
        ("--payload", case.payload != PayloadKind::Random),
        ("--sink", case.sink != SinkKind::Verify),
        ("--limit-rate", case.limit_rate.is_some()),
    ];
    match refused.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => {
            Err(Usage::new(format!("{flag}: not for a program of yours; its command line decides")))
        }
        None => Ok(()),
    }
}

/// Refuses flags of the body that a client does not heed: its files have the default seed, and it divides its uploads
/// into chunks by itself.
fn check_client(args: &ProveArgs, uploads: &[Case]) -> Result<(), Usage> {
    if args.runs.names_chunks() && !uploads.is_empty() {
        let reason =
            "a client of yours decides the chunks of its uploads; leave it out, or use --direction down";
        return Err(Usage::new(format!("--chunk-size: {reason}")));
    }
    match uploads.iter().find(|case| case.seed != DEFAULT_SEED) {
        Some(case) => {
            let reason = "the files for a client of yours have the default seed; leave it out";
            Err(Usage::new(format!("--seed {}: {reason}", case.seed)))
        }
        None => Ok(()),
    }
}

/// Writes files with the bodies for the client into the folder of results.
fn write_bodies(recording: &Recording<'_>, uploads: &[Case]) -> anyhow::Result<Bodies> {
    let mut sizes: Vec<ByteSize> = uploads.iter().map(|case| case.body).collect();
    sizes.sort_unstable();
    sizes.dedup();
    Bodies::write(&recording.folder(), &sizes).map_err(|error| match error {
        BodiesError::NoRoom { .. } => Usage::new(error).into(),
        error => error.into(),
    })
}
