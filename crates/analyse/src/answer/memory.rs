//! The answer about memory: the peaks, the share of the budget, and whether constant memory is proven.

mod command;

use std::fmt;

use record::{ByteSize, End, mib};

use crate::{Analysis, Constancy, Judgement, Proof, Row, Verdict};

/// The answer about the memory of both ends, over all runs except controls and those of `bench --peer`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemoryAnswer {
    /// The highest peak RSS of each end. Baselines count only if no row is HTTP, and rows whose runs all failed do not
    /// count.
    pub peaks: Vec<EndPeak>,
    /// The highest share of its budget that an end used; 1 is the whole budget. `None` if no end has a budget.
    pub budget_use: Option<f64>,
    /// The evidence for or against constant memory.
    pub evidence: MemoryEvidence,
}

/// The highest peak RSS of one end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EndPeak {
    /// The name of the end; for a program under proof, the name of its role.
    pub name: String,
    /// The peak RSS, in bytes.
    pub bytes: u64,
}

impl EndPeak {
    /// Returns the peaks of rows in the order in which the ends first appear. Of rows with a program under proof, only
    /// the end of the program counts.
    fn all(rows: &[&Row<'_>]) -> Vec<Self> {
        let mut peaks: Vec<Self> = Vec::new();
        for (row, end) in rows.iter().flat_map(|row| End::ALL.map(|end| (row, end))) {
            let Some(bytes) = row.ends[end].peak_rss.map(|peak| peak.most as u64) else { continue };
            let name = match row.subject() {
                Some(subject) if subject.end(row.case.direction) == end => subject.to_string(),
                Some(_) => continue,
                None => end.to_string(),
            };
            match peaks.iter_mut().find(|peak| peak.name == name) {
                Some(known) => known.bytes = known.bytes.max(bytes),
                None => peaks.push(Self { name, bytes }),
            }
        }
        peaks
    }
}

/// The evidence for or against memory that is constant, whatever the size of the body.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MemoryEvidence {
    /// The records prove that memory is constant.
    Proven {
        /// The highest upper bound of a slope at 99 %, in bytes per GiB of body; `None` without a slope.
        bytes_per_gib: Option<f64>,
        /// The largest body, in bytes.
        largest: ByteSize,
        /// True if controls showed that the proof notices growing memory, or if the proof needs none.
        has_controls: bool,
    },
    /// The records are a proof, and show that memory grows or exceeds its budget.
    Refuted,
    /// The records are a proof that does not decide.
    Undecided {
        /// The command of a proof with more rounds; `None` if a peer or another program took part.
        command: Option<String>,
    },
    /// The records are a proof whose bodies are too small to decide.
    TooSmall {
        /// The command of a proof with larger bodies; `None` if a peer or another program took part.
        command: Option<String>,
    },
    /// The records are not a proof.
    Unproven {
        /// The command that runs the proof; `None` if a peer or another program took part.
        command: Option<String>,
    },
}

impl MemoryAnswer {
    /// Derives the answer; `None` if no peak is known.
    pub(super) fn of(analysis: &Analysis<'_>) -> Option<Self> {
        let own = || analysis.rows.iter().filter(|row| !row.is_control && row.peer_end().is_none());
        let mut rows: Vec<&Row<'_>> = own().filter(|row| row.facts.http.is_some()).collect();
        if rows.is_empty() {
            rows = own().collect();
        }
        let worked = |row: &&Row<'_>| row.records.iter().any(|record| record.is_ok());
        let peaks = EndPeak::all(&rows.iter().copied().filter(worked).collect::<Vec<_>>());
        if peaks.is_empty() {
            return None;
        }
        let uses = rows.iter().flat_map(|row| row.ends.iter().filter_map(|(_, end)| end.budget_use));
        let evidence = match &analysis.proof {
            Some(proof) => MemoryEvidence::in_proof(proof, |repetition| {
                // A repetition does not replace runs that were not made.
                if analysis.interruption.is_none() { repetition(&rows) } else { None }
            }),
            None => MemoryEvidence::Unproven { command: command::proof(&rows) },
        };
        Some(Self { peaks, budget_use: uses.max_by(f64::total_cmp), evidence })
    }
}

/// Returns the command that repeats the proof of rows in another way; `None` if a peer or another program took part.
type Repetition = fn(&[&Row<'_>]) -> Option<String>;

impl MemoryEvidence {
    /// Returns the evidence of a proof. `of_rows` applies a repetition to the rows of the proof.
    fn in_proof(proof: &Proof, of_rows: impl FnOnce(Repetition) -> Option<String>) -> Self {
        match proof.verdict() {
            Verdict::Good => Self::Proven {
                bytes_per_gib: proof
                    .judgements
                    .iter()
                    .filter_map(|judgement| Some(judgement.bound()?.0))
                    .max_by(f64::total_cmp),
                largest: proof.largest().unwrap_or(ByteSize(0)),
                has_controls: !proof.is_without_controls(),
            },
            Verdict::MemoryOver => Self::Refuted,
            _ if proof.judgements.iter().any(needs_larger_bodies) => {
                Self::TooSmall { command: of_rows(command::with_larger_bodies) }
            }
            _ => Self::Undecided { command: of_rows(command::with_more_rounds) },
        }
    }
}

/// Returns whether only larger bodies can decide about an end: its bodies fit into its budget, or its runs have too few
/// samples for an interval.
fn needs_larger_bodies(judgement: &Judgement) -> bool {
    let series = &judgement.series;
    let fits = series.budget.is_some_and(|budget| series.largest() <= budget);
    let has_few_samples = judgement.deciding().is_none() && !series.is_stalled();
    judgement.constancy == Constancy::Inconclusive && series.unknown == 0 && (fits || has_few_samples)
}

/// Writes the answer in one line.
impl fmt::Display for MemoryAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peaks = self.peaks.iter().map(|peak| format!("{} {:.1}", peak.name, mib(peak.bytes)));
        write!(f, "Peak RSS: {} MiB", peaks.collect::<Vec<_>>().join(", "))?;
        if let Some(share) = self.budget_use {
            write!(f, " ({:.0} % of budget)", 100.0 * share)?;
        }
        write!(f, "; {}", self.evidence)
    }
}

/// Writes the evidence as the end of a sentence.
impl fmt::Display for MemoryEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven { bytes_per_gib, largest, has_controls } => {
                write!(f, "proven constant up to {largest}")?;
                if let Some(bytes) = bytes_per_gib {
                    write!(f, ", at most {:.1} KiB per GiB", (bytes / 102.4).ceil() / 10.0)?;
                }
                f.write_str(if *has_controls { "" } else { ", without controls" })
            }
            Self::Refuted => f.write_str("it grows with the body, or exceeds its budget"),
            Self::Undecided { command: Some(command) } => {
                write!(f, "the proof is inconclusive; with more rounds: {command}")
            }
            Self::TooSmall { command: Some(command) } => {
                write!(f, "the proof is inconclusive; with larger bodies: {command}")
            }
            Self::Undecided { command: None } | Self::TooSmall { command: None } => {
                f.write_str("not proven: the proof is inconclusive")
            }
            Self::Unproven { command: Some(command) } => write!(f, "proof: {command}"),
            Self::Unproven { command: None } => f.write_str("not proven"),
        }
    }
}

#[cfg(test)]
mod tests;
