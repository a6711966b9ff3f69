//! The facts about whole sessions that their records state: an early end, missing runs, and warnings of the machine.

use std::collections::BTreeMap;

use record::{Record, Warning};

/// The records of one session, in their order.
#[derive(Default)]
struct SessionRecords<'a> {
    records: Vec<&'a Record>,
}

/// Returns a sentence if sessions have fewer records than they planned runs: "Interrupted: 2 of 12 runs." It begins
/// with "Incomplete" if all these sessions had a time limit. If all of them are sessions of `bench`, it says how the
/// others are made.
pub(crate) fn interruption(records: &[Record]) -> Option<String> {
    let (mut made, mut planned, mut by_time, mut of_bench) = (0, 0, true, true);
    for session in sessions(records) {
        let Some(all) = session.planned_runs_of_an_early_end() else { continue };
        (made, planned) = (made + session.records.len() as u64, planned + all);
        by_time &= session.has_flag("--max-time");
        of_bench &= session.command() == Some("bench");
    }
    let word = if by_time { "Incomplete" } else { "Interrupted" };
    let remedy = if of_bench { "; bench --resume makes the others" } else { "" };
    (planned > 0).then(|| format!("{word}: {made} of {planned} runs{remedy}."))
}

/// Returns whether a session of `prove` ended before all its planned runs.
pub(crate) fn lacks_runs_of_proof(records: &[Record]) -> bool {
    let is_early = |session: &SessionRecords<'_>| session.planned_runs_of_an_early_end().is_some();
    sessions(records).iter().any(|session| session.command() == Some("prove") && is_early(session))
}

/// Returns a remark if sessions have gaps before their last record: the records are a selection of their runs.
pub(crate) fn selection(records: &[Record]) -> Option<String> {
    let selections: Vec<_> = sessions(records).into_iter().filter(SessionRecords::is_selection).collect();
    let selected: usize = selections.iter().map(|session| session.records.len()).sum();
    let made: u64 = selections.iter().map(SessionRecords::recorded).sum();
    (selected > 0).then(|| format!("these are {selected} runs of a session of at least {made}"))
}

/// Returns the warnings of all sessions, once for each condition. A warning of some sessions only begins with their
/// number.
pub(crate) fn warnings(records: &[Record]) -> Vec<String> {
    let sessions = sessions(records);
    let mut known: Vec<(&Warning, usize)> = Vec::new();
    for session in &sessions {
        for warning in session.records.first().iter().flat_map(|record| &record.warnings) {
            match known.iter_mut().find(|(known, _)| known.name == warning.name) {
                Some((_, count)) => *count += 1,
                None => known.push((warning, 1)),
            }
        }
    }
    known.iter().map(|(warning, count)| in_sessions(warning.to_string(), *count, sessions.len())).collect()
}

/// Returns a warning of `some` of `all` sessions. It begins with their number unless all have it.
pub(crate) fn in_sessions(warning: String, some: usize, all: usize) -> String {
    if some < all { format!("in {some} of {all} sessions, {warning}") } else { warning }
}

fn sessions(records: &[Record]) -> Vec<SessionRecords<'_>> {
    let mut sessions: BTreeMap<&str, SessionRecords<'_>> = BTreeMap::new();
    for record in records {
        sessions.entry(&record.run_id).or_default().records.push(record);
    }
    sessions.into_values().collect()
}

impl SessionRecords<'_> {
    /// Returns the number of planned runs if the session has fewer records; `None` otherwise. A session may change its
    /// plan: its last record has the final number.
    fn planned_runs_of_an_early_end(&self) -> Option<u64> {
        let planned = self.records.last().and_then(|record| record.planned_runs);
        let is_early =
            |all: &u64| *all > self.records.len() as u64 && !self.may_leave_out() && !self.is_selection();
        planned.filter(is_early)
    }

    /// Returns whether the session may leave out planned runs. A session whose runs all fail ends early. A proof with a
    /// failed run may leave out others: its runs with a slow reader need the goodput of a successful run.
    fn may_leave_out(&self) -> bool {
        let mut failed = self.records.iter().map(|record| !record.is_ok());
        if self.command() == Some("prove") {
            failed.any(|failed| failed)
        } else {
            failed.all(|failed| failed)
        }
    }

    /// Returns the number of runs that the session recorded, as far as these records tell.
    fn recorded(&self) -> u64 {
        self.records
            .iter()
            .filter_map(|record| record.sequence)
            .max()
            .map_or(0, |last| last.saturating_add(1))
    }

    /// Returns whether the session made records before its last one here that are missing. An interruption leaves no
    /// such gap.
    fn is_selection(&self) -> bool {
        self.recorded() > self.records.len() as u64
    }

    fn command(&self) -> Option<&str> {
        self.words().nth(1)
    }

    fn has_flag(&self, flag: &str) -> bool {
        self.words().any(|word| word.split('=').next() == Some(flag))
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let command = self.records.first().and_then(|record| record.command.as_deref());
        command.unwrap_or_default().split_whitespace()
    }
}

#[cfg(test)]
mod tests {
    use record::FaultKind;

    use super::*;
    use crate::tests::{failed, run, with};

    fn planned(runs: u64, record: Record) -> Record {
        with(record, |record| record.planned_runs = Some(runs))
    }

    fn resumable(begin: &str) -> Option<String> {
        Some(format!("{begin}; bench --resume makes the others."))
    }

    #[test]
    fn a_session_with_fewer_records_than_planned_runs_was_interrupted() {
        let of = |runs| planned(runs, run("h2"));
        assert_eq!(interruption(&[run("h2")]), None, "records of earlier versions");
        assert_eq!(interruption(&[of(2), of(2)]), None);
        assert_eq!(interruption(&[of(2), of(2), of(2)]), None, "more runs for a precision");
        assert_eq!(interruption(&[of(12), of(12)]), resumable("Interrupted: 2 of 12 runs"));
        let other = with(of(3), |record| record.run_id = "other".into());
        assert_eq!(interruption(&[of(1), other]), resumable("Interrupted: 1 of 3 runs"));
    }

    #[test]
    fn a_time_limit_is_no_interruption_and_failed_runs_shorten_a_proof() {
        let by = |command: &str, record: Record| {
            planned(3, with(record, |record| record.command = Some(command.into())))
        };
        let limited = by("longhaul bench --max-time=10s", run("h2"));
        assert_eq!(interruption(&[limited]), resumable("Incomplete: 1 of 3 runs"));
        let proof = by("longhaul prove", failed("h2", FaultKind::Timeout));
        assert_eq!(interruption(&[proof]), None);
        let proof = by("longhaul prove", run("h2"));
        assert_eq!(interruption(&[proof]).unwrap(), "Interrupted: 1 of 3 runs.");
        let (failed, ran) =
            (by("longhaul bench", failed("h2", FaultKind::Timeout)), by("longhaul bench", run("h2")));
        assert_eq!(interruption(&[failed.clone(), failed.clone()]), None, "it ended because all failed");
        assert_eq!(interruption(&[failed, ran]), resumable("Interrupted: 2 of 3 runs"));
    }

    #[test]
    fn a_selection_of_runs_is_no_interruption() {
        let numbered = |numbers: &[u64]| -> Vec<Record> {
            let of = |number: &u64| with(planned(12, run("h2")), |record| record.sequence = Some(*number));
            numbers.iter().map(of).collect()
        };
        let (early, selected) = (numbered(&[0, 1, 2]), numbered(&[1, 4, 11]));
        assert_eq!(interruption(&early), resumable("Interrupted: 3 of 12 runs"));
        assert_eq!(selection(&early), None);
        assert_eq!(interruption(&selected), None);
        assert_eq!(selection(&selected).unwrap(), "these are 3 runs of a session of at least 12");
        assert_eq!(selection(&[run("h2")]), None, "records of earlier versions");
    }

    #[test]
    fn a_warning_is_given_once_with_the_number_of_its_sessions() {
        let warned = |session: &str, percent: u32| {
            with(run("h2"), |record| {
                record.run_id = session.into();
                let observed = format!("other processes used {percent} % of the CPU");
                record.warnings = vec![Warning::new("load", observed, "noisier figures")];
            })
        };
        let one = "other processes used 5 % of the CPU. Expect noisier figures.";
        assert_eq!(warnings(&[warned("a", 5), warned("a", 5)]), [one]);
        let three = [warned("a", 5), warned("b", 7), with(run("h2"), |record| record.run_id = "c".into())];
        assert_eq!(warnings(&three), [format!("in 2 of 3 sessions, {one}")]);
        assert_eq!(warnings(&[warned("a", 5), warned("b", 7)]), [one]);
        assert!(warnings(&[run("h2")]).is_empty());
    }
}
