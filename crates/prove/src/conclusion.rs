//! The conclusion of a proof.

use std::fmt;

use analyse::{Constancy, Judgement, Proof};
use record::{Record, mib};

/// The conclusion about the memory of a program, with all its runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conclusion {
    /// The conclusion itself: constant, growing slowly, growing, or inconclusive.
    pub constancy: Constancy,
    /// The records of all runs. `longhaul report` shows them if they are written as lines of JSON.
    pub records: Vec<Record>,
    judgement: Option<Judgement>,
}

impl Conclusion {
    pub(crate) fn of(records: Vec<Record>) -> Self {
        let judgement = Proof::of(&records).judgements.into_iter().next();
        let constancy = judgement.as_ref().map_or(Constancy::Inconclusive, |judgement| judgement.constancy);
        Self { constancy, records, judgement }
    }

    /// Returns whether memory is constant.
    pub fn is_constant(&self) -> bool {
        self.constancy == Constancy::Constant
    }

    pub(crate) fn needs_rounds(&self) -> bool {
        self.judgement.as_ref().is_some_and(Judgement::needs_rounds)
    }

    /// Returns the upper bound of the slope within a run at 99 %, in bytes per GiB of input; `None` without enough samples.
    pub fn bound(&self) -> Option<f64> {
        Some(self.judgement.as_ref()?.bound()?.0)
    }

    /// Returns the highest peak RSS of any run, in bytes.
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        self.judgement.as_ref()?.series.peak_rss_bytes()
    }

    /// Passes if memory is constant.
    ///
    /// # Panics
    /// Panics with the figures if memory grows, and if the runs are inconclusive.
    pub fn assert_constant(&self) {
        assert!(self.is_constant(), "{self}");
    }
}

/// Writes the conclusion with its figures and its reason.
impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.constancy)?;
        let Some(judgement) = &self.judgement else { return f.write_str(": no runs") };
        if let Some((bytes, _)) = judgement.bound().filter(|_| self.is_constant()) {
            write!(f, ": at most {:.0} KiB per GiB within a run", bytes / 1024.0)?;
        }
        if let Some(slope) = judgement.over_sizes {
            let [estimate, low, high] = [slope.estimate, slope.low, slope.high];
            write!(f, "; peak RSS {estimate:.1} [{low:.1}, {high:.1}] MiB per GiB over sizes")?;
        }
        if let Some(peak) = self.peak_rss_bytes() {
            write!(f, ", at most {:.1} MiB", mib(peak))?;
        }
        judgement.reason.as_ref().map_or(Ok(()), |reason| write!(f, "; {reason}"))
    }
}
