//! The drift of peaks: the comparison of peak RSS in two sets of records.

use std::collections::HashMap;

use record::{ByEnd, End, Record};
use stats::median;

use crate::{
    Band, Figure, Finding, FindingKind, Gate, SeriesKey,
    series::{is_shuffled, place},
};

/// The peak RSS of both ends in successful runs, by series. Records are not kept, so a set may have any number of
/// records.
#[derive(Clone, Debug, Default)]
pub struct Peaks {
    by_series: HashMap<SeriesKey, ByEnd<Vec<f64>>>,
    /// The series in the order of their first appearance.
    order: Vec<SeriesKey>,
    is_shuffled: bool,
}

impl Peaks {
    /// Collects the peaks of records.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut peaks = Self::default();
        records.into_iter().for_each(|record| peaks.add(record));
        peaks
    }

    /// Adds the peaks of a record.
    pub fn add(&mut self, record: &Record) {
        self.is_shuffled |= is_shuffled(record);
        let key = SeriesKey::of(record);
        let of_series = self.by_series.entry(key.clone()).or_insert_with(|| {
            self.order.push(key);
            ByEnd::default()
        });
        for end in End::ALL.into_iter().filter(|_| record.is_ok()) {
            let peak = record.end(end).and_then(|end| end.memory.peak_rss_bytes);
            of_series[end].extend(peak.map(|bytes| bytes as f64));
        }
    }

    /// Returns the series in the order in which they were added, or in the order of a matrix if rounds were shuffled.
    fn series(&self) -> Vec<&SeriesKey> {
        let mut series: Vec<&SeriesKey> = self.order.iter().collect();
        if self.is_shuffled {
            series.sort_by_cached_key(|key| place(key));
        }
        series
    }

    /// Returns the median peak of an end of a series, in bytes.
    fn median(&self, series: &SeriesKey, end: End) -> Option<f64> {
        median(&self.by_series.get(series)?[end])
    }
}

impl Gate {
    /// Compares the median peaks of each series with those in earlier records, and adds findings to the gate.
    pub(crate) fn compare(&mut self, earlier: &Peaks, now: &Peaks, band: Band) {
        for series in now.series() {
            for end in End::ALL {
                match (earlier.median(series, end), now.median(series, end)) {
                    (Some(old), Some(new)) => self.drift(series, end, old, new, band),
                    (None, Some(_)) => self.find(FindingKind::New, series, end, "nothing to compare with"),
                    (Some(_), None) => self.find(FindingKind::Missing, series, end, GONE),
                    (None, None) => {}
                }
            }
        }
        let gone = earlier.series().into_iter().filter(|series| !now.by_series.contains_key(series));
        for series in gone {
            for end in End::ALL.into_iter().filter(|end| earlier.median(series, *end).is_some()) {
                self.find(FindingKind::Missing, series, end, GONE);
            }
        }
    }

    fn drift(&mut self, series: &SeriesKey, end: End, old: f64, new: f64, band: Band) {
        self.compared += 1;
        let band = match band {
            Band::Bytes(bytes) => bytes.0 as f64,
            Band::Percent(percent) => old * percent / 100.0,
        };
        if (new - old).abs() <= band {
            return;
        }
        let way = if new > old { "rose" } else { "fell" };
        let [new_mib, old_mib, band_mib] = [new, old, band].map(|bytes| record::mib(bytes as u64));
        let mut finding = Finding::new(FindingKind::Drifted, series);
        finding.end = Some(end);
        (finding.expected, finding.measured) =
            (Some(Figure::bytes(old as u64)), Some(Figure::bytes(new as u64)));
        finding.detail = Some(format!(
            "expected {old_mib:.1} ± {band_mib:.1} MiB, but the peak {way} to {new_mib:.1} MiB"
        ));
        self.findings.push(finding);
    }
}

/// The detail of a finding about a figure that only earlier records have.
const GONE: &str = "only the earlier records have a figure";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{run, with, with_peak};

    fn compared(earlier: &[Record], now: &[Record], band: Band) -> Gate {
        let mut gate = Gate::default();
        gate.compare(&Peaks::of(earlier), &Peaks::of(now), band);
        gate
    }

    #[test]
    fn peaks_outside_the_band_drift_in_both_directions() {
        let of = |mib: u64| {
            let now = [with_peak(run("h2"), End::Sender, mib << 20)];
            compared(&[run("h2")], &now, Band::Percent(10.0)).count(&[FindingKind::Drifted])
        };
        assert_eq!([of(6), of(8), of(10)], [1, 0, 1]);
    }

    #[test]
    fn series_of_one_side_alone_are_new_or_missing_and_failed_runs_have_no_peak() {
        let failed = with(run("h3"), |record| record.outcome = record::Outcome::Error);
        let (earlier, now) = ([run("h1"), run("h3")], [run("h2"), failed]);
        let gate = compared(&earlier, &now, Band::Percent(10.0));
        let found: Vec<_> =
            gate.findings.iter().map(|finding| (finding.kind, finding.case.as_str())).collect();
        let of = |kind, case| [(kind, case); 2];
        let expected = [
            of(FindingKind::New, "h2/up/64KiB/2GiB"),
            of(FindingKind::Missing, "h3/up/64KiB/2GiB"),
            of(FindingKind::Missing, "h1/up/64KiB/2GiB"),
        ];
        assert_eq!(found, expected.concat());
        assert_eq!(gate.compared, 0);
    }
}
