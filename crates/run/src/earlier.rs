//! The recorded runs of an interrupted session, which a later invocation of the program continues.

use std::collections::{BTreeMap, HashMap};

use record::{Build, CaseKey, Host, Record, Schedule};

use crate::HostFacts;

/// The recorded rounds of a case with their goodputs in bytes per second. A failed run has no goodput.
pub(crate) type RecordedRounds = BTreeMap<u32, Option<f64>>;

/// An interrupted session, read from its records: the facts that further records share, and the runs already made. A
/// failed run is a result and counts as made.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub(crate) run_id: String,
    pub(crate) command: Option<String>,
    pub(crate) schedule: Schedule,
    planned_runs: Option<u64>,
    place: Place,
    /// The machine and the build of the servers' ends, if these ran on another host.
    peer_place: Option<Place>,
    runs: HashMap<(CaseKey, Option<String>), RecordedRounds>,
}

/// The machine and the build of the program that ran ends of a session.
#[derive(Clone, Debug)]
struct Place {
    host: Host,
    build: Build,
}

/// The reason why a session cannot continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// There are no records.
    #[error("there is no record that says how the session began")]
    Empty,
    /// The records belong to several sessions.
    #[error("there are records of several sessions; use the folder of one")]
    Mixed,
    /// The records do not state the order of the runs.
    #[error("an earlier version of longhaul made the records, which do not state the order of the runs")]
    NoOrder,
    /// The session began on another machine.
    #[error("the session began on {there}, and this is {here}; begin a new session")]
    Machine {
        /// The machine that the records name.
        there: String,
        /// This machine.
        here: String,
    },
    /// The session began with another build of the program.
    #[error(
        "longhaul {there} began the session, and this is {here}; use that program, or begin a new session"
    )]
    Build {
        /// The build that the records name.
        there: String,
        /// This build.
        here: String,
    },
    /// The servers' ends of the session ran on another machine.
    #[error(
        "the servers' ends of the session ran on {there}, and the other host is {here}; begin a new session"
    )]
    PeerMachine {
        /// The machine that the records name.
        there: String,
        /// The other host now.
        here: String,
    },
    /// Another build of the program ran the servers' ends of the session.
    #[error(
        "longhaul {there} ran the servers' ends of the session, and that of the other host is {here}; \
         use that program there, or begin a new session"
    )]
    PeerBuild {
        /// The build that the records name.
        there: String,
        /// The build on the other host now.
        here: String,
    },
    /// A recorded run is not part of the session's command line.
    #[error(
        "{case} is recorded, and is no case of the session's command line today (a changed --config or --peer?)"
    )]
    Unknown {
        /// The case, and the program of someone else at one end, if any.
        case: String,
    },
    /// The session planned another number of runs than its command line yields now.
    #[error(
        "the session planned {there} runs, and its command line means {here} today (a changed --config?)"
    )]
    Planned {
        /// The number in the records.
        there: u64,
        /// The number that the command line yields.
        here: u64,
    },
}

impl Earlier {
    /// Returns the session that made these records. They must be all records of that session.
    ///
    /// # Errors
    /// Fails if the records are not of one session, or do not state the order of its runs.
    pub fn of(records: &[Record]) -> Result<Self, ResumeError> {
        let first = records.first().ok_or(ResumeError::Empty)?;
        if records.iter().any(|record| record.run_id != first.run_id) {
            return Err(ResumeError::Mixed);
        }
        let mut runs: HashMap<_, RecordedRounds> = HashMap::new();
        for record in records {
            let rounds = runs.entry((record.case.key(), record.peer.clone())).or_default();
            rounds.insert(record.round, record.goodput_bytes_per_s.filter(|_| record.is_ok()));
        }
        Ok(Self {
            run_id: first.run_id.clone(),
            command: first.command.clone(),
            schedule: first.schedule.ok_or(ResumeError::NoOrder)?,
            planned_runs: first.planned_runs,
            place: Place { host: Host::clone(&first.host), build: Build::clone(&first.build) },
            peer_place: records.iter().find_map(Place::of_peer),
            runs,
        })
    }

    /// Returns the order of the runs, with its seed and warm-up rounds.
    pub fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// Returns the number of recorded rounds of a case among the first `rounds` rounds. `peer` names the program of
    /// someone else at one end.
    pub fn recorded(&self, case: &CaseKey, peer: Option<&str>, rounds: u32) -> u32 {
        let of_case = self.rounds(case, peer);
        of_case.map_or(0, |recorded| u32::try_from(recorded.range(..rounds).count()).unwrap_or(rounds))
    }

    /// Returns the recorded rounds of a case; `None` if it has no record.
    pub(crate) fn rounds(&self, case: &CaseKey, peer: Option<&str>) -> Option<&RecordedRounds> {
        self.runs.get(&(case.clone(), peer.map(str::to_owned)))
    }

    /// Checks that further runs on this machine with this build are comparable to the recorded ones.
    ///
    /// # Errors
    /// Fails if the machine or the build is another: figures would differ for reasons that no table shows.
    pub fn check_place(&self, host: &Host, build: &Build) -> Result<(), ResumeError> {
        let Place { host: machine_there, build: build_there } = &self.place;
        if !is_same(machine_there, host) {
            return Err(ResumeError::Machine { there: machine(machine_there), here: machine(host) });
        }
        if build_there != build {
            return Err(ResumeError::Build { there: name(build_there), here: name(build) });
        }
        Ok(())
    }

    /// Checks that further runs whose servers' ends are on the host `peer` are comparable to the recorded ones.
    ///
    /// # Errors
    /// Fails if the machine or the build there is another one.
    pub fn check_peer_place(&self, peer: &HostFacts) -> Result<(), ResumeError> {
        let Some(Place { host, build }) = &self.peer_place else { return Ok(()) };
        if !is_same(host, &peer.host) {
            return Err(ResumeError::PeerMachine { there: machine(host), here: machine(&peer.host) });
        }
        if *build != peer.build {
            return Err(ResumeError::PeerBuild { there: name(build), here: name(&peer.build) });
        }
        Ok(())
    }

    /// Checks that the recorded runs belong to `cases`, each with the program of someone else at one end, if any.
    ///
    /// # Errors
    /// Fails if another case is recorded, or if another number of runs was planned.
    pub fn check_cases(
        &self,
        cases: &[(CaseKey, Option<String>)],
        planned_runs: u64,
    ) -> Result<(), ResumeError> {
        if let Some((case, peer)) = self.runs.keys().find(|run| !cases.contains(run)) {
            let peer = peer.as_ref().map_or_else(String::new, |peer| format!(" {peer}"));
            return Err(ResumeError::Unknown { case: format!("{case}{peer}") });
        }
        match self.planned_runs {
            Some(there) if there != planned_runs => Err(ResumeError::Planned { there, here: planned_runs }),
            _ => Ok(()),
        }
    }
}

impl Place {
    /// Returns the place of the servers' ends of a run, if that was another host.
    fn of_peer(record: &Record) -> Option<Self> {
        let (host, build) = record.peer_host.as_deref().zip(record.peer_build.as_deref())?;
        Some(Self { host: host.clone(), build: build.clone() })
    }
}

fn is_same(a: &Host, b: &Host) -> bool {
    (&a.name, &a.cpu, a.cores) == (&b.name, &b.cpu, b.cores)
}

fn machine(host: &Host) -> String {
    let name = host.name.as_deref().unwrap_or("an unnamed machine");
    let cores = host.cores.map_or_else(|| "?".into(), |cores| cores.to_string());
    format!("{name} ({} cores, {})", cores, host.cpu.as_deref().unwrap_or("unknown processor"))
}

fn name(build: &Build) -> String {
    let commit = build.commit.as_deref().unwrap_or("unknown commit");
    format!("{} ({commit}, {}, {})", build.version, build.profile, build.allocator)
}

#[cfg(test)]
mod tests {
    use record::Case;

    use super::*;

    fn record(protocol: &str, round: u32) -> Record {
        let mut record = Record::new("session", Case::new(protocol));
        (record.round, record.schedule, record.planned_runs) = (round, Some(Schedule::shuffled(7)), Some(4));
        record.goodput_bytes_per_s = Some(1.0);
        record
    }

    #[test]
    fn recorded_rounds_are_counted_by_case_and_peer_and_failed_runs_are_among_them() {
        let mut failed = record("h2", 1);
        failed.outcome = record::Outcome::Error;
        let mut beside = record("h2", 0);
        beside.peer = Some("curl".into());
        let earlier = Earlier::of(&[record("h2", 0), failed, beside]).unwrap();
        let key = Case::new("h2").key();
        assert_eq!(earlier.recorded(&key, None, 6), 2);
        assert_eq!(earlier.recorded(&key, None, 1), 1);
        assert_eq!(earlier.recorded(&key, Some("curl"), 6), 1);
        assert_eq!(earlier.recorded(&Case::new("h3").key(), None, 6), 0);
        assert_eq!(earlier.rounds(&key, None).unwrap()[&1], None, "a failed run has no goodput");
        assert_eq!(earlier.schedule().seed, Some(7));
    }

    #[test]
    fn only_the_records_of_one_session_with_its_order_can_continue() {
        assert!(matches!(Earlier::of(&[]), Err(ResumeError::Empty)));
        let mut other = record("h2", 1);
        other.run_id = "another".into();
        assert!(matches!(Earlier::of(&[record("h2", 0), other]), Err(ResumeError::Mixed)));
        let mut old = record("h2", 0);
        old.schedule = None;
        assert!(matches!(Earlier::of(&[old]), Err(ResumeError::NoOrder)));
    }

    #[test]
    fn another_machine_build_case_or_plan_is_refused() {
        let earlier = Earlier::of(&[record("h2", 0)]).unwrap();
        let (mut host, mut build) = (Host::default(), Build::default());
        assert!(earlier.check_place(&host, &build).is_ok());
        build.version = "9".into();
        assert!(matches!(earlier.check_place(&host, &build), Err(ResumeError::Build { .. })));
        host.cores = Some(3);
        assert!(matches!(earlier.check_place(&host, &build), Err(ResumeError::Machine { .. })));
        assert!(earlier.check_peer_place(&HostFacts::default()).is_ok(), "no record has another host");
        let cases = [(Case::new("h2").key(), None)];
        assert!(earlier.check_cases(&cases, 4).is_ok());
        assert!(matches!(earlier.check_cases(&cases, 5), Err(ResumeError::Planned { there: 4, here: 5 })));
        let others = [(Case::new("h3").key(), None)];
        let error = earlier.check_cases(&others, 4).unwrap_err();
        assert!(error.to_string().starts_with("h2/up/64KiB/2GiB is recorded"), "{error}");
    }
    #[test]
    fn another_machine_or_build_of_the_servers_ends_is_refused() {
        let mut peer = HostFacts::default();
        (peer.host.name, peer.build.version) = (Some("b".into()), "1".into());
        let (unreached, mut run) = (record("h2", 0), record("h2", 1));
        run.peer_host = Some(peer.host.clone().into());
        run.peer_build = Some(peer.build.clone().into());
        let earlier = Earlier::of(&[unreached, run]).unwrap();
        peer.host.kernel = Some("updated".into());
        assert!(earlier.check_peer_place(&peer).is_ok());
        peer.build.commit = Some("beef".into());
        let error = earlier.check_peer_place(&peer).unwrap_err();
        assert!(matches!(error, ResumeError::PeerBuild { .. }));
        peer.host.name = Some("c".into());
        let error = earlier.check_peer_place(&peer).unwrap_err().to_string();
        assert!(error.starts_with("the servers' ends of the session ran on b ("), "{error}");
        assert!(error.contains("and the other host is c ("), "{error}");
    }
}
