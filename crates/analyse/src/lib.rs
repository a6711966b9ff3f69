//! Conclusions from records: rows, findings, comparisons, ceilings and memory proofs.
//!
//! [`Analysis::of`] turns records into one [`Row`] per series and into [`Finding`]s, and makes a [`Proof`] if the
//! records cover bodies of several sizes. [`Comparison::of`] compares two sets of records, and [`Gate::of`] checks
//! records against a file of [`Ceilings`]. Each figure is computed once, in this crate. Commands and files are views of
//! these types, and a [`Verdict`] determines the exit code of a command.
//!
//! The crate runs no transfer. A live run and its saved records lead to the same conclusions.
//!
//! ```
//! use longhaul_analyse::{Analysis, Verdict};
//! # use record as longhaul_record;
//! use longhaul_record::{Case, Record};
//!
//! let mut record = Record::new("some run", Case::new("h2c"));
//! record.goodput_bytes_per_s = Some(4e9);
//! let records = [record];
//! let analysis = Analysis::of(&records);
//! assert_eq!(analysis.rows[0].goodput.map(|goodput| goodput.median), Some(4e9));
//! assert_eq!(analysis.verdict(), Verdict::Good);
//! ```

mod analysis;
mod answer;
mod baseline;
mod ceilings;
mod compare;
mod conditions;
mod conformance;
#[cfg(feature = "formats")]
mod distribution;
mod disturbed;
mod drift;
mod ends;
mod finding;
#[cfg(feature = "formats")]
mod formats;
mod gate;
mod limitation;
mod machines;
#[cfg(feature = "formats")]
mod merge;
mod proof;
mod rank;
mod reproduction;
mod row;
mod series;
mod session_facts;
#[cfg(test)]
mod tests;
mod tuning;
mod turns;
mod verdict;

pub use analysis::Analysis;
pub use answer::{
    BriefAnswer, CarrierClass, Contest, Contestant, EndPeak, MemoryAnswer, MemoryEvidence, SpeedAnswer,
    SufficientChunk,
};
pub use baseline::{BaselineRatio, paired};
pub use ceilings::{Band, Ceiling, Ceilings, CeilingsError, Drift, suggest};
pub use compare::{
    Change, Circumstance, ComparedCase, Comparing, Comparison, METRICS, Machines, Metric, MetricChange,
    MetricFamily, Thresholds, ThresholdsError,
};
pub use conformance::{Conduct, Conformance, Trial, TrialFigure};
#[cfg(feature = "formats")]
pub use distribution::share_above;
pub use disturbed::Calm;
pub use drift::Peaks;
pub use finding::{Figure, Finding, FindingKind, Unit};
#[cfg(feature = "formats")]
pub use formats::{
    COMPARISON_PAGE, FORMATS, Format, FormatError, Report, Screen, Tone, answer, comparison_junit,
    comparison_markdown, comparison_page, comparison_text, conformance_junit, conformance_text, gate_junit,
    gate_text, proof_text, reproduction_text, table, trial_text, untuned_markdown, write, write_pictures,
};
pub use gate::Gate;
pub use limitation::Limitation;
#[cfg(feature = "formats")]
pub use merge::{Apart, Intervals, LeftOut, Merge, Merged, Sender, Span, Spans};
pub use proof::{Absorption, Constancy, Fit, Judgement, LevelChange, MemorySeries, Proof, standstill_bound};
pub use rank::Rank;
pub use reproduction::{Answer, Claim, Goodputs, Reproduction, Subject};
pub use row::{EndRow, Row};
pub use series::{Series, SeriesKey};
pub use tuning::Untuned;
pub use verdict::Verdict;
