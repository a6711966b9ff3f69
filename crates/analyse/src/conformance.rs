//! The outcome of a conformance suite: the behaviour of a program whose peer misbehaves.

use std::fmt;

use record::Direction;
use serde::Serialize;

use crate::Verdict;

/// The conduct of a program in one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Conduct {
    /// The received body differs from the sent body, or the program accepted a truncated body as complete.
    #[serde(rename = "CORRUPTED")]
    Corrupted,
    /// The memory of the program, or the bytes that it absorbed, exceeded the bound.
    #[serde(rename = "GROWING")]
    Growing,
    /// The program exited, or aborted a transfer that should have continued.
    #[serde(rename = "DIED")]
    Died,
    /// The transfer made no more progress.
    #[serde(rename = "STALLED")]
    Stalled,
    /// The program stayed within the bound, and did what its protocol demands.
    #[serde(rename = "BOUNDED")]
    Bounded,
    /// The case does not exist for this program, its protocol or this direction.
    #[serde(rename = "NOT-APPLICABLE")]
    NotApplicable,
}

impl Conduct {
    /// All conducts, the worst first.
    pub const ALL: [Self; 6] =
        [Self::Corrupted, Self::Growing, Self::Died, Self::Stalled, Self::Bounded, Self::NotApplicable];

    /// Returns the verdict that the conduct gives a command.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Corrupted => Verdict::IntegrityFailed,
            Self::Growing => Verdict::MemoryOver,
            Self::Died | Self::Stalled => Verdict::RunFailed,
            Self::Bounded => Verdict::Good,
            Self::NotApplicable => Verdict::Inconclusive,
        }
    }
}

impl fmt::Display for Conduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Corrupted => "CORRUPTED",
            Self::Growing => "GROWING",
            Self::Died => "DIED",
            Self::Stalled => "STALLED",
            Self::Bounded => "BOUNDED",
            Self::NotApplicable => "NOT APPLICABLE",
        })
    }
}

/// One case of a suite, over one protocol and in one direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// The name of the case.
    pub case: String,
    /// The name of the protocol.
    pub protocol: String,
    /// The direction of the body.
    pub direction: Direction,
    /// The conduct of the program.
    pub conduct: Conduct,
    /// The figure that is compared with the bound; `None` if nothing was measured.
    pub figure: Option<TrialFigure>,
    /// The bound of the figure, in bytes.
    pub bound_bytes: u64,
    /// The duration of the case, in seconds.
    pub elapsed_s: f64,
    /// The section of the standard that the case is about.
    pub section: String,
    /// The reason for the conduct, or a remark.
    pub note: Option<String>,
    /// The command line that runs this case alone.
    pub command: String,
}

/// A figure in bytes, with its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "bytes")]
pub enum TrialFigure {
    /// The growth of the resident memory of all processes of the program during the case.
    Growth(u64),
    /// The bytes that were sent and not delivered while the reader stood still.
    Absorbed(u64),
}

impl TrialFigure {
    /// Returns the bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Growth(bytes) | Self::Absorbed(bytes) => bytes,
        }
    }

    /// Returns the name of the kind, in one word.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Growth(_) => "growth",
            Self::Absorbed(_) => "absorbed",
        }
    }
}

/// The outcome of a suite.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Conformance {
    /// The program, as its URL or its command line names it.
    pub subject: String,
    /// The cases, in the order in which they ran.
    pub trials: Vec<Trial>,
}

impl Conformance {
    /// Returns the number of cases with the given conduct.
    pub fn count(&self, conduct: Conduct) -> usize {
        self.trials.iter().filter(|trial| trial.conduct == conduct).count()
    }

    /// Returns the verdict of the worst outcome among the cases. Cases that do not apply count only if no case applies.
    pub fn verdict(&self) -> Verdict {
        let applied = self.trials.iter().map(|trial| trial.conduct);
        let applied = applied.filter(|conduct| *conduct != Conduct::NotApplicable);
        applied.map(Conduct::verdict).min().unwrap_or(Verdict::Inconclusive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(conduct: Conduct) -> Trial {
        Trial {
            case: "stalled-reader".into(),
            protocol: "h2".into(),
            direction: Direction::Down,
            conduct,
            figure: Some(TrialFigure::Growth(3 << 20)),
            bound_bytes: 64 << 20,
            elapsed_s: 10.5,
            section: "RFC 9113 section 5.2".into(),
            note: None,
            command: "longhaul conform URL --case stalled-reader".into(),
        }
    }

    #[test]
    fn the_worst_conduct_decides_and_cases_that_do_not_apply_count_only_alone() {
        use Conduct::*;
        let verdict = |conducts: &[Conduct]| {
            let trials = conducts.iter().copied().map(trial).collect();
            Conformance { subject: "x".into(), trials }.verdict().exit_code()
        };
        assert_eq!(verdict(&[Bounded, NotApplicable]), 0);
        assert_eq!(verdict(&[NotApplicable]), 6);
        assert_eq!(verdict(&[]), 6);
        assert_eq!(verdict(&[Bounded, Stalled]), 1);
        assert_eq!(verdict(&[Died, Bounded]), 1);
        assert_eq!(verdict(&[Died, Growing]), 4);
        assert_eq!(verdict(&[Growing, Corrupted, Died]), 5);
    }
}
