//! The goodput of rows without their disturbed runs.

use std::collections::BTreeMap;

use record::{Record, mib_per_s, three_digits};
use stats::Spread;

use crate::Row;

/// The successful runs of a row by the rule of [`Record::is_undisturbed`]: the number of disturbed runs, and the
/// goodput without them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Calm {
    /// The number of successful runs that were disturbed.
    pub disturbed: usize,
    /// The number of all successful runs.
    pub runs: usize,
    /// The goodput over the undisturbed runs, in bytes per second. `None` if all runs were disturbed.
    pub goodput: Option<Spread>,
}

impl Calm {
    /// Summarises the undisturbed runs in `records`. `None` if no successful run was disturbed.
    pub(crate) fn of(records: &[&Record]) -> Option<Self> {
        let well = || records.iter().filter(|record| record.is_ok());
        let calm = well().filter(|record| record.is_undisturbed());
        let goodputs: Vec<f64> = calm.filter_map(|record| record.goodput_bytes_per_s).collect();
        let disturbed = well().filter(|record| !record.is_undisturbed()).count();
        (disturbed > 0).then(|| Self { disturbed, runs: well().count(), goodput: Spread::of(&goodputs) })
    }
}

/// Returns a sentence about the disturbed runs of `rows`: their number and reasons, the number of rows without an
/// undisturbed run, and the row whose median they change most. `None` without disturbed runs.
pub(crate) fn note(rows: &[Row<'_>]) -> Option<String> {
    let concerned: Vec<(&Row<'_>, Calm)> = rows.iter().filter_map(|row| Some((row, row.calm?))).collect();
    let all: usize = rows.iter().map(|row| row.records.iter().filter(|record| record.is_ok()).count()).sum();
    let disturbed: usize = concerned.iter().map(|(_, calm)| calm.disturbed).sum();
    if disturbed == 0 {
        return None;
    }
    let wholly = concerned.iter().filter(|(_, calm)| calm.goodput.is_none()).count();
    let wholly =
        (wholly > 0).then(|| format!("; in {wholly} of {} rows, every run was disturbed", rows.len()));
    let most = concerned.iter().filter_map(|(row, calm)| Some((row, calm, effect(row, calm)?)));
    let most = most.max_by(|(.., one), (.., other)| one.total_cmp(other));
    let most = most.map(|(row, calm, _)| format!("; at most, they change {}", medians(row, calm)));
    Some(format!(
        "{disturbed} of {all} runs {} disturbed ({}){}{}",
        if disturbed == 1 { "was" } else { "were" },
        reasons(&concerned),
        wholly.unwrap_or_default(),
        most.unwrap_or_default()
    ))
}

/// Returns the effect of the disturbed runs on the median of a row, as the absolute logarithm of a ratio.
fn effect(row: &Row<'_>, calm: &Calm) -> Option<f64> {
    Some((row.goodput?.median / calm.goodput?.median).ln().abs()).filter(|effect| effect.is_finite())
}

/// Returns the reasons for disturbances, the most frequent first: "packets were sent again: 2".
fn reasons(rows: &[(&Row<'_>, Calm)]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let records = rows.iter().flat_map(|(row, _)| &row.records);
    let disturbed = records.filter(|record| record.is_ok() && !record.is_undisturbed());
    disturbed
        .flat_map(|record| &record.disturbances)
        .for_each(|reason| *counts.entry(reason).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let texts: Vec<String> = counts.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
    if texts.is_empty() { "for reasons not stated".into() } else { texts.join(", ") }
}

/// Returns the medians of a row with and without its disturbed runs.
fn medians(row: &Row<'_>, calm: &Calm) -> String {
    let text = |spread: Option<Spread>| {
        spread.map_or("-".to_owned(), |spread| three_digits(mib_per_s(spread.median)))
    };
    format!("{} from {} to {} MiB/s", row.key, text(calm.goodput), text(row.goodput))
}

#[cfg(test)]
mod tests {
    use crate::{
        Analysis,
        tests::{failed, runs, with},
    };
    use record::FaultKind;

    use super::*;

    fn disturbed(record: Record) -> Record {
        with(record, |record| {
            record.disturbed = Some(true);
            record.disturbances = vec!["an end was preempted".into()];
        })
    }

    #[test]
    fn medians_are_given_with_and_without_disturbed_runs() {
        let mut records = runs("h2", &[100.0, 110.0, 120.0, 10.0, 20.0]);
        assert_eq!(Analysis::of(&records).rows[0].calm, None);
        assert!(Analysis::of(&records).notes.is_empty());
        for slow in &mut records[3..] {
            *slow = disturbed(slow.clone());
        }
        records.push(disturbed(failed("h2", FaultKind::Timeout)));
        let analysis = Analysis::of(&records);
        let calm = analysis.rows[0].calm.unwrap();
        let mib = f64::from(1 << 20);
        assert_eq!((calm.disturbed, calm.runs, calm.goodput.unwrap().median), (2, 5, 110.0 * mib));
        assert_eq!(
            analysis.notes,
            [
                "2 of 5 runs were disturbed (an end was preempted: 2); at most, they change h2/up/64KiB/2GiB from 110 to 100 \
                 MiB/s"
            ]
        );
    }

    #[test]
    fn a_row_whose_runs_were_all_disturbed_has_no_median_without_them() {
        let records: Vec<Record> = runs("h2", &[1.0, 2.0]).into_iter().map(disturbed).collect();
        let analysis = Analysis::of(&records);
        let expected =
            "2 of 2 runs were disturbed (an end was preempted: 2); in 1 of 1 rows, every run was disturbed";
        assert_eq!(analysis.notes, [expected]);
        assert_eq!(analysis.rows[0].calm.unwrap().goodput, None);
    }
}
