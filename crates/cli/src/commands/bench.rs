//! `longhaul bench`: runs a matrix on this machine, and measures both ends.

use std::borrow::Cow;

use analyse::{Analysis, Verdict};
use client::ControlResource;
use record::{Case, PayloadKind, Purpose, SinkKind};
use run::{Budget, machine};
use subject::peers::Peer;

use crate::{
    exit::Usage,
    expectation::Expectation,
    flags::{BenchArgs, Defaults, RunArgs},
    output::{note, print, stderr_line, stdout_screen},
    recording::{PeerRuns, Recording, Run, peer_host},
    save_folder,
};

/// Runs `longhaul bench`.
pub(super) fn main(args: &BenchArgs) -> anyhow::Result<Verdict> {
    let (peers, cases) = (args.peers()?, args.cases()?);
    let resource = args.peer_host(&cases)?;
    let args = &args.runs;
    if args.explain_memory {
        return explain_memory(&cases);
    }
    if !peers.is_empty() {
        cases.iter().try_for_each(check)?;
    }
    let of_peers: Vec<PeerRuns> = peers.iter().map(|peer| runs_of(peer, &cases, args)).collect();
    let rounds = args.rounds(&Defaults::BENCH);
    let expected = |rounds| {
        of_peers.iter().fold(Expectation::of(&cases, rounds), |expected, runs| {
            expected.and(Expectation::of(&runs.cases, rounds))
        })
    };
    if args.session.list {
        let all = expected(rounds.saturating_add(args.session.warmup));
        return list_all(&cases, &of_peers, &format!("{all}{}", args.session.listed()));
    }
    let expected = expected(rounds);
    save_folder::prepare(&cases)?;
    let mut recording = begin(args, resource, &cases, &of_peers, expected)?;
    match of_peers.is_empty() {
        _ if recording.is_complete() => {}
        true => recording.run(&cases, rounds, Purpose::Measure)?,
        false => {
            recording.warn_of(machine::warnings_beside_others());
            recording.run_beside(&cases, of_peers, rounds)?
        }
    }
    conclude(recording)
}

/// Begins a session, or continues one. The host of the server ends is reached before a new session has a folder, and
/// only if runs are left.
fn begin<'a>(
    args: &'a RunArgs,
    resource: Option<ControlResource>,
    cases: &[Case],
    of_peers: &[PeerRuns],
    expected: Expectation,
) -> anyhow::Result<Recording<'a>> {
    let session = &args.session;
    let reach = || resource.map(|resource| peer_host::reach(resource, session)).transpose();
    let Some(folder) = &session.continued else {
        let host = reach()?;
        let mut recording = Recording::begin(session, cases, expected)?;
        recording.run_servers_on(host)?;
        return Ok(recording);
    };
    let rounds = args.rounds(&Defaults::BENCH);
    let mut recording = Recording::resume(session, folder, &runs(cases, of_peers), rounds, expected)?;
    if !recording.is_complete() {
        recording.run_servers_on(reach()?)?;
    }
    Ok(recording)
}

/// Prints the results of a session, and names the command that continues an interrupted one.
fn conclude(recording: Recording<'_>) -> anyhow::Result<Verdict> {
    let records = recording.records()?;
    let analysis = Analysis::of(&records);
    let text = match recording.prints_json() {
        true => analysis.findings.iter().map(|finding| format!("{finding}\n")).collect(),
        false => analyse::table(&analysis, &stdout_screen()) + &analyse::answer(&analysis, &stdout_screen()),
    };
    let folder = recording.results().filter(|_| !records.is_empty());
    let verdict = recording.close("longhaul bench", &records, &analysis, &text, analysis.verdict())?;
    if let Some(folder) = folder.filter(|_| verdict == Verdict::Interrupted) {
        let folder = folder.to_string_lossy();
        let quoted = shlex::try_quote(&folder).unwrap_or(Cow::Borrowed(&folder));
        stderr_line(format_args!("continue with: longhaul bench --resume {quoted}"));
    }
    Ok(verdict)
}

/// Returns the runs of each round: those of longhaul's own ends, and those of other programs.
fn runs<'c>(cases: &'c [Case], of_peers: &'c [PeerRuns]) -> Vec<Run<'c>> {
    let own = cases.iter().map(|case| Run { case, peer: None });
    let beside = of_peers
        .iter()
        .flat_map(|runs| runs.cases.iter().map(|case| Run { case, peer: Some(runs.peer.name().to_owned()) }));
    own.chain(beside).collect()
}

/// Refuses axes that peers do not have, because only longhaul's own ends do.
fn check(case: &Case) -> Result<(), Usage> {
    let refused = [
        ("--connections and --streams", case.bodies() != 1),
        ("--payload", case.payload != PayloadKind::Random),
        ("--seed", case.seed != record::DEFAULT_SEED),
        ("--sink", !matches!(case.sink, SinkKind::Verify | SinkKind::Discard)),
        ("--reader-rate", case.reader_rate.is_some()),
        ("--limit-rate", case.limit_rate.is_some()),
        ("--network", case.network.is_some()),
    ];
    match refused.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(Usage::new(format!("{flag}: not with --peer, whose command line decides"))),
        None => Ok(()),
    }
}

/// Returns the runs of a peer: the cases whose protocol and direction it supports. Prints a note on those that are left
/// out.
fn runs_of(peer: &Peer, cases: &[Case], args: &RunArgs) -> PeerRuns {
    let is_asked = |protocol: &record::Protocol| {
        // A program of the user runs with the protocols that the user names, and by default with HTTP/1.1 only.
        !peer.is_custom() || args.names_protocols() || !protocol.has_streams()
    };
    let has_protocol = |case: &&Case| {
        let row = record::Protocol::by_name(&case.protocol);
        row.is_some_and(|row| peer.speaks(row) && is_asked(row))
    };
    let http = cases
        .iter()
        .filter(|case| record::Protocol::by_name(&case.protocol).is_some_and(|row| row.is_http()));
    let (spoken, unspoken): (Vec<&Case>, Vec<&Case>) = http.partition(has_protocol);
    let (carried, unmoved): (Vec<&Case>, Vec<&Case>) =
        spoken.into_iter().partition(|case| peer.carries(case.direction));
    let chunk = cases.first().map(|case| case.chunk);
    let (kept, same): (Vec<&Case>, Vec<&Case>) =
        carried.into_iter().partition(|case| !peer.sends(case.direction) || Some(case.chunk) == chunk);
    if !args.session.quiet {
        let protocols: Vec<String> = unspoken.iter().map(|case| case.protocol.clone()).collect();
        note_on(peer, "does not speak", protocols);
        note_on(
            peer,
            "does not carry bodies",
            unmoved.iter().map(|case| case.direction.to_string()).collect(),
        );
        let chunks = same.iter().map(|case| format!("{} bodies", case.direction)).collect();
        note_on(peer, "has one row for all chunk sizes, because it sends the", chunks);
    }
    PeerRuns::new(peer.clone(), kept.into_iter().cloned().collect())
}

/// Prints a note on what a peer does not do, if there is anything.
fn note_on(peer: &Peer, what: &str, mut which: Vec<String>) {
    which.sort_unstable();
    which.dedup();
    if !which.is_empty() {
        note(&format!("{peer} {what} {}", which.join(", ")));
    }
}

/// Prints the names of the cases, and the expected time.
pub(super) fn list(cases: &[Case], expected: Expectation) -> anyhow::Result<Verdict> {
    list_all(cases, &[], &expected.to_string())
}

/// Prints the names of all cases, and a line on all runs.
fn list_all(cases: &[Case], of_peers: &[PeerRuns], expected: &str) -> anyhow::Result<Verdict> {
    cases.iter().try_for_each(|case| print(&format!("{}\n", case.key())))?;
    let mut count = cases.len();
    for runs in of_peers {
        runs.cases.iter().try_for_each(|case| print(&format!("{} {}\n", case.key(), runs.peer)))?;
        count += runs.cases.len();
    }
    print(&format!("{}, {expected}\n", record::counted(count, "case")))?;
    Ok(Verdict::Good)
}

/// Prints the budgets of both ends of each case, term by term.
pub(super) fn explain_memory(cases: &[Case]) -> anyhow::Result<Verdict> {
    cases.iter().try_for_each(|case| print(&Budget::explain(case)))?;
    Ok(Verdict::Good)
}
