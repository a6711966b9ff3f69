//! Findings: problems and remarkable facts in records, as data.

use std::fmt;

use record::End;
use serde::Serialize;
use stats::Interval;

use crate::Verdict;

/// A finding about one case, or about one ceiling.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The kind of finding, which determines the verdict.
    pub kind: FindingKind,
    /// The name of the case, or of the series if the finding holds for all sizes of the body.
    pub case: String,
    /// The end concerned; `None` if the finding is not about a single end.
    pub end: Option<End>,
    /// The bound or the earlier figure with which a figure was compared; `None` without one.
    pub expected: Option<Figure>,
    /// The figure that was compared with `expected`; `None` without a figure.
    pub measured: Option<Figure>,
    /// The reason in words, if the figures do not show it.
    pub detail: Option<String>,
}

/// The kinds of findings, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// The received body differs from the sent body.
    WrongBytes,
    /// The memory of an end grew by more than its budget.
    OverBudget,
    /// The memory of an end exceeded a ceiling.
    OverCeiling,
    /// Peak RSS grows faster with the size of the body than a ceiling allows.
    OverSlope,
    /// A peak differs from the peak in earlier records by more than the band allows.
    Drifted,
    /// A run of the case failed.
    Failed,
    /// A protocol is faster than the ceiling of its carrier: the ceiling is too low, and ratios to the ceiling are not
    /// meaningful.
    BeatsCeiling,
    /// The figures do not decide whether a bound holds.
    Unclear,
    /// No ceiling matches the end.
    NoCeiling,
    /// A ceiling matches no end.
    UnusedCeiling,
    /// Only the present records have a peak, and not the earlier records.
    New,
    /// Only the earlier records have a peak.
    Missing,
}

impl FindingKind {
    /// Returns the verdict of a command with a finding of this kind.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::WrongBytes => Verdict::IntegrityFailed,
            Self::OverBudget | Self::OverCeiling | Self::OverSlope | Self::Drifted => Verdict::MemoryOver,
            Self::Failed => Verdict::RunFailed,
            Self::Unclear => Verdict::Inconclusive,
            Self::BeatsCeiling | Self::NoCeiling | Self::UnusedCeiling | Self::New | Self::Missing => {
                Verdict::Good
            }
        }
    }

    /// Returns the verdict on a case with a finding of this kind, in words.
    pub fn word(self) -> &'static str {
        match self {
            Self::WrongBytes => "wrong bytes",
            Self::OverBudget => "over budget",
            Self::OverCeiling | Self::OverSlope => "over ceiling",
            Self::Drifted => "drifted",
            Self::Failed => "failed",
            Self::BeatsCeiling => "beats ceiling",
            Self::Unclear => "unclear",
            Self::NoCeiling => "no ceiling",
            Self::UnusedCeiling => "no case",
            Self::New => "new",
            Self::Missing => "missing",
        }
    }

    /// Returns whether the finding is about memory.
    pub fn is_memory(self) -> bool {
        matches!(self, Self::OverBudget | Self::OverCeiling | Self::OverSlope | Self::Drifted)
    }
}

/// A figure with its unit, and with an interval if the figure is an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The value of the figure, in its unit.
    pub value: f64,
    /// The interval of 95 %; `None` if the value is not an estimate.
    #[serde(serialize_with = "interval")]
    pub interval: Option<Interval>,
    /// The unit of the value and of the interval.
    pub unit: Unit,
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Mebibytes (MiB).
    #[serde(rename = "MiB")]
    Mib,
    /// Mebibytes of memory per gibibyte of body (MiB per GiB).
    #[serde(rename = "MiB/GiB")]
    MibPerGib,
}

impl Figure {
    /// Creates a figure in MiB from a number of bytes.
    pub fn bytes(bytes: u64) -> Self {
        Self { value: record::mib(bytes), interval: None, unit: Unit::Mib }
    }

    /// Creates a figure from a slope in MiB per GiB.
    pub fn slope(slope: stats::Slope) -> Self {
        let interval = Interval { low: slope.low, high: slope.high };
        Self { value: slope.estimate, interval: Some(interval), unit: Unit::MibPerGib }
    }
}

fn interval<S: serde::Serializer>(interval: &Option<Interval>, serializer: S) -> Result<S::Ok, S::Error> {
    interval.map(|interval| [interval.low, interval.high]).serialize(serializer)
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Unit::Mib => write!(f, "{:.1} MiB", self.value)?,
            Unit::MibPerGib => write!(f, "{:.2}", self.value)?,
        }
        self.interval
            .iter()
            .try_for_each(|interval| write!(f, " [{:.2}, {:.2}]", interval.low, interval.high))
    }
}

impl Finding {
    /// Creates a finding about a case.
    pub(crate) fn new(kind: FindingKind, case: impl fmt::Display) -> Self {
        Self { kind, case: case.to_string(), end: None, expected: None, measured: None, detail: None }
    }

    /// Returns the expected and the measured figure as text: exactly where they would be the same when rounded.
    pub(crate) fn figures(&self) -> [String; 2] {
        let figures = [self.expected, self.measured];
        let rounded =
            figures.map(|figure| figure.map_or_else(|| "nothing".to_owned(), |figure| figure.to_string()));
        match figures {
            [Some(Figure { unit: Unit::Mib, .. }), Some(_)] if rounded[0] == rounded[1] => {
                figures.map(|figure| format!("{:.3} MiB", figure.map_or(f64::NAN, |figure| figure.value)))
            }
            _ => rounded,
        }
    }

    /// Returns the finding as a clause, without the name of the case.
    pub fn describe(&self) -> String {
        let end = self.end.map_or_else(|| "an end".to_owned(), |end| end.to_string());
        let [expected, measured] = self.figures();
        let detail = self.detail.as_deref().unwrap_or_default();
        match self.kind {
            FindingKind::WrongBytes | FindingKind::Failed => {
                let end = self.end.map_or_else(String::new, |end| format!(" ({end})"));
                format!("failed{end}: {detail}")
            }
            FindingKind::OverBudget => {
                format!("{end} over its budget: grew by {measured}{detail}, expected at most {expected}")
            }
            FindingKind::OverCeiling => {
                format!("{end} over its ceiling: peak RSS of {measured}{detail}, expected at most {expected}")
            }
            FindingKind::OverSlope => format!(
                "{end} over its ceiling: expected at most {expected} MiB per GiB of body, measured {measured}"
            ),
            FindingKind::Unclear => {
                format!("{end}: expected at most {expected} MiB per GiB of body, {detail}")
            }
            FindingKind::Drifted => format!("{end} drifted: {detail}"),
            FindingKind::BeatsCeiling => detail.to_owned(),
            FindingKind::NoCeiling | FindingKind::New | FindingKind::Missing | FindingKind::UnusedCeiling => {
                let end = self.end.map_or_else(String::new, |end| format!("{end}"));
                format!("{end}{}{detail}", if end.is_empty() || detail.is_empty() { "" } else { ": " })
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.case, self.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_just_above_its_ceiling_reads_differently_from_it() {
        let over = |measured| {
            let mut finding = Finding::new(FindingKind::OverCeiling, "h2c");
            (finding.expected, finding.measured) =
                (Some(Figure::bytes(12 << 20)), Some(Figure::bytes(measured)));
            finding.figures()
        };
        assert_eq!(over((12 << 20) + 4096), ["12.000 MiB", "12.004 MiB"]);
        assert_eq!(over(13 << 20), ["12.0 MiB", "13.0 MiB"]);
    }
}
