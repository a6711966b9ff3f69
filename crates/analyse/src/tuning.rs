//! Rows that are not tuned, beside their tuned rows: libraries with their own defaults, or without one of longhaul's
//! limits or layers.

use std::collections::HashMap;

use record::Axis;
use stats::{Spread, unpaired_shift};

use crate::{Row, SeriesKey, machines, paired};

/// A row whose limits, layers, busy-polling or allocator differ from those of the tuned row. The tuned row moves the
/// same bodies over the same protocol.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Untuned {
    /// The name of the tuned case.
    pub case: String,
    /// The differences from the tuned row: "stock" for a library with its own defaults, and the limits, layers or
    /// allocator that differ.
    pub variant: String,
    /// The median goodput of the tuned row, in bytes per second.
    pub tuned_bytes_per_s: f64,
    /// The median goodput of the row, in bytes per second.
    pub goodput_bytes_per_s: f64,
    /// The ratio of the row's goodput to the tuned row's: by pairs of runs if `in_turns` is true, else by the estimator
    /// of Hodges and Lehmann.
    pub of_tuned: Spread,
    /// True if the runs of both rows form pairs, by the rounds of one session or in turns. Otherwise the drift of the
    /// machine is part of the ratio.
    pub in_turns: bool,
}

/// The name of the system's allocator in a record's build.
const SYSTEM: &str = "system";

/// The name of the axis of busy-polling. Busy-polling is not a limit, but the stock profile leaves it out.
const SPIN: &str = "spin";

/// The confidence of the interval of a ratio.
const CONFIDENCE: f64 = 0.95;

/// Returns every row that is not tuned, compared with its tuned row. In each transfer, libraries with their own
/// defaults come first. Only transfers with a stock row count, so that a sweep over one limit returns no rows.
pub(crate) fn beside(rows: &[Row<'_>]) -> Vec<Untuned> {
    let mut transfers: Vec<Vec<&Row<'_>>> = Vec::new();
    let mut known: HashMap<SeriesKey, usize> = HashMap::new();
    for row in rows.iter().filter(|row| !row.is_control && row.goodput.is_some()) {
        let place = *known.entry(transfer(&row.key)).or_insert(transfers.len());
        match transfers.get_mut(place) {
            Some(rows) => rows.push(row),
            None => transfers.push(vec![row]),
        }
    }
    let has_stock = |rows: &&Vec<&Row<'_>>| rows.iter().any(|row| row.case.is_stock());
    transfers.iter().filter(has_stock).flat_map(|rows| of_transfer(rows)).collect()
}

/// Returns the identity of a series without the properties that tuning changes: limits, layers, busy-polling and label.
fn transfer(key: &SeriesKey) -> SeriesKey {
    let mut case = key.case.without_protocol();
    case.protocol.clone_from(&key.case.protocol);
    case.axes.retain(|axis| !is_spin(axis));
    SeriesKey { case, label: None, peer: key.peer.clone() }
}

fn is_spin(axis: &Axis) -> bool {
    matches!(axis, Axis::Setting { name, .. } if name == SPIN)
}

/// Returns the rows of one transfer that are not tuned. Stock rows come first, then rows with fewer differences, then
/// slower rows.
fn of_transfer(rows: &[&Row<'_>]) -> Vec<Untuned> {
    let named = rows.iter().map(|row| (*row, variant(row)));
    let (tuned, others): (Vec<_>, Vec<_>) = named.partition(|(_, variant)| variant.is_empty());
    let of = |(row, variant): (&Row<'_>, Vec<String>)| {
        let own = tuned.iter().find(|(tuned, _)| tuned.key.label == row.key.label);
        // The runs of a study have a label for each variant, and a single tuned row.
        let only = || tuned.first().filter(|_| tuned.len() == 1);
        let untuned = Untuned::of(own.or_else(only)?.0, row, variant.join(", "))?;
        Some((!row.case.is_stock(), variant.len(), untuned))
    };
    let mut untuned: Vec<_> = others.into_iter().filter_map(of).collect();
    untuned.sort_by(|a, b| {
        let place = |(is_no_stock, differences, _): &(bool, usize, Untuned)| (*is_no_stock, *differences);
        place(a).cmp(&place(b)).then(a.2.of_tuned.median.total_cmp(&b.2.of_tuned.median))
    });
    untuned.into_iter().map(|(.., untuned)| untuned).collect()
}

/// Returns the differences of a row from a tuned row; empty if the row is tuned itself.
fn variant(row: &Row<'_>) -> Vec<String> {
    let case = &row.key.case;
    let transfer = transfer(&row.key).case;
    let is_stock = row.case.is_stock();
    let of_stock = |axis: &Axis| is_stock && (is_spin(axis) || axis.to_string() == "profile=stock");
    let differs = case.axes.iter().filter(|axis| !transfer.axes.contains(axis) && !of_stock(axis));
    let stock = is_stock.then(|| "stock".to_owned());
    let is_system = row.records.first().is_some_and(|record| record.build.allocator == SYSTEM);
    let allocator = is_system.then(|| "allocator of the system".to_owned());
    stock.into_iter().chain(differs.map(Axis::to_string)).chain(allocator).collect()
}

impl Untuned {
    fn of(tuned: &Row<'_>, row: &Row<'_>, variant: String) -> Option<Self> {
        let pairs = paired(&tuned.records, &row.records);
        let ratios: Vec<f64> = pairs.iter().map(|(tuned, own)| own / tuned).collect();
        let of_tuned = Spread::of(&ratios).or_else(|| apart(tuned, row))?;
        Some(Self {
            case: tuned.key.case.to_string(),
            variant,
            tuned_bytes_per_s: tuned.goodput?.median,
            goodput_bytes_per_s: row.goodput?.median,
            of_tuned,
            in_turns: !ratios.is_empty(),
        })
    }
}

/// Returns the ratio of two rows whose runs were not made in turns; `None` if they are from several machines.
fn apart(tuned: &Row<'_>, row: &Row<'_>) -> Option<Spread> {
    if !machines::is_one(tuned.records.iter().chain(&row.records).copied()) {
        return None;
    }
    let goodputs = |row: &Row<'_>| -> Vec<f64> {
        let well = row.records.iter().filter(|record| record.is_ok());
        well.filter_map(|record| record.goodput_bytes_per_s).collect()
    };
    let ratio = unpaired_shift(&goodputs(tuned), &goodputs(row), CONFIDENCE)?.ratio;
    let (base, own) = (tuned.goodput?, row.goodput?);
    let (least, most) = (own.least / base.most, own.most / base.least);
    Some(Spread { median: ratio.estimate, least, most, interval: ratio.interval })
}

#[cfg(test)]
mod tests {
    use record::{H2_CORK, LimitValue, Limits, Profile, Record};

    use super::*;
    use crate::{
        Analysis,
        tests::{runs, with},
    };

    /// Returns seven runs at the given share of the tuned goodput. Each run is the `turn`-th of its round.
    fn turn(turn: u32, share: f64, edit: impl Fn(&mut Record)) -> Vec<Record> {
        let goodputs = [90.0, 95.0, 100.0, 100.0, 105.0, 110.0, 120.0].map(|goodput| goodput * share);
        let edited = |record: Record| {
            with(record, |record| {
                record.run_id = format!("{turn} {}", record.round);
                record.started_at = format!("2026-11-27T00:{:02}:{turn:02}Z", record.round);
                edit(record);
            })
        };
        runs("h2c", &goodputs).into_iter().map(edited).collect()
    }

    fn stock(record: &mut Record) {
        (record.case.limits, record.case.spin) = (Limits::of(Profile::Stock), None);
        for end in [&mut record.sender, &mut record.receiver].into_iter().flatten() {
            (end.memory.budget_bytes, end.memory.within_budget) = (None, None);
        }
    }

    fn without_cork(record: &mut Record) {
        record.case.limits.set(&H2_CORK, LimitValue::Choice("off".into())).unwrap();
        record.label = Some("h2-cork".into());
    }

    #[test]
    fn stock_and_each_layer_stand_beside_the_tuned_row_with_the_ratio_of_their_rounds() {
        let system = |record: &mut Record| record.build.allocator = SYSTEM.into();
        let labelled = |record: &mut Record| record.label = Some("tuned".into());
        let records = [
            turn(0, 1.0, labelled),
            turn(1, 0.8, without_cork),
            turn(2, 0.5, stock),
            turn(3, 0.9, |record| {
                system(record);
                record.label = Some("allocator".into());
            }),
            turn(4, 0.4, |record| {
                stock(record);
                system(record);
                record.label = Some("both".into());
            }),
        ];
        let untuned = Analysis::of(&records.concat()).untuned;
        let found: Vec<(&str, i64)> = untuned
            .iter()
            .map(|row| (row.variant.as_str(), (100.0 * row.of_tuned.median).round() as i64))
            .collect();
        let expected = [
            ("stock", 50),
            ("stock, allocator of the system", 40),
            ("h2-cork=off", 80),
            ("allocator of the system", 90),
        ];
        assert_eq!(found, expected);
        let interval = untuned[0].of_tuned.interval.unwrap();
        // The machine drifts by a third over the rounds, but the ratio of each round does not.
        assert!((interval.low - 0.5).abs() < 1e-9 && (interval.high - 0.5).abs() < 1e-9, "{untuned:?}");
        assert!(untuned.iter().all(|row| row.in_turns && row.case == "h2c/up/64KiB/2GiB"), "{untuned:?}");
        let mib = f64::from(1 << 20);
        assert_eq!((untuned[0].tuned_bytes_per_s, untuned[0].goodput_bytes_per_s), (100.0 * mib, 50.0 * mib));
    }

    #[test]
    fn sessions_that_were_not_in_turns_have_a_wider_ratio_and_say_so() {
        let later = |record: &mut Record| {
            stock(record);
            record.started_at = record.started_at.replace("T00", "T01");
        };
        let untuned = Analysis::of(&[turn(0, 1.0, |_| ()), turn(1, 0.5, later)].concat()).untuned;
        let [row] = untuned.as_slice() else { panic!("{untuned:?}") };
        let interval = row.of_tuned.interval.unwrap();
        assert!(!row.in_turns && interval.low < 0.49 && interval.high > 0.51, "{row:?}");
    }

    #[test]
    fn a_change_of_one_limit_alone_is_no_comparison_with_stock() {
        assert_eq!(Analysis::of(&[turn(0, 1.0, |_| ()), turn(1, 0.8, without_cork)].concat()).untuned, []);
    }

    #[test]
    fn a_stock_row_has_no_budget_to_be_over() {
        let grown = |record: &mut Record| {
            stock(record);
            record.receiver.as_mut().unwrap().memory.peak_rss_bytes = Some(1 << 40);
        };
        let records = turn(0, 1.0, grown);
        let analysis = Analysis::of(&records);
        assert!(analysis.findings.is_empty(), "{:?}", analysis.findings);
        assert_eq!(
            analysis.sentence(),
            "Every run ended well, and every end with a memory budget kept within it."
        );
        assert_eq!(analysis.rows[0].ends.receiver.allowed_rss, None);
    }
}
