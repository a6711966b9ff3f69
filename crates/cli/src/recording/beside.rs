//! Runs of other programs beside longhaul's own two ends, in the same rounds.

use std::rc::Rc;

use record::{ByteSize, Case, PeerProgram, Purpose};
use run::{Entry, Session};
use subject::{
    Bodies, BodiesError,
    peers::{Peer, PeerExecutor},
};

use super::{End, Recording};
use crate::exit::Usage;

/// A peer, with the cases in which it is one end.
pub(crate) struct PeerRuns {
    pub(crate) peer: Peer,
    pub(crate) cases: Vec<Case>,
    version: Option<String>,
}

impl PeerRuns {
    pub(crate) fn new(peer: Peer, cases: Vec<Case>) -> Self {
        let version = peer.installed().and_then(|installed| installed.version);
        Self { peer, cases, version }
    }

    /// Returns a session whose records state that the program is one end of a case.
    fn session(&self, session: &Session, case: &Case) -> Session {
        let command = self.peer.command_line(case.direction).unwrap_or_default();
        let program = PeerProgram { version: self.version.clone(), command };
        session.clone().beside(self.peer.role(), self.peer.name(), program)
    }
}

impl Recording<'_> {
    /// Runs the cases of longhaul's own ends, and those of other programs, in each of `rounds` rounds, as
    /// [`run`](Self::run) does.
    ///
    /// # Errors
    /// Fails if this program cannot be started again, or the bodies cannot be written.
    pub(crate) fn run_beside(
        &mut self,
        cases: &[Case],
        peers: Vec<PeerRuns>,
        rounds: u32,
    ) -> anyhow::Result<()> {
        if !matches!(self.end, End::Done) {
            return Ok(());
        }
        let own = Rc::new(self.executor()?.prepared_for(cases));
        let bodies = self.bodies(&peers)?.map(Rc::new);
        let (folder, timeout) = (self.folder(), self.args.timeout);
        let executor = |runs: &PeerRuns| {
            PeerExecutor::new(runs.peer.clone(), own.clone(), folder.clone(), timeout).giving(bodies.clone())
        };
        let executors: Vec<PeerExecutor> = peers.iter().map(executor).collect();
        let session = &self.session.clone().for_purpose(Purpose::Measure);
        let mut entries: Vec<Entry<'_>> =
            cases.iter().map(|case| Entry::new(case.clone(), session.clone(), own.as_ref())).collect();
        for (runs, executor) in peers.iter().zip(&executors) {
            let entry = |case: &Case| Entry::new(case.clone(), runs.session(session, case), executor);
            entries.extend(runs.cases.iter().map(entry));
        }
        self.run_entries(entries, 0..rounds, Purpose::Measure);
        Ok(())
    }

    /// Writes the files with the bodies that the peers need. `None` if they need none.
    fn bodies(&self, peers: &[PeerRuns]) -> anyhow::Result<Option<Bodies>> {
        let needed = peers.iter().flat_map(|runs| {
            runs.cases.iter().filter(|case| runs.peer.needs_file(case.direction)).map(|case| case.body)
        });
        let mut sizes: Vec<ByteSize> = needed.collect();
        sizes.sort_unstable();
        sizes.dedup();
        if sizes.is_empty() {
            return Ok(None);
        }
        Bodies::write(&self.folder(), &sizes).map(Some).map_err(|error| match error {
            BodiesError::NoRoom { .. } => Usage::new(error).into(),
            error => error.into(),
        })
    }
}
