//! Ratios of goodput to the baseline and to the ceiling, for rows of one session and for rows made in turns.

use std::{borrow::Cow, collections::HashMap};

use record::Record;
use stats::Spread;

use crate::{Series, SeriesKey, machines, series::is_control, turns::in_turns};

/// The goodput of a row relative to another protocol on the same carrier: the baseline or the ceiling.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BaselineRatio {
    /// The name of the protocol whose goodput is the divisor.
    pub baseline: Cow<'static, str>,
    /// The spread of the ratios over all pairs of runs.
    pub ratio: Spread,
}

/// The baselines and ceilings in a set of series, by the key that they share with the series to compare.
pub(crate) struct Baselines<'s, 'a> {
    by_key: HashMap<(SeriesKey, &'s str), &'s Series<'a>>,
    /// The first series of each ceiling, by a key without the chunk size, because a ceiling does not depend on it.
    ceilings: HashMap<(SeriesKey, &'s str), &'s Series<'a>>,
}

impl<'s, 'a> Baselines<'s, 'a> {
    pub(crate) fn among(series: &'s [Series<'a>], records: &[Record]) -> Self {
        let keyed = |series: &'s Series<'a>| {
            let first = *series.records.first()?;
            let is_compared_with = first.facts().baseline.is_none() && !is_control(first, records);
            is_compared_with.then(|| ((series.key.without_protocol(), first.case.protocol.as_str()), series))
        };
        let by_key: HashMap<_, _> = series.iter().filter_map(keyed).collect();
        let mut ceilings = HashMap::new();
        for series in series {
            let Some(first) = series.records.first().filter(|first| first.facts().is_ceiling()) else {
                continue;
            };
            ceilings.entry((series.key.of_any_chunk(), first.case.protocol.as_str())).or_insert(series);
        }
        Self { by_key, ceilings }
    }

    /// Returns the ratio of a series to its baseline; `None` without pairs of runs.
    pub(crate) fn of_baseline(&self, series: &Series<'a>) -> Option<BaselineRatio> {
        let baseline = series.records.first()?.facts().baseline?;
        let base = self.by_key.get(&(series.key.without_protocol(), baseline.as_ref())).copied()?;
        ratio(base, series, baseline)
    }

    /// Returns the ratio of a series to the ceiling of its carrier; `None` without pairs of runs.
    pub(crate) fn of_ceiling(&self, series: &Series<'a>) -> Option<BaselineRatio> {
        let ceiling = series.records.first()?.facts().ceiling?;
        let same_chunk = self.by_key.get(&(series.key.without_protocol(), ceiling.as_ref()));
        let base = same_chunk.or_else(|| self.ceilings.get(&(series.key.of_any_chunk(), ceiling.as_ref())));
        ratio(base.copied()?, series, ceiling)
    }
}

fn ratio(base: &Series<'_>, series: &Series<'_>, baseline: Cow<'static, str>) -> Option<BaselineRatio> {
    let ratios: Vec<f64> =
        paired(&base.records, &series.records).iter().map(|(base, mine)| mine / base).collect();
    Some(BaselineRatio { baseline, ratio: Spread::of(&ratios)? })
}

/// Returns pairs of goodputs of two series, all above zero. A pair has two runs in one round of one session. If there
/// are none, and the runs of both series were made in turns on one machine, a pair has two consecutive runs. Runs of
/// empty bodies have a goodput of zero, and no ratio.
pub fn paired(base: &[&Record], other: &[&Record]) -> Vec<(f64, f64)> {
    let goodput =
        |record: &Record| record.goodput_bytes_per_s.filter(|goodput| *goodput > 0.0 && record.is_ok());
    let rounds: HashMap<(&str, u32), f64> = base
        .iter()
        .filter_map(|record| Some(((record.run_id.as_str(), record.round), goodput(record)?)))
        .collect();
    let of_one_round =
        |record: &&Record| Some((*rounds.get(&(record.run_id.as_str(), record.round))?, goodput(record)?));
    let pairs: Vec<_> = other.iter().filter_map(of_one_round).collect();
    if !pairs.is_empty() {
        return pairs;
    }
    if !machines::is_one(base.iter().chain(other).copied()) {
        return Vec::new();
    }
    let turns = in_turns(base, other, |record| record.started_at.as_str()).unwrap_or_default();
    turns.into_iter().filter_map(|(base, other)| Some((goodput(base)?, goodput(other)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Analysis,
        tests::{run, runs, with},
    };

    fn ratio(records: &[Record], row: usize) -> Option<BaselineRatio> {
        Analysis::of(records).rows[row].of_baseline.clone()
    }

    #[test]
    fn the_ratio_is_taken_round_by_round() {
        // The machine runs at half speed in the second round, but the ratio stays.
        let records = [runs("tcp", &[10.0, 5.0]), runs("h2c", &[8.0, 4.0])].concat();
        let ratio = ratio(&records, 1).unwrap();
        assert_eq!(
            (ratio.baseline.as_ref(), ratio.ratio),
            ("tcp", Spread { median: 0.8, least: 0.8, most: 0.8, interval: None })
        );
    }

    #[test]
    fn a_ceiling_of_one_chunk_size_is_that_of_all() {
        let chunk = |record: Record| with(record, |record| record.case.chunk = (1 << 20).try_into().unwrap());
        let large: Vec<Record> = runs("h2c", &[6.0, 3.0]).into_iter().map(chunk).collect();
        let records = [runs("tcp-ceiling", &[10.0, 5.0]), runs("h2c", &[8.0, 4.0]), large].concat();
        let rows = Analysis::of(&records).rows;
        let of_ceiling = |row: usize| rows[row].of_ceiling.as_ref().map(|of| of.ratio.median);
        // The ceiling has 64 KiB chunks, and comes after the rows of this chunk size.
        assert_eq!([0, 1, 2].map(of_ceiling), [Some(0.8), None, Some(0.6)]);
        assert!(rows.iter().all(|row| row.of_baseline.is_none()));
    }

    #[test]
    fn rows_of_another_session_are_no_baseline() {
        let other = |record: Record| with(record, |record| record.run_id = "another".into());
        let base: Vec<Record> = runs("tcp", &[10.0, 5.0]).into_iter().map(other).collect();
        assert_eq!(ratio(&[base, runs("h2c", &[8.0, 4.0])].concat(), 1), None);
    }

    #[test]
    fn sessions_made_in_turns_are_paired_by_time() {
        let time = |minute: usize| format!("2026-11-23T00:{minute:02}:00Z");
        let session = |protocol: &str, minute: usize, goodput: f64| {
            with(run(protocol), |record| {
                record.run_id = format!("{protocol} {minute}");
                record.started_at = time(minute);
                record.goodput_bytes_per_s = Some(goodput);
            })
        };
        let turns =
            [session("tcp", 0, 10.0), session("h2c", 1, 8.0), session("h2c", 2, 4.0), session("tcp", 3, 5.0)];
        let spread = ratio(&turns, 1).unwrap().ratio;
        assert_eq!((spread.least, spread.most), (0.8, 0.8));
        let apart = [&turns[..1], &turns[3..], &turns[1..3]].concat().into_iter().enumerate();
        let blocks: Vec<Record> =
            apart.map(|(minute, record)| with(record, |record| record.started_at = time(minute))).collect();
        assert_eq!(ratio(&blocks, 1), None, "first all of one, then all of the other");
        let machines =
            turns.map(|record| with(record, |record| record.host.name = Some(record.case.protocol.clone())));
        assert_eq!(ratio(&machines, 1), None, "a machine for each");
    }

    #[test]
    fn empty_bodies_have_no_ratio() {
        let empty = |protocol: &str| runs(protocol, &[0.0, 0.0]);
        for records in [[empty("tcp"), empty("h2c")], [runs("tcp", &[1.0, 2.0]), empty("h2c")]] {
            assert_eq!(ratio(&records.concat(), 1), None);
        }
        let one_empty = [runs("tcp", &[10.0, 0.0]), runs("h2c", &[8.0, 0.0])].concat();
        assert_eq!(ratio(&one_empty, 1).unwrap().ratio.median, 0.8);
    }

    #[test]
    fn an_invented_protocol_is_compared_with_the_baseline_that_its_record_names() {
        let mut pigeon = run("pigeon");
        let mut facts = record::ProtocolFacts::of("h1c");
        facts.name = "pigeon".into();
        pigeon.protocol = Some(facts);
        pigeon.goodput_bytes_per_s = Some((1_u64 << 30) as f64);
        assert_eq!(ratio(&[run("tcp"), pigeon], 1).unwrap().ratio.median, 0.5);
    }
}
