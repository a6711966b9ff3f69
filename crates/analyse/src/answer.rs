//! The brief answer: the fastest HTTP protocol of each carrier, the smallest chunk that suffices, and memory.
//!
//! Terminal, Markdown and page show this one derivation. It claims only what the records show: intervals of the fastest
//! protocol must be disjoint from those of its rivals. Baselines are not among the rivals.

mod memory;
mod speed;

use std::fmt;

pub use memory::{EndPeak, MemoryAnswer, MemoryEvidence};
pub use speed::{CarrierClass, Contest, Contestant, SpeedAnswer, SufficientChunk};

use crate::Analysis;

/// The brief answer about speed and memory, derived from an analysis.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct BriefAnswer {
    /// The answers about speed: one per set of HTTP rows that move the same bodies, the set with the most rows first.
    /// Among sets of as many rows, one without label and with fewer axes comes first. Sets of libraries with their own
    /// defaults come last. Empty for a proof, for records of several machines, and if
    /// no set has two rows.
    pub speeds: Vec<SpeedAnswer>,
    /// The answer about memory; `None` if no record states the memory of an end.
    pub memory: Option<MemoryAnswer>,
}

impl BriefAnswer {
    /// Derives the answer from an analysis.
    pub(crate) fn of(analysis: &Analysis<'_>) -> Self {
        Self { speeds: speed::all(analysis), memory: MemoryAnswer::of(analysis) }
    }

    /// Returns the answer in at most three lines: the fastest protocols, the smallest chunk that suffices, and memory.
    /// The first two lines are about the first of [`speeds`](Self::speeds). They name its bodies if there are several
    /// answers, and always its network, rates and load that are not at their defaults.
    pub fn lines(&self) -> Vec<String> {
        let scope = match self.speeds.as_slice() {
            [] => None,
            [only] => Some(only.axes.clone()).filter(|axes| !axes.is_empty()),
            [first, ..] => Some(first.scope()),
        };
        let scope = scope.map_or_else(String::new, |scope| format!(" ({scope})"));
        let speed = self.speeds.first();
        let fastest = speed.and_then(SpeedAnswer::fastest_line).map(|line| format!("{line}{scope}"));
        let chunk = speed.and_then(SpeedAnswer::chunk_line).map(|line| format!("{line}{scope}"));
        let memory = self.memory.as_ref().map(MemoryAnswer::to_string);
        [fastest, chunk, memory].into_iter().flatten().collect()
    }
}

/// Writes the lines of the answer, each with a line break.
impl fmt::Display for BriefAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
