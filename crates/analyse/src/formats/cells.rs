//! The cells that several tables of rows have in common.

use record::{mib, three_digits};
use stats::{Interval, Spread};

use crate::{Analysis, EndRow, Rank, Row};

/// Returns a figure as text; `-` if it is unknown.
pub(super) fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

/// Returns a rate with three significant digits; `-` if it is unknown.
pub(super) fn rate(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), three_digits)
}

/// Returns the median peak RSS of an end in MiB, as text.
pub(super) fn peak(end: &EndRow<'_>) -> String {
    figure(end.peak_rss.map(|peak| mib(peak.median as u64)), 1)
}

/// Returns the figures of the sender and of the receiver in one cell.
pub(super) fn pair(sender: String, receiver: String) -> String {
    format!("{sender}/{receiver}")
}

/// Returns the range of a figure as text: its interval in brackets, or the least and the greatest value if runs are
/// few.
pub(super) fn range(spread: &Spread, text: impl Fn(f64) -> String) -> String {
    let Interval { low, high } = spread.range();
    match spread.interval {
        Some(_) => format!("[{}, {}]", text(low), text(high)),
        None => format!("{}..{}", text(low), text(high)),
    }
}

/// Returns the verdict on a row: the worst finding, or the rank of a row without findings.
pub(super) fn verdict(analysis: &Analysis<'_>, row: &Row<'_>) -> &'static str {
    match (analysis.worst_of(row), row.rank) {
        (Some(kind), _) => kind.word(),
        (None, _) if row.is_control => "control",
        (None, Some(Rank::Fastest)) => "fastest",
        (None, Some(Rank::Slowest)) => "slowest",
        (None, None) => "ok",
    }
}
