//! Exit codes: the one place that turns an outcome into one.

use std::process::ExitCode;

/// How a command ended, worst first: where several hold, the first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Ctrl-C; what was finished is on disk.
    Interrupted,
    /// Bytes arrived that were not the ones sent.
    IntegrityFailed,
    /// Memory over its ceiling, or worse than the baseline.
    MemoryOver,
    /// A run failed.
    RunFailed,
    /// Slower than the baseline.
    Slower,
    /// The figures do not tell.
    Inconclusive,
    /// All as it should be.
    Good,
}

impl Verdict {
    /// The code that scripts lean on.
    fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::RunFailed => 1,
            Self::Slower => 3,
            Self::MemoryOver => 4,
            Self::IntegrityFailed => 5,
            Self::Inconclusive => 6,
            Self::Interrupted => 130,
        }
    }
}

/// What was asked for cannot be done as it was asked for: exit code 2. Any other error is 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// The code of wrong usage and of unreadable input.
pub(crate) const USAGE: u8 = 2;

/// The process's exit code; an error is told in one line on stderr.
pub(crate) fn code(outcome: anyhow::Result<Verdict>) -> ExitCode {
    match outcome {
        Ok(verdict) => ExitCode::from(verdict.code()),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Usage>() { USAGE } else { Verdict::RunFailed.code() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrity_before_memory_before_failure() {
        use Verdict::*;
        assert_eq!([RunFailed, IntegrityFailed, MemoryOver, Good].iter().min(), Some(&IntegrityFailed));
        assert_eq!([RunFailed, MemoryOver].iter().min(), Some(&MemoryOver));
        assert_eq!([Inconclusive, Slower, RunFailed, Good].iter().min(), Some(&RunFailed));
        assert_eq!([Inconclusive, Slower, Good].iter().min(), Some(&Slower));
    }
}
