//! `longhaul prove` for a third-party server or proxy. longhaul is the client, and also the server behind a proxy.

use std::collections::{BTreeMap, BTreeSet};

use analyse::Verdict;
use record::{ByteSize, Case, DEFAULT_SEED, Direction, Purpose, Rate, Subject, redacted_url};
use run::Executor;
use subject::{CommandLine, Endpoints, ProxyProgram, ServerProgram, Source};

use super::{
    prove::{STALLED_ROUNDS, close, expected_slow, slowed, stalled},
    subject::check,
};
use crate::{
    exit::Usage,
    expectation::Expectation,
    flags::{Defaults, ListenerRole, ProveArgs},
    recording::Recording,
};

/// Both directions, which are the default if there is a URL for downloads.
const BOTH: &[Direction] = &[Direction::Up, Direction::Down];

/// Runs `longhaul prove` for a server or a proxy.
pub(super) fn main(args: &ProveArgs, role: &ListenerRole<'_>) -> anyhow::Result<Verdict> {
    let endpoints = role.endpoints().map_err(Usage::new)?;
    let options = args.client_options()?;
    let readers = Readers::of(args, role, &endpoints)?;
    let rounds = args.runs.rounds(&Defaults::PROVE_SUBJECT);
    let asked = args.runs.reader_rate;
    let expected = readers.expectation(asked, rounds);
    if args.runs.session.list {
        return super::bench::list(&[readers.fast, readers.stalled].concat(), expected);
    }
    let (source, peer) = source(args, role, &endpoints)?;
    let length = args.listener.content_length;
    let (program, subject): (Box<dyn Executor>, _) = match *role {
        ListenerRole::Server { .. } => {
            let server = ServerProgram::new(source, endpoints, options).announcing_length(length);
            (Box::new(server), Subject::Server)
        }
        ListenerRole::Proxy { upstream, .. } => {
            let proxy = ProxyProgram::new(source, endpoints, upstream, options).announcing_length(length);
            (Box::new(proxy), Subject::Proxy)
        }
    };
    let mut recording = Recording::begin(&args.runs.session, &readers.fast, expected)?;
    recording.limit_slopes(args.slope_limit());
    recording.declare_subject(subject, &peer);
    let lives_on = args.listener.watch.is_some();
    run(&mut recording, program.as_ref(), &readers.fast, rounds, lives_on)?;
    let records = recording.records()?;
    let slow: Vec<Case> = readers.to_slow.iter().filter_map(|case| slowed(case, asked, &records)).collect();
    let of_stalled = Expectation::of(&readers.stalled, STALLED_ROUNDS);
    recording.expect(Expectation::of(&slow, rounds).and(of_stalled));
    run(&mut recording, program.as_ref(), &slow, rounds, lives_on)?;
    run(&mut recording, program.as_ref(), &readers.stalled, STALLED_ROUNDS, lives_on)?;
    close(recording, false)
}

/// The cases of a proof, by the reader of their bodies.
struct Readers {
    /// The cases with a fast reader.
    fast: Vec<Case>,
    /// The fast cases that run again with a slow reader, whose rate follows from their goodput.
    to_slow: Vec<Case>,
    /// The cases whose reader stands still for a time.
    stalled: Vec<Case>,
}

impl Readers {
    fn of(args: &ProveArgs, role: &ListenerRole<'_>, endpoints: &Endpoints) -> anyhow::Result<Self> {
        let fast = cases(args, endpoints)?;
        let (to_slow, to_stall) = match role {
            ListenerRole::Server { .. } => {
                let down = of_direction(&fast, Direction::Down);
                (down.clone(), down)
            }
            // The reader behind a proxy stands still in each run, until the proxy has absorbed what it can.
            ListenerRole::Proxy { .. } if has_process(args) => (Vec::new(), fast.clone()),
            // Without known processes, only the absorbed bytes over all sizes are known, and a stalled reader adds
            // nothing.
            ListenerRole::Proxy { .. } => (Vec::new(), Vec::new()),
        };
        Ok(Self { stalled: stalled(&to_stall, args.stall()), fast, to_slow })
    }

    fn expectation(&self, asked: Option<Rate>, rounds: u32) -> Expectation {
        Expectation::of(&self.fast, rounds)
            .and(expected_slow(&self.to_slow, asked, rounds))
            .and(Expectation::of(&self.stalled, STALLED_ROUNDS))
    }
}

/// Returns whether the processes of the program are known.
fn has_process(args: &ProveArgs) -> bool {
    args.listener.watch.is_some() || !args.command.is_empty()
}

/// Runs the cases. A process that outlives its runs may keep the memory of a large body, which would hide growth over
/// sizes. With such a process, each size runs in all its rounds before the next larger size.
fn run(
    recording: &mut Recording<'_>,
    program: &dyn Executor,
    cases: &[Case],
    rounds: u32,
    lives_on: bool,
) -> anyhow::Result<()> {
    if !lives_on {
        return recording.run_until_decided(program, cases, rounds);
    }
    of_each_size(cases).iter().for_each(|cases| recording.run_by(program, cases, rounds, Purpose::Measure));
    Ok(())
}

/// Returns the cases of each size, the smallest first.
fn of_each_size(cases: &[Case]) -> Vec<Vec<Case>> {
    let mut by_size: BTreeMap<ByteSize, Vec<Case>> = BTreeMap::new();
    cases.iter().for_each(|case| by_size.entry(case.body).or_default().push(case.clone()));
    by_size.into_values().collect()
}

fn of_direction(cases: &[Case], direction: Direction) -> Vec<Case> {
    cases.iter().filter(|case| case.direction == direction).cloned().collect()
}

/// Returns the cases at full speed.
fn cases(args: &ProveArgs, endpoints: &Endpoints) -> anyhow::Result<Vec<Case>> {
    let directions = if endpoints.gives_bodies() { BOTH } else { Defaults::PROVE_SUBJECT.directions };
    let mut cases = args.runs.cases(&Defaults { directions, ..Defaults::PROVE_SUBJECT })?;
    let protocol = endpoints.protocol().map_err(Usage::new)?;
    for case in &mut cases {
        (case.reader_rate, case.spin) = (None, None);
        if !args.runs.names_protocols() {
            case.protocol = protocol.name.to_owned();
        }
        check(case)?;
        endpoints.target(case, Some(1)).map_err(Usage::new)?;
    }
    let down = of_direction(&cases, Direction::Down);
    if !endpoints.gives_bodies() && !down.is_empty() {
        return Err(Usage::new("--direction down: name a URL that gives bodies, too (--download)").into());
    }
    let sizes: BTreeSet<ByteSize> = down.iter().map(|case| case.body).collect();
    if sizes.len() > 1 && !endpoints.has_size() {
        let reason = "--download: its URL has no {size}, so only one size can be asked for (--size)";
        return Err(Usage::new(reason).into());
    }
    if down.iter().any(|case| case.seed != DEFAULT_SEED) && !endpoints.has_seed() {
        let reason = "a server of yours decides the content of its downloads; use --direction up";
        return Err(Usage::new(format!("--seed: {reason}")).into());
    }
    Ok(cases)
}

/// Returns the source of the program, and its name in records.
fn source(
    args: &ProveArgs,
    role: &ListenerRole<'_>,
    endpoints: &Endpoints,
) -> anyhow::Result<(Source, String)> {
    let port_is_open = endpoints.needs_port();
    if !args.command.is_empty() {
        let command = CommandLine::of_server(args.command.clone(), port_is_open).map_err(Usage::new)?;
        command.check_program().map_err(Usage::new)?;
        let (peer, ready) = (command.to_string(), args.listener.ready.clone().unwrap_or_default());
        return Ok((Source::started(command, ready), peer));
    }
    if port_is_open {
        let reason = "{port} is for a program that longhaul starts; name the port of one that runs already";
        return Err(Usage::new(reason).into());
    }
    let source = match (args.listener.watch, role) {
        (Some(pid), _) => {
            Source::running(pid).map_err(|error| Usage::new(format!("--watch {pid}: {error}")))?
        }
        (None, ListenerRole::Proxy { .. }) => Source::unknown(),
        (None, ListenerRole::Server { .. }) => {
            let reason = "--server: name its process (--watch PID), or a command that starts it after --";
            return Err(Usage::new(reason).into());
        }
    };
    Ok((source, redacted_url(role.url())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_lives_on_runs_the_smallest_size_first() {
        let case = |gib: u64, protocol: &str| {
            let mut case = Case::new(protocol);
            case.body = ByteSize(gib << 30);
            case
        };
        let cases = [case(4, "h1c"), case(1, "h1c"), case(4, "h2c")];
        let sizes: Vec<Vec<u64>> = of_each_size(&cases)
            .iter()
            .map(|group| group.iter().map(|case| case.body.0 >> 30).collect())
            .collect();
        assert_eq!(sizes, [vec![1], vec![4, 4]]);
    }
}
