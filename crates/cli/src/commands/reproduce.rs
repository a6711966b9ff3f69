//! `longhaul reproduce`: repeats the runs of a set of records on this machine, and says which claims hold here.

use std::{collections::HashSet, path::Path};

use analyse::{Analysis, Reproduction, Verdict, reproduction_text};
use record::{Case, MAX_STREAMS, PayloadKind, Purpose, RECORD_FILES, Record, SinkKind};

use super::bench::list;
use crate::{
    exit::Usage,
    expectation::Expectation,
    flags::{MAX_CONNECTIONS, ReproduceArgs},
    input::read,
    output::stderr_line,
    recording::Recording,
};

/// The fewest rounds whose ratios have an interval of 95 %.
const FEWEST: u32 = 6;

/// Runs `longhaul reproduce`.
pub(super) fn main(args: &ReproduceArgs) -> anyhow::Result<Verdict> {
    let there = read(&args.records).map_err(|error| with_folders(error, &args.records))?;
    let cases = cases(&there);
    if cases.is_empty() {
        let reason = format!("{} has no run that can be repeated", args.records.display());
        return Err(Usage::new(reason).into());
    }
    let rounds = args.session.rounds.unwrap_or_else(|| rounds(&there).max(FEWEST));
    let expected = Expectation::of(&cases, rounds);
    if args.session.list {
        return list(&cases, expected);
    }
    let mut recording = Recording::begin(&args.session, &cases, expected)?;
    recording.run(&cases, rounds, Purpose::Measure)?;
    let here = recording.records()?;
    let (analysis, reproduction) = (Analysis::of(&here), Reproduction::of(&there, &here, args.within));
    let verdict = analysis.verdict().min(reproduction.verdict());
    let title = format!("longhaul reproduce {}", args.records.display());
    recording.close(&title, &here, &analysis, &reproduction_text(&reproduction), verdict)
}

/// Returns the cases of the measured runs, in their order. Prints a note on each case that is left out, with the
/// reason.
fn cases(records: &[Record]) -> Vec<Case> {
    let (mut known, mut cases) = (HashSet::new(), Vec::new());
    for record in records.iter().filter(|record| is_own(record)) {
        if !known.insert(record.case.key()) {
            continue;
        }
        match obstacle(record) {
            None => cases.push(record.case.clone()),
            Some(obstacle) => {
                stderr_line(format_args!("note: {} is left out: {obstacle}", record.case.key()))
            }
        }
    }
    cases
}

/// Returns whether a run is a measurement of longhaul's own ends. A run with a peer has the case of a run without one.
fn is_own(record: &Record) -> bool {
    record.peer_program.is_none() && record.purpose != Some(Purpose::Control)
}

/// Returns the reason why a case cannot be run again, or `None` if it can. Records may come from anybody, so no record
/// decides which files this program reads or writes, or how many connections it makes.
fn obstacle(record: &Record) -> Option<&'static str> {
    let case = &record.case;
    let is_local = record.peer.is_none();
    match (&case.payload, &case.sink) {
        _ if !is_local => Some("one of its ends was another program"),
        _ if record.peer_host.is_some() => Some("its ends were on two machines"),
        (PayloadKind::File(_) | PayloadKind::Stdin | PayloadKind::Form, _) => Some("its body was a file"),
        (_, SinkKind::Save(_)) => Some("it saved its body in a file"),
        (_, SinkKind::Collect | SinkKind::Keep(_)) => Some("it is a control"),
        _ if case.connections > MAX_CONNECTIONS
            || case.streams > MAX_STREAMS
            || !(1..=case.connections).contains(&case.threads) =>
        {
            Some("it has too many connections, streams or threads")
        }
        _ if transport::by_name(&case.protocol).is_none() => Some("this version does not know the protocol"),
        _ => None,
    }
}

/// Returns the number of records of the first case that can be run again.
fn rounds(records: &[Record]) -> u32 {
    let can_repeat = |record: &&Record| is_own(record) && obstacle(record).is_none();
    let mut keys = records.iter().filter(can_repeat).map(|record| record.case.key());
    let Some(first) = keys.next() else { return 0 };
    u32::try_from(1 + keys.filter(|key| *key == first).count()).unwrap_or(u32::MAX)
}

/// Returns the error, with the folders below `path` that contain records.
fn with_folders(error: Usage, path: &Path) -> Usage {
    let has_records = |folder: &Path| RECORD_FILES.iter().any(|file| folder.join(file).exists());
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<String> =
        entries.filter(|folder| has_records(folder)).map(|folder| folder.display().to_string()).collect();
    folders.sort();
    if folders.is_empty() { error } else { Usage::new(format!("{error}; there are {}", folders.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(edit: impl FnOnce(&mut Record)) -> Record {
        let mut record = Record::new("some", Case::new("h2"));
        edit(&mut record);
        record
    }

    #[test]
    fn each_case_is_run_once_and_none_that_names_a_file() {
        let records = [
            record(|record| {
                let curl = record::PeerProgram { version: None, command: "curl".into() };
                (record.peer, record.peer_program) = (Some("curl".into()), Some(curl));
            }),
            record(|_| ()),
            record(|record| record.round = 1),
            record(|record| record.purpose = Some(Purpose::Control)),
            record(|record| record.case.payload = PayloadKind::File("/etc/passwd".into())),
            record(|record| record.case.sink = SinkKind::Save("/etc".into())),
            record(|record| record.case.connections = u32::MAX),
            record(|record| record.case.protocol = "h4".into()),
            record(|record| record.peer = Some("https://example.org/".into())),
            record(|record| {
                record.case.streams = 2;
                record.peer_host = Some(record::Host::default().into());
            }),
        ];
        let cases = cases(&records);
        assert_eq!(cases.len(), 1, "{cases:?}");
        assert_eq!((rounds(&records), rounds(&records[..1])), (2, 0));
    }
}
