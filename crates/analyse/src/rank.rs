//! The ranks of rows: the fastest and the slowest among comparable rows.

use std::collections::{HashMap, HashSet};

use stats::{Interval, Spread};

use crate::{Finding, Row, SeriesKey, machines};

/// The rank of a row: first or last among the HTTP rows that move the same bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// The row has the highest goodput among its rivals.
    Fastest,
    /// The row has the lowest goodput among its rivals.
    Slowest,
}

/// Sets the ranks of HTTP rows without findings. A row is first or last if its interval of goodput does not overlap the
/// interval of any rival.
///
/// Rivals differ in protocol, chunk and limits alone. Libraries with their own defaults are ranked separately. Rivals
/// are not ranked if one of them has no interval, and no row is ranked if the records are from several machines.
pub(crate) fn rank(rows: &mut [Row<'_>], findings: &[Finding]) {
    if !machines::is_one(rows.iter().flat_map(|row| row.records.iter().copied())) {
        return;
    }
    let troubled: HashSet<&str> = findings.iter().map(|finding| finding.case.as_str()).collect();
    let mut groups: HashMap<(SeriesKey, bool), Vec<(usize, Spread)>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let competes = row.facts.http.is_some() && !row.is_control;
        if let Some(goodput) =
            row.goodput.filter(|_| competes && !troubled.contains(row.key.to_string().as_str()))
        {
            groups.entry((row.key.of_any_chunk(), row.case.is_stock())).or_default().push((index, goodput));
        }
    }
    for rivals in groups.values() {
        let places =
            [(first(rivals, |spread| spread), Rank::Fastest), (first(rivals, negated), Rank::Slowest)];
        for (place, rank) in places {
            if let Some(row) = place.and_then(|place| rows.get_mut(place)) {
                row.rank = Some(rank);
            }
        }
    }
}

/// Returns the position of the row with the highest figure, if its interval lies above the intervals of all other
/// rivals.
fn first(rivals: &[(usize, Spread)], figure: impl Fn(Spread) -> Spread) -> Option<usize> {
    let mut ranges: Vec<(usize, Interval)> =
        rivals.iter().map(|(index, spread)| (*index, figure(*spread).range())).collect();
    // Without an interval, the range of few runs does not show that rows differ.
    if rivals.iter().any(|(_, spread)| spread.interval.is_none()) {
        return None;
    }
    ranges.sort_by(|a, b| b.1.low.total_cmp(&a.1.low));
    let [(first, range), others @ ..] = ranges.as_slice() else { return None };
    let parts = others.iter().all(|(_, other)| other.high < range.low);
    (parts && !others.is_empty()).then_some(*first)
}

/// Negates a spread, so that the lowest figure becomes the highest.
fn negated(spread: Spread) -> Spread {
    let interval = spread.interval.map(|interval| Interval { low: -interval.high, high: -interval.low });
    Spread { median: -spread.median, least: -spread.most, most: -spread.least, interval }
}

#[cfg(test)]
mod tests {
    use record::Record;

    use super::*;
    use crate::{
        Analysis,
        tests::{bad_day, runs, with},
    };

    /// Returns the ranks of the rows, in their order.
    fn ranks(records: &[Record]) -> Vec<Option<Rank>> {
        Analysis::of(records).rows.iter().map(|row| row.rank).collect()
    }

    /// Returns six goodputs around a median, whose interval is 0.3 to either side.
    fn around(goodput: f64) -> [f64; 6] {
        [-0.3, -0.2, -0.1, 0.1, 0.2, 0.3].map(|off| goodput + off)
    }

    #[test]
    fn only_http_rows_without_findings_are_ranked() {
        let mut records = [("tcp", 9.0), ("h1c", 5.0), ("h2c", 4.0), ("h1", 3.0)]
            .map(|(protocol, goodput)| runs(protocol, &around(goodput)))
            .concat();
        records.extend(bad_day());
        let analysis = Analysis::of(&records);
        let named: Vec<_> = analysis.rows.iter().map(|row| (row.case.protocol.as_str(), row.rank)).collect();
        assert_eq!(
            named,
            [
                ("tcp", None),
                ("h1c", Some(Rank::Fastest)),
                ("h2c", None),
                ("h1", Some(Rank::Slowest)),
                ("h2", None),
                ("h3", None)
            ]
        );
        let near = [runs("h1c", &around(5.0)), runs("h2c", &around(4.8)), runs("h1", &around(3.0))].concat();
        assert_eq!(ranks(&near), [None, None, Some(Rank::Slowest)], "the intervals of two rows overlap");
        let few = [runs("h1c", &[5.0, 5.1]), runs("h2c", &[4.0, 4.1])].concat();
        assert_eq!(ranks(&few), [None, None], "without intervals");
        records[1].host.name = Some("one".into());
        records[2].host.name = Some("another".into());
        assert!(ranks(&records).iter().all(Option::is_none), "of two machines");
        assert_eq!(ranks(&runs("h2c", &around(4.0))), [None], "without a rival");
    }

    #[test]
    fn rows_that_move_other_bodies_are_no_rivals() {
        let slowed = |record: Record| with(record, |record| record.case.reader_rate = "1MiB".parse().ok());
        let pair = [runs("h1c", &around(5.0)), runs("h2c", &around(4.0))].concat();
        let slow: Vec<Record> = runs("h2c", &around(1.0)).into_iter().map(slowed).collect();
        let (fastest, slowest) = (Some(Rank::Fastest), Some(Rank::Slowest));
        assert_eq!(ranks(&[&pair[..], &slow].concat()), [fastest, slowest, None], "a slow reader");
        let labelled = |record: Record| with(record, |record| record.label = Some("other".into()));
        let other: Vec<Record> = pair.iter().cloned().map(labelled).collect();
        assert_eq!(ranks(&[pair.clone(), other].concat()), [fastest, slowest, fastest, slowest]);
    }

    #[test]
    fn stock_rows_are_ranked_separately_and_baselines_are_not_ranked() {
        let stock = |record: Record| {
            with(record, |record| {
                record.case.limits = record::Limits::of(record::Profile::Stock);
                record.limits = record.case.limits.clone();
            })
        };
        let pair = [runs("h1c", &around(5.0)), runs("h2c", &around(4.0))].concat();
        let untuned = runs("h2c", &around(1.0)).into_iter().map(stock);
        let quic = runs("quic", &around(0.5));
        let records: Vec<Record> = pair.into_iter().chain(untuned).chain(quic).collect();
        let found: Vec<(String, Option<Rank>)> =
            Analysis::of(&records).rows.iter().map(|row| (row.key.to_string(), row.rank)).collect();
        let rank = |name: &str| found.iter().find(|row| row.0.starts_with(name)).unwrap().1;
        assert_eq!(rank("h1c/up/64KiB/2GiB"), Some(Rank::Fastest));
        assert_eq!(rank("h2c/up/64KiB/2GiB"), Some(Rank::Slowest));
        assert_eq!(rank("h2c/up/64KiB/2GiB+profile=stock"), None);
        assert_eq!(rank("quic"), None, "no HTTP");
    }
}
