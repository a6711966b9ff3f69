//! The end of a session, and the words for one that ended early.

use run::{SessionError, Stop};

/// The reason why a session ends, as far as it is known.
pub(super) enum End {
    Done,
    /// The time is used up, and the runs made so far count.
    OutOfTime,
    /// Every run has failed, so further runs would fail as well.
    Futile,
    Interrupted,
    Failed(anyhow::Error),
}

impl End {
    /// Returns the end of runs that have stopped.
    pub(super) fn of(stopped: Result<Stop, SessionError>) -> Self {
        match stopped {
            Ok(Stop::Done) => Self::Done,
            Ok(Stop::OutOfTime) => Self::OutOfTime,
            Ok(Stop::Futile) => Self::Futile,
            Ok(Stop::Interrupted) => Self::Interrupted,
            Err(error) => Self::Failed(error.into()),
        }
    }

    /// Returns the words for an early end after a `share` of the runs; `None` if all runs were made.
    pub(super) fn stopped(&self, share: &str) -> Option<String> {
        match self {
            Self::Done => None,
            Self::OutOfTime => Some(format!("the time was used up after {share}")),
            Self::Futile => Some(format!("every run failed, so it ended after {share}")),
            Self::Interrupted => Some(format!("interrupted: {share}")),
            Self::Failed(_) => Some(format!("stopped: {share}")),
        }
    }
}
