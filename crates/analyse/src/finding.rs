//! Something wrong or remarkable in records, as data.

use std::fmt;

use record::End;
use serde::Serialize;
use stats::Interval;

use crate::Verdict;

/// One finding about one case, or about one ceiling.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The kind, which decides the verdict.
    pub kind: FindingKind,
    /// The name of the case, or of the series if the finding holds for all sizes of the body.
    pub case: String,
    /// The end concerned, if it is a single one.
    pub end: Option<End>,
    /// The bound.
    pub expected: Option<Figure>,
    /// The figure compared with the bound.
    pub measured: Option<Figure>,
    /// The reason in words, if figures do not show it.
    pub detail: Option<String>,
}

/// The kinds of findings, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// The body that arrived was not the one sent.
    WrongBytes,
    /// An end grew by more than its budget.
    OverBudget,
    /// An end took more than a ceiling allows.
    OverCeiling,
    /// Peak RSS grows faster with the body than a ceiling allows.
    OverSlope,
    /// A peak differs from that of earlier records by more than the band allows.
    Drifted,
    /// A run failed.
    Failed,
    /// A protocol is faster than the ceiling of its carrier: the ceiling is too low, and ratios to it say nothing.
    BeatsCeiling,
    /// The figures do not decide whether a bound holds.
    Unclear,
    /// No ceiling matches the end.
    NoCeiling,
    /// A ceiling matches no end.
    UnusedCeiling,
    /// Earlier records have no such case.
    New,
    /// Only earlier records have the case.
    Missing,
}

impl FindingKind {
    /// Returns the verdict of a command that has such a finding.
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

    /// Returns the verdict on a case, in words.
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

/// A figure with its unit, and with an interval where it is an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The value, in the unit.
    pub value: f64,
    /// The interval of 95 % around it.
    #[serde(serialize_with = "interval")]
    pub interval: Option<Interval>,
    /// The unit.
    pub unit: Unit,
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Mebibytes.
    #[serde(rename = "MiB")]
    Mib,
    /// Mebibytes of memory per gibibyte of body.
    #[serde(rename = "MiB/GiB")]
    MibPerGib,
}

impl Figure {
    /// Creates a size in bytes, shown in MiB.
    pub fn bytes(bytes: u64) -> Self {
        Self { value: record::mib(bytes), interval: None, unit: Unit::Mib }
    }

    /// Creates a slope, in MiB per GiB.
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

    /// Returns the finding without the name of the case, as a clause.
    pub fn describe(&self) -> String {
        let end = self.end.map_or_else(|| "an end".to_owned(), |end| end.to_string());
        let shown =
            |figure: Option<Figure>| figure.map_or_else(|| "nothing".to_owned(), |figure| figure.to_string());
        let (measured, expected) = (shown(self.measured), shown(self.expected));
        let detail = self.detail.as_deref().unwrap_or_default();
        match self.kind {
            FindingKind::WrongBytes | FindingKind::Failed => {
                let end = self.end.map_or_else(String::new, |end| format!(" ({end})"));
                format!("failed{end}: {detail}")
            }
            FindingKind::OverBudget => {
                format!("{end} over its budget: grew by {measured}{detail}, {expected} were expected at most")
            }
            FindingKind::OverCeiling => {
                format!("{end} over its ceiling: peak RSS of {measured}{detail}, {expected} are allowed")
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
