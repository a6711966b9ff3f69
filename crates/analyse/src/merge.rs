//! Records of several senders, added up to one summary.
//!
//! The summary depends on the records alone, and not on their folders. The folder of an earlier merge therefore counts
//! like the folders that were merged.

mod intervals;
mod overlap;
mod sum;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use record::{FaultKind, Record, Weight};
use serde::Serialize;

use self::sum::{LeftOuts, Sum};
use crate::distribution::Unreadable;

pub use intervals::Intervals;
pub use overlap::{Apart, Span, Spans};
pub use sum::LeftOut;

/// The sum of the records of several senders.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Merged {
    /// The number of records.
    pub records: u64,
    /// The number of records whose run failed.
    pub failed: u64,
    /// The number of records whose content differed between the ends.
    pub corrupted: u64,
    /// The names of the machines that made the records.
    pub hosts: BTreeSet<String>,
    /// The senders: one for each session, in the order of their names.
    pub senders: Vec<Sender>,
    /// The interval during which every sender ran; `None` if there is none.
    pub common: Option<Span>,
    /// The body bytes of all senders over the common interval; `None` without a common interval.
    pub intervals: Option<Intervals>,
    /// The body bytes of all successful runs.
    pub bytes: u64,
    /// The throughput of the senders' ends: an HdrHistogram in the V2 format, deflated and in base64.
    pub throughput_hdr: Option<String>,
    /// The waits of the senders' ends between chunks, in the format of `throughput_hdr`.
    pub pull_wait_hdr: Option<String>,
    /// The distributions that could not be added up, by reason.
    pub left_out: Vec<LeftOut>,
}

impl Merged {
    /// Returns the senders that kept all from running together; `None` if there is a common interval.
    pub fn apart(&self) -> Option<Apart> {
        Apart::among(&self.senders)
    }

    /// Returns the bytes of all senders within the common interval, and its length in seconds. `None` without a common
    /// interval.
    pub fn together(&self) -> Option<(u64, f64)> {
        let bytes = self.intervals.as_ref()?.bytes.iter().sum();
        Some((bytes, self.common?.length_us() as f64 / 1e6))
    }
}

/// One session of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sender {
    /// The name of the machine; empty if the records do not state it.
    pub host: String,
    /// The identifier of the session.
    pub run_id: String,
    /// The number of records.
    pub records: u64,
    /// The body bytes of the successful runs.
    pub bytes: u64,
    /// The body bytes within the common interval.
    pub common_bytes: u64,
    /// The time from the start of the first run to the end of the last one.
    pub span: Span,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (run {})", self.host, self.run_id)
    }
}

/// The identity of a sender: its machine and its session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SenderKey {
    host: String,
    run_id: String,
}

impl SenderKey {
    fn of(record: &Record) -> Self {
        Self { host: record.host.name.clone().unwrap_or_default(), run_id: record.run_id.clone() }
    }
}

/// The builder of a [`Merged`], to which records are added one by one. It keeps two histograms, the intervals, and one
/// entry for each sender, but no record.
#[derive(Debug)]
pub struct Merge {
    merged: Merged,
    senders: BTreeMap<SenderKey, Sender>,
    throughput: Sum,
    pull_wait: Sum,
    left_out: LeftOuts,
}

impl Merge {
    /// Creates an empty sum of records whose senders have these intervals.
    pub fn over(spans: Spans) -> Self {
        let common = spans.common();
        let merged = Merged { common, intervals: common.map(Intervals::of), ..Merged::default() };
        let sender = |(key, span): (SenderKey, Span)| {
            let SenderKey { host, run_id } = key.clone();
            (key, Sender { host, run_id, records: 0, bytes: 0, common_bytes: 0, span })
        };
        let senders = spans.0.into_iter().map(sender).collect();
        let (throughput, pull_wait) = (Sum::default(), Sum::default());
        Self { merged, senders, throughput, pull_wait, left_out: LeftOuts::default() }
    }

    /// Adds a record whose run started at `start_us`, in microseconds since 1970. The spans must contain the record's
    /// sender.
    pub fn add(&mut self, record: &Record, start_us: i64) {
        self.merged.records += 1;
        let Some(sender) = self.senders.get_mut(&SenderKey::of(record)) else { return };
        self.merged.hosts.insert(sender.host.clone());
        sender.records += 1;
        if !record.is_ok() {
            self.merged.failed += 1;
            let is_corrupted = record.error.as_ref().is_some_and(|fault| fault.kind == FaultKind::Integrity);
            self.merged.corrupted += u64::from(is_corrupted);
            return;
        }
        let bytes = record.case.total_bytes();
        self.merged.bytes = self.merged.bytes.saturating_add(bytes);
        sender.bytes = sender.bytes.saturating_add(bytes);
        if let Some((intervals, common)) = self.merged.intervals.as_mut().zip(self.merged.common) {
            let bytes = intervals.add(common, record, start_us);
            sender.common_bytes = sender.common_bytes.saturating_add(bytes);
        }
        let name = sender.to_string();
        self.add_distributions(record, &name);
    }

    fn add_distributions(&mut self, record: &Record, sender: &str) {
        let Some(end) = &record.sender else { return };
        let rates = end.throughput.as_ref().map(|rates| match rates.weight {
            Some(Weight::Time) => self.throughput.add(rates.hdr.as_deref(), sender),
            None => Err(Unreadable::Unweighted),
        });
        let waits = end.pull_wait().map(|waits| self.pull_wait.add(waits.hdr.as_deref(), sender));
        for reason in [rates, waits].into_iter().flatten().filter_map(Result::err) {
            self.left_out.add(reason, 1, sender);
        }
    }

    /// Returns the sum of the records added so far.
    pub fn finish(mut self) -> Merged {
        Merged {
            senders: self.senders.into_values().collect(),
            throughput_hdr: self.throughput.encoded(&mut self.left_out),
            pull_wait_hdr: self.pull_wait.encoded(&mut self.left_out),
            left_out: self.left_out.listed(),
            ..self.merged
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use record::{ByteSize, Latency, Outcome, Throughput};

    use super::*;
    use crate::distribution::{encode, tests::histogram};

    /// The parts of one record that are added up: sender, start, duration, samples and values. A value of 0 stands for
    /// a distribution that cannot be read.
    type Run = (u8, u32, u16, Vec<(u16, u16)>, Vec<u32>);

    fn record((sender, start_ms, elapsed_ms, points, values): &Run) -> (Record, i64) {
        let elapsed_s = f64::from(*elapsed_ms) / 1e3;
        let timeline: Vec<_> =
            points.iter().map(|(ms, bytes)| (f64::from(*ms) / 1e3, u64::from(*bytes))).collect();
        let mut record = intervals::tests::run(elapsed_s, &timeline, 50_000);
        record.case.body = ByteSize(50_000);
        record.run_id = format!("run {}", sender % 3);
        record.host.name = Some(format!("host {}", sender % 2));
        let text = |values: &[u32]| {
            let values: Vec<u64> = values.iter().map(|value| u64::from(*value)).collect();
            let is_readable = !values.contains(&0);
            if is_readable { encode(&histogram(&values)).ok() } else { Some("no base64!".into()) }
        };
        let (unit, hdr) = ("ns".to_owned(), text(values));
        let end = record.sender.as_mut().unwrap();
        end.pull_wait = Some(Latency { unit, p50: 0, p99: 0, p999: 0, max: 0, hdr: hdr.clone() });
        end.throughput = Some(Throughput {
            window_bytes: 1,
            unit: "bytes_per_s".into(),
            weight: (sender % 5 > 0).then_some(Weight::Time),
            samples: 20,
            min: 0,
            p1: 0,
            p5: 0,
            p50: 0,
            p95: 0,
            max: 0,
            under_half_median: None,
            hdr,
        });
        if sender % 7 == 0 {
            record.outcome = Outcome::Error;
        }
        (record, i64::from(*start_ms) * 1000)
    }

    fn merged(records: &[(Record, i64)]) -> Merged {
        let mut spans = Spans::default();
        records.iter().for_each(|(record, start_us)| spans.add(record, *start_us));
        let mut merge = Merge::over(spans);
        records.iter().for_each(|(record, start_us)| merge.add(record, *start_us));
        merge.finish()
    }

    fn runs() -> impl Strategy<Value = Vec<Run>> {
        let points = prop::collection::vec((0_u16..9000, 0_u16..50_000), 0..5);
        let values = prop::collection::vec(0_u32..2_000_000, 1..9);
        prop::collection::vec((any::<u8>(), 0_u32..5000, 1000_u16..9000, points, values), 1..9)
    }

    proptest! {
        #[test]
        fn the_order_of_records_does_not_matter(runs in runs(), turn in 0_usize..8) {
            let mut records: Vec<_> = runs.iter().map(record).collect();
            let forward = merged(&records);
            records.reverse();
            prop_assert_eq!(&merged(&records), &forward);
            let turn = turn % records.len();
            records.rotate_left(turn);
            prop_assert_eq!(&merged(&records), &forward);
        }

        #[test]
        fn the_parts_of_senders_add_up(runs in runs()) {
            let records: Vec<_> = runs.iter().map(record).collect();
            let merged = merged(&records);
            let sum = |part: fn(&Sender) -> u64| merged.senders.iter().map(part).sum::<u64>();
            prop_assert_eq!(merged.records, records.len() as u64);
            prop_assert_eq!(sum(|sender| sender.records), merged.records);
            prop_assert_eq!(merged.bytes, 50_000 * (merged.records - merged.failed));
            prop_assert_eq!(sum(|sender| sender.bytes), merged.bytes);
            prop_assert_eq!(merged.common.is_none(), merged.apart().is_some());
            let together = merged.together().map_or(0, |(bytes, _)| bytes);
            prop_assert_eq!(sum(|sender| sender.common_bytes), together);
            prop_assert!(together <= merged.bytes);
            let left_out: u64 = merged.left_out.iter().map(|left_out| left_out.distributions).sum();
            let added = [&merged.throughput_hdr, &merged.pull_wait_hdr].iter().filter(|sum| sum.is_some()).count();
            prop_assert!(left_out + added as u64 <= 2 * (merged.records - merged.failed));
            prop_assert!(merged.failed == merged.records || left_out + added as u64 > 0);
        }
    }

    #[test]
    fn the_common_interval_is_that_of_all_senders() {
        let run = |sender, start_s: u32, elapsed_s: u16| {
            (sender, start_s * 1000, elapsed_s * 1000, vec![], vec![1])
        };
        let merged = |runs: &[Run]| merged(&runs.iter().map(record).collect::<Vec<_>>());
        let (at, a, b) = (|seconds: i64| seconds * 1_000_000, 1, 2);
        let together = merged(&[run(a, 100, 10), run(b, 104, 10)]);
        assert_eq!(together.common, Some(Span { start_us: at(104), end_us: at(110) }));
        assert_eq!(together.together(), Some((60_000, 6.0)));
        let apart = merged(&[run(a, 100, 10), run(b, 3700, 10)]);
        assert_eq!((apart.common, apart.senders.len(), apart.intervals.is_none()), (None, 2, true));
        // One session is one sender, whatever the number of its runs.
        let session = merged(&[run(a, 100, 1), run(a, 105, 1)]);
        assert_eq!(session.common, Some(Span { start_us: at(100), end_us: at(106) }));
    }

    #[test]
    fn a_distribution_that_cannot_be_added_is_counted_with_its_reason_and_a_sender() {
        let runs =
            [(1, 0, 1000, vec![], vec![0]), (5, 0, 1000, vec![], vec![1]), (2, 0, 1000, vec![], vec![0])];
        let left_out = merged(&runs.iter().map(record).collect::<Vec<_>>()).left_out;
        let left_out: Vec<_> = left_out
            .iter()
            .map(|out| (out.reason.as_str(), out.distributions, out.sender.as_str()))
            .collect();
        let expected = [
            ("its rates are not weighted by time", 1, "host 1 (run run 2)"),
            ("its text is not base64", 4, "host 0 (run run 2)"),
        ];
        assert_eq!(left_out, expected);
    }
}
