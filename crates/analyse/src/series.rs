//! Series: all runs of one case, label and peer, over any number of sessions.

use std::{collections::HashMap, fmt};

use record::{Axis, ByteSize, CaseKey, Order, PROTOCOLS, Purpose, Record, SinkKind};

/// The identity of a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct SeriesKey {
    /// The identity of the case.
    pub case: CaseKey,
    /// The name that the user gave to the runs (`--label`); `None` without one.
    pub label: Option<String>,
    /// The URL of the peer of `send` or `fetch`, the command line of the program under proof, or the name of the
    /// program in `bench --peer`. `None` for all other runs.
    pub peer: Option<String>,
}

impl SeriesKey {
    /// Returns the identity of the series to which a record belongs.
    pub fn of(record: &Record) -> Self {
        Self { case: record.case.key(), label: record.label.clone(), peer: record.peer.clone() }
    }

    /// Returns the identity without the size of the body.
    #[must_use]
    pub fn without_body(&self) -> Self {
        Self { case: self.case.without_body(), ..self.clone() }
    }

    /// Returns the identity without protocol, limits and chunk size.
    #[must_use]
    pub(crate) fn of_any_chunk(&self) -> Self {
        let mut key = self.without_protocol();
        key.case.chunk = ByteSize(0);
        key
    }

    /// Returns the identity without the protocol and its limits.
    #[must_use]
    pub fn without_protocol(&self) -> Self {
        Self { case: self.case.without_protocol(), ..self.clone() }
    }
}

/// Writes the name of the case, then label and peer if present.
impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.case.fmt(f)?;
        self.label.iter().try_for_each(|label| write!(f, " '{label}'"))?;
        self.peer.iter().try_for_each(|peer| write!(f, " {peer}"))
    }
}

/// A series with its records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Series<'a> {
    /// The identity of the series.
    pub key: SeriesKey,
    /// The records of the series, in their order.
    pub records: Vec<&'a Record>,
}

impl<'a> Series<'a> {
    /// Returns the series of records, in the order of their first appearance, or in the order of a matrix if rounds
    /// were shuffled.
    pub fn all(records: impl IntoIterator<Item = &'a Record>) -> Vec<Self> {
        group(records, SeriesKey::of)
    }
}

/// Groups records by a key, in the order in which keys first appear. If rounds were shuffled, this order is random, and
/// groups have the order of a matrix instead.
pub(crate) fn group<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    key: impl Fn(&Record) -> SeriesKey,
) -> Vec<Series<'a>> {
    let mut series: Vec<Series<'a>> = Vec::new();
    let mut known: HashMap<SeriesKey, usize> = HashMap::new();
    let mut is_shuffled = false;
    for record in records {
        is_shuffled |= self::is_shuffled(record);
        let key = key(record);
        let index = *known.entry(key.clone()).or_insert_with(|| {
            series.push(Series { key, records: Vec::new() });
            series.len() - 1
        });
        series[index].records.push(record);
    }
    if is_shuffled {
        series.sort_by_cached_key(|series| place(&series.key));
    }
    series
}

/// Returns whether a record is of a session whose rounds were shuffled.
pub(crate) fn is_shuffled(record: &Record) -> bool {
    record.schedule.is_some_and(|schedule| schedule.order == Order::Shuffled)
}

/// Returns the place of a series in a matrix, whose protocols vary fastest. Series with further axes follow series
/// without them.
pub(crate) fn place(key: &SeriesKey) -> impl Ord + use<> {
    let case = &key.case;
    let axis = |axis: &Axis| match axis {
        Axis::Load { .. } => String::new(),
        Axis::Setting { name, .. } => name.clone(),
    };
    let axes: Vec<String> = case.axes.iter().map(axis).collect();
    let protocol = PROTOCOLS.iter().position(|row| case.protocol.as_deref() == Some(row.name));
    let session = (key.label.clone(), key.peer.clone());
    (session, axes, case.body, case.direction, case.chunk, protocol.unwrap_or(PROTOCOLS.len()))
}

/// Returns whether a record is a control. A record that states no purpose counts as a control if its receiver collects
/// the body. A record with HTTP/3's stock receive path also counts as a control if another receiver of its session
/// collects the body.
pub(crate) fn is_control(record: &Record, all: &[Record]) -> bool {
    let collects = |record: &Record| record.case.sink == SinkKind::Collect;
    match record.purpose {
        Some(purpose) => purpose == Purpose::Control,
        None if collects(record) => true,
        None if record.case.key().axis("h3-recv") == Some("stock") => {
            all.iter().any(|other| other.run_id == record.run_id && collects(other))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use record::Case;

    use super::*;
    use crate::tests::{run, with};

    #[test]
    fn sessions_of_one_round_each_are_one_series_but_labels_and_peers_are_not() {
        let session = |number: u32| with(run("h2"), |record| record.run_id = number.to_string());
        let mut records: Vec<Record> = (0..7).map(session).collect();
        records.push(with(run("h2"), |record| record.label = Some("new".into())));
        records.push(with(run("h2"), |record| record.peer = Some("https://a/".into())));
        let series = Series::all(&records);
        assert_eq!(series.iter().map(|series| series.records.len()).collect::<Vec<_>>(), [7, 1, 1]);
        assert_eq!(series[1].key.to_string(), "h2/up/64KiB/2GiB 'new'");
    }

    #[test]
    fn series_of_shuffled_rounds_have_the_order_of_a_matrix() {
        let shuffled = |protocol: &str, chunk: u64, reader: Option<&str>| {
            with(run(protocol), |record| {
                record.case.chunk = chunk.try_into().unwrap();
                record.case.reader_rate = reader.and_then(|rate| rate.parse().ok());
                record.schedule = Some(record::Schedule::shuffled(1));
            })
        };
        let records = [
            shuffled("h2", 64 << 10, Some("7MiB")),
            shuffled("h3", 1 << 20, None),
            shuffled("h2", 64 << 10, None),
            shuffled("h4", 64 << 10, None),
            shuffled("tcp", 1 << 20, None),
            shuffled("tcp", 64 << 10, None),
        ];
        let names = |records: &[Record]| -> Vec<String> {
            Series::all(records).iter().map(|series| series.key.to_string()).collect()
        };
        let expected = [
            "tcp/up/64KiB/2GiB",
            "h2/up/64KiB/2GiB",
            "h4/up/64KiB/2GiB",
            "tcp/up/1MiB/2GiB",
            "h3/up/1MiB/2GiB",
            "h2/up/64KiB/2GiB+reader=7MiB",
        ];
        assert_eq!(names(&records), expected);
        let fixed = records.map(|record| with(record, |record| record.schedule = None));
        assert_eq!(names(&fixed)[0], "h2/up/64KiB/2GiB+reader=7MiB", "the order of first appearance");
    }

    #[test]
    fn old_controls_are_known_by_the_session_in_which_an_end_collects() {
        let old = |protocol: &str, session: &str, edit: fn(&mut Case)| {
            let mut case = Case::new(protocol);
            edit(&mut case);
            with(Record::new(session, case), |record| record.purpose = None)
        };
        let stock = |case: &mut Case| {
            case.limits.set(&record::H3_RECV, record::LimitValue::Choice("stock".into())).unwrap()
        };
        let all = [
            old("h1c", "proof", |case| case.sink = SinkKind::Collect),
            old("h3", "proof", stock),
            old("h3", "bench", stock),
            old("h3", "proof", |_| ()),
        ];
        let controls: Vec<_> = all.iter().map(|record| is_control(record, &all)).collect();
        assert_eq!(controls, [true, true, false, false]);
    }
}
