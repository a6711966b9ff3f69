//! The continuation of an interrupted session, with the runs that it has not recorded.

use std::path::Path;

use record::{Case, CaseKey, printable};
use run::{Earlier, ResumeError};

use super::{Place, Recording};
use crate::{exit::Usage, expectation::Expectation, flags::SessionArgs, kept::Kept, output::note};

/// A run of each round: a case, and the peer at one of its ends, if there is one.
pub(crate) struct Run<'c> {
    pub(crate) case: &'c Case,
    pub(crate) peer: Option<String>,
}

impl<'a> Recording<'a> {
    /// Continues the session in `folder`, which consists of `rounds` rounds of `runs`. Recorded runs are not made
    /// again.
    ///
    /// # Errors
    /// Fails if another process writes the folder, if the records are not those of such a session, of this machine and of this
    /// build, or if the folder cannot be written.
    pub(crate) fn resume(
        args: &'a SessionArgs,
        folder: &Path,
        runs: &[Run<'_>],
        rounds: u32,
        expected: Expectation,
    ) -> anyhow::Result<Self> {
        let cases: Vec<Case> =
            runs.iter().filter(|run| run.peer.is_none()).map(|run| run.case.clone()).collect();
        let place = Place::prepare(args, &cases)?;
        let (kept, records) = Kept::resume(folder)?;
        let refused = |error| refused(folder, &error);
        let earlier = Earlier::of(&records).map_err(refused)?;
        earlier.check_place(&place.host, &place.build).map_err(refused)?;
        let keys: Vec<(CaseKey, Option<String>)> =
            runs.iter().map(|run| (run.case.key(), run.peer.clone())).collect();
        earlier.check_cases(&keys, expected.runs()).map_err(refused)?;
        note(&format!("{} holds {}", folder.display(), expected.share(records.len())));
        let left = runs.iter().fold(Expectation::default(), |left, run| {
            let recorded = earlier.recorded(&run.case.key(), run.peer.as_deref(), rounds);
            left.and(Expectation::of(std::slice::from_ref(run.case), rounds.saturating_sub(recorded)))
        });
        let mut recording = Self::of(args, place, kept, expected, left);
        recording.session = recording.session.continuing(&earlier);
        recording.sequence = records.len() as u64;
        recording.further = records.iter().filter(|record| record.round >= rounds).count() as u64;
        // A precision may ask for further rounds.
        recording.is_complete = left.runs() == 0 && args.precision.is_none();
        recording.earlier = Some(earlier);
        Ok(recording)
    }

    /// Returns whether this is a session that continues although all its runs are recorded.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }
}

/// Returns the error for a session in `folder` that cannot continue. The records may come from anybody.
pub(super) fn refused(folder: &Path, error: &ResumeError) -> Usage {
    Usage::new(format!("--resume {}: {}", folder.display(), printable(&error.to_string())))
}
