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
    // A run with a peer is left out, because a run with longhaul's own ends has the same case.
    let is_own = |record: &&Record| record.peer_program.is_none() && record.purpose != Some(Purpose::Control);
    for record in records.iter().filter(is_own) {
        if !known.insert(record.case.key()) {
            continue;
        }
        match obstacle(record) {
            None => cases.push(record.case.clone()),
            Some(obstacle) => eprintln!("note: {} is left out: {obstacle}", record.case.key()),
        }
    }
    cases
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

/// Returns the number of records of the first case.
fn rounds(records: &[Record]) -> u32 {
    let first = records.first().map(|record| record.case.key());
    let same = records.iter().filter(|record| Some(record.case.key()) == first);
    u32::try_from(same.count()).unwrap_or(u32::MAX)
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
        assert_eq!(rounds(&records), 4);
    }
}
