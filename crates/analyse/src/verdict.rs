//! The verdict of a command, which determines the exit code.

use serde::Serialize;

/// The verdict of a command. The worst verdict comes first; if several apply, the first one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The user interrupted the command; finished runs are on disk.
    Interrupted,
    /// The received bytes differ from the sent bytes.
    IntegrityFailed,
    /// Memory exceeds a ceiling or a budget, drifts from earlier records, is worse than in the base, or grows with the
    /// body.
    MemoryOver,
    /// At least one run failed.
    RunFailed,
    /// The candidate has less goodput or takes more processor time than the base, or a ratio is not reproduced.
    Slower,
    /// The figures allow no conclusion.
    Inconclusive,
    /// No check failed.
    Good,
}

impl Verdict {
    /// Returns the exit code that scripts rely on.
    pub fn exit_code(self) -> u8 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrity_counts_before_memory_and_memory_before_failure() {
        use Verdict::*;
        assert_eq!([RunFailed, IntegrityFailed, MemoryOver, Good].iter().min(), Some(&IntegrityFailed));
        assert_eq!([RunFailed, MemoryOver].iter().min(), Some(&MemoryOver));
        assert_eq!([Inconclusive, Slower, RunFailed, Good].iter().min(), Some(&RunFailed));
        assert_eq!([Inconclusive, Slower, Good].iter().min(), Some(&Slower));
    }
}
