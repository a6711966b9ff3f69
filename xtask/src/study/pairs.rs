//! Pairs of runs, one made right after the other, and the ratio of their goodputs.

use record::Record;
use stats::{Interval, Ratio, Spread, paired_ratio};

/// The confidence of every interval of a study.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// Returns whether the cores of the two ends were close to each other, or their distance is unknown. A hypervisor may
/// move them apart, and a run then measures their distance instead.
pub(crate) fn has_close_cores(record: &Record) -> bool {
    record.core_round_trip.is_none_or(|trip| !trip.is_far())
}

/// Returns the goodputs of two series of one study, round by round. Runs at the same position in both series must be of
/// the same round. Rounds with a failed run or with distant cores are left out.
pub(crate) fn pairs(base: &[&Record], other: &[&Record]) -> Vec<(f64, f64)> {
    let goodput =
        |record: &Record| record.goodput_bytes_per_s.filter(|_| record.is_ok() && has_close_cores(record));
    let rounds = base.iter().zip(other);
    rounds.filter_map(|(base, other)| Some((goodput(base)?, goodput(other)?))).collect()
}

/// The ratio of pairs, its interval and its spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RatioSummary {
    median: Ratio,
    spread: Spread,
    pairs: usize,
}

impl RatioSummary {
    /// The heads of the columns that [`cells`](Self::cells) fills.
    pub(crate) const HEADS: [&str; 6] = ["median", "low", "high", "least", "most", "pairs"];

    /// Summarises pairs of (base, candidate). `None` if there are none.
    pub(crate) fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let ratios: Vec<f64> = pairs.iter().map(|(base, candidate)| candidate / base).collect();
        let median = paired_ratio(pairs, CONFIDENCE)?;
        Some(Self { median, spread: Spread::of(&ratios)?, pairs: pairs.len() })
    }

    /// Returns the estimate of the ratio.
    pub(crate) fn estimate(&self) -> f64 {
        self.median.estimate
    }

    /// Returns whether the lower end of the interval meets an aim. `None` if there are too few pairs for an interval.
    pub(crate) fn meets(&self, aim: f64) -> Option<bool> {
        self.median.interval.map(|interval| interval.low >= aim)
    }

    /// Formats the ratio and its interval for one cell.
    pub(crate) fn brief(&self) -> String {
        let Ratio { estimate, interval } = self.median;
        let range =
            interval.map_or(String::new(), |Interval { low, high }| format!(" [{low:.2}, {high:.2}]"));
        format!("{estimate:.2}{range}")
    }

    /// Formats the columns, with dashes in place of an interval if there are too few pairs.
    pub(crate) fn cells(&self) -> [String; 6] {
        let figure = |ratio: f64| format!("{ratio:.3}");
        let Ratio { estimate, interval } = self.median;
        let [low, high] =
            interval.map_or(["-".into(), "-".into()], |Interval { low, high }| [figure(low), figure(high)]);
        let Spread { least, most, .. } = self.spread;
        [figure(estimate), low, high, figure(least), figure(most), self.pairs.to_string()]
    }
}

#[cfg(test)]
mod tests {
    use record::{Case, CoreRoundTrip, Outcome};

    use super::*;

    fn series(protocol: &str, goodputs: &[f64]) -> Vec<Record> {
        let record = |(round, goodput): (usize, &f64)| {
            let mut record = Record::new(format!("run {round} of {protocol}"), Case::new(protocol));
            record.goodput_bytes_per_s = Some(*goodput);
            let second = protocol.bytes().map(u32::from).sum::<u32>() % 60;
            record.started_at = format!("2026-11-26T00:0{round}:{second:02}Z");
            record
        };
        goodputs.iter().enumerate().map(record).collect()
    }

    fn refer(records: &[Record]) -> Vec<&Record> {
        records.iter().collect()
    }

    #[test]
    fn runs_are_paired_by_round_without_those_that_failed_or_had_distant_cores() {
        let mut base = series("tcp", &[10.0, 20.0, 40.0, 50.0]);
        let mut other = series("h2c", &[11.0, 21.0, 41.0, 51.0]);
        base[1].outcome = Outcome::Error;
        other[2].core_round_trip = Some(CoreRoundTrip { before_ns: 60, after_ns: 300 });
        assert_eq!(pairs(&refer(&base), &refer(&other)), [(10.0, 11.0), (50.0, 51.0)]);
    }

    #[test]
    fn a_ratio_has_an_interval_from_six_pairs_on() {
        let pairs: Vec<(f64, f64)> = (0..11).map(|round| (10.0, 10.0 + f64::from(round))).collect();
        let cells = RatioSummary::of(&pairs).unwrap().cells();
        assert_eq!(cells, ["1.500", "1.100", "1.900", "1.000", "2.000", "11"]);
        let cells = RatioSummary::of(&pairs[..5]).unwrap().cells();
        assert_eq!(cells, ["1.200", "-", "-", "1.000", "1.400", "5"]);
        assert_eq!(RatioSummary::of(&[]), None);
        let summary = RatioSummary::of(&pairs).unwrap();
        assert_eq!(
            [1.1, 1.11].map(|aim| summary.meets(aim)),
            [Some(true), Some(false)],
            "not the median of 1.5"
        );
        assert_eq!(RatioSummary::of(&pairs[..5]).unwrap().meets(0.5), None);
    }
}
