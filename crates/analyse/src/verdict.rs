//! The verdict of a command, which decides its exit code.

use serde::Serialize;

/// A verdict, the worst first: where several hold, the first one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The user interrupted the command; finished runs are on disk.
    Interrupted,
    /// Bytes arrived that were not the ones sent.
    IntegrityFailed,
    /// Memory over its ceiling or budget, growing, or more than the base's.
    MemoryOver,
    /// A run failed.
    RunFailed,
    /// Slower than the base.
    Slower,
    /// The figures do not tell.
    Inconclusive,
    /// All is as it should be.
    Good,
}

impl Verdict {
    /// The exit code that scripts rely on.
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
