//! The answer about memory: the peaks, the share of the budget, and whether constant memory is proven.

use std::{collections::BTreeMap, fmt};

use record::{Axis, ByteSize, End, LIMITS, PROTOCOLS, Protocol, mib};

use crate::{Analysis, Proof, Row, Verdict};

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
            Some(proof) => MemoryEvidence::in_proof(proof, || {
                // More rounds do not replace runs that were not made.
                if analysis.interruption.is_none() { repetition(&rows) } else { None }
            }),
            None => MemoryEvidence::Unproven { command: command(&rows) },
        };
        Some(Self { peaks, budget_use: uses.max_by(f64::total_cmp), evidence })
    }
}

impl MemoryEvidence {
    /// Returns the evidence of a proof. `repetition` returns the command of one with more rounds.
    fn in_proof(proof: &Proof, repetition: impl FnOnce() -> Option<String>) -> Self {
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
            _ => Self::Undecided { command: repetition() },
        }
    }
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
            Self::Undecided { command: None } => f.write_str("not proven: the proof is inconclusive"),
            Self::Unproven { command: Some(command) } => write!(f, "proof: {command}"),
            Self::Unproven { command: None } => f.write_str("not proven"),
        }
    }
}

/// Returns the command that proves that the memory of rows is constant; `None` if a peer or another program took part.
fn command(rows: &[&Row<'_>]) -> Option<String> {
    if rows.iter().any(|row| row.key.peer.is_some()) {
        return None;
    }
    let named: Vec<&str> = PROTOCOLS
        .iter()
        .map(|protocol| protocol.name)
        .filter(|name| rows.iter().any(|row| row.case.protocol == *name))
        .collect();
    let proven: Vec<&str> =
        PROTOCOLS.iter().filter(|protocol| Protocol::is_http(protocol)).map(|row| row.name).collect();
    let mut command = "longhaul prove".to_owned();
    if named != proven && !named.is_empty() {
        command += &format!(" --protocol {}", named.join(","));
    }
    flags(rows).iter().for_each(|(flag, value)| command += &format!(" --{flag} {value}"));
    Some(command)
}

/// Returns the command that proves the memory of these rows with twice their rounds.
fn repetition(rows: &[&Row<'_>]) -> Option<String> {
    let last = rows.iter().flat_map(|row| &row.records).map(|record| record.round).max()?;
    Some(format!("{} --rounds {}", command(rows)?, last.saturating_add(1).saturating_mul(2)))
}

/// Returns the flags of limits and load that all rows have in common to which they apply.
fn flags(rows: &[&Row<'_>]) -> BTreeMap<String, String> {
    let (mut of_axis, mut of_protocol): (BTreeMap<&Axis, usize>, BTreeMap<&str, usize>) = Default::default();
    for row in rows {
        *of_protocol.entry(&row.case.protocol).or_default() += 1;
        row.key.case.axes.iter().for_each(|axis| *of_axis.entry(axis).or_default() += 1);
    }
    let mut flags = BTreeMap::new();
    for (axis, count) in of_axis {
        let applies = of_protocol.iter().filter(|(protocol, _)| applies_to(axis, protocol));
        if count < applies.map(|(_, rows)| rows).sum() {
            continue;
        }
        match axis {
            Axis::Load { connections, streams } => {
                flags.insert("connections".into(), connections.to_string());
                flags.insert("streams".into(), streams.to_string());
            }
            Axis::Setting { name, value } if axis.is_limit() => {
                flags.insert(name.clone(), value.clone());
            }
            Axis::Setting { .. } => {}
        }
    }
    flags
}

/// Returns whether an axis applies to a protocol: a limit to those that it is for, any other axis to all.
fn applies_to(axis: &Axis, protocol: &str) -> bool {
    let Axis::Setting { name, .. } = axis else { return true };
    let limit = LIMITS.iter().find(|limit| limit.flag == name);
    limit.is_none_or(|limit| Protocol::by_name(protocol).is_some_and(|row| limit.applies_to(row)))
}

#[cfg(test)]
mod tests {
    use record::{Direction, FaultKind, H2_WINDOW, LimitValue, Purpose, Record, Subject};

    use super::*;
    use crate::tests::{failed, run, with, with_peak};

    fn answer(records: &[Record]) -> String {
        MemoryAnswer::of(&Analysis::of(records)).unwrap().to_string()
    }

    #[test]
    fn peaks_are_those_of_http_without_controls_and_the_command_names_the_protocols() {
        let control = with(with_peak(run("h1c"), End::Receiver, 300 << 20), |record| {
            (record.purpose, record.label) = (Some(Purpose::Control), Some("control".into()));
        });
        let records = [
            with_peak(run("tcp"), End::Sender, 99 << 20),
            with_peak(run("h2c"), End::Sender, 9 << 20),
            run("h3"),
        ];
        assert_eq!(
            answer(&records),
            "Peak RSS: sender 9.0, receiver 8.0 MiB (50 % of budget); proof: longhaul prove --protocol h2c,h3"
        );
        // A control among the records makes them a proof.
        let with_control = [&records[..], &[control]].concat();
        assert!(!answer(&with_control).contains("300"), "{}", answer(&with_control));
        let five = ["h1c", "h2c", "h1", "h2", "h3"].map(run);
        assert!(answer(&five).ends_with("; proof: longhaul prove"));
    }

    #[test]
    fn a_program_has_the_name_of_its_role_in_both_directions_and_its_failed_runs_do_not_count() {
        let of = |direction, mib: u64| {
            let record = with(run("h1c"), |record| {
                record.case.direction = direction;
                record.subject = Some(Subject::Client);
            });
            with_peak(record, Subject::Client.end(direction), mib << 20)
        };
        let (up, down) = (of(Direction::Up, 9), of(Direction::Down, 7));
        assert!(answer(&[up.clone(), down]).starts_with("Peak RSS: client 9.0 MiB ("));
        let failed = with(up, |record| record.outcome = failed("h1c", FaultKind::Program).outcome);
        assert_eq!(MemoryAnswer::of(&Analysis::of(&[failed])), None);
    }

    #[test]
    fn the_command_has_the_limits_and_the_load_of_the_rows() {
        let record = with(run("h2"), |record| {
            record.case.connections = 4;
            record.case.limits.set(&H2_WINDOW, LimitValue::Bytes(4 << 20)).unwrap();
        });
        assert!(
            answer(std::slice::from_ref(&record))
                .ends_with("longhaul prove --protocol h2 --connections 4 --h2-window 4MiB --streams 1"),
            "{}",
            answer(std::slice::from_ref(&record))
        );
        let usual = with(run("h2"), |record| record.case.connections = 4);
        let mixed = [record.clone(), usual, with(run("h1"), |record| record.case.connections = 4)];
        assert!(
            answer(&mixed).ends_with("longhaul prove --protocol h1,h2 --connections 4 --streams 1"),
            "a limit of some rows only: {}",
            answer(&mixed)
        );
        let other = with(run("h1"), |record| record.case.connections = 4);
        assert!(
            answer(&[record, other]).ends_with("--connections 4 --h2-window 4MiB --streams 1"),
            "a limit that one protocol knows"
        );
        let peer = with(run("h2"), |record| record.peer = Some("https://a/".into()));
        assert!(answer(&[peer]).ends_with("; not proven"));
    }

    #[test]
    fn evidence_is_the_end_of_a_sentence() {
        let proven = |bytes_per_gib, has_controls| {
            MemoryEvidence::Proven { bytes_per_gib, largest: ByteSize(4 << 30), has_controls }.to_string()
        };
        assert_eq!(proven(Some(900.0), true), "proven constant up to 4GiB, at most 0.9 KiB per GiB");
        assert_eq!(proven(None, false), "proven constant up to 4GiB, without controls");
    }
}
